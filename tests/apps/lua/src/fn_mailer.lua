-- Runs the methods of suite:mailer; what it is given and in what frame comes back.
local runs = {}

local function frame()
    local actor = security.actor()
    return {context = ctx.all(), actor = actor and actor:id(), entry = process.id()}
end

local M = {}

function M.send(mail, note)
    return {id = 7, to = mail.to, note = note, frame = frame()}
end

function M.fails(kind, text)
    if kind == "raise" then
        error(text)
    end
    return nil, errors.new{kind = kind, message = text, retryable = false}
end

function M.broken(what)
    return what
end

function M.flaky(key, least)
    runs[key] = (runs[key] or 0) + 1
    if runs[key] < least then
        return nil, errors.new{kind = "Unavailable", message = "run " .. runs[key]}
    end
    return runs[key]
end

function M.nothing()
end

return M
