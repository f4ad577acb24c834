-- Cases and assertions. A suite declares cases with case("title", function ... end) and
-- returns case.entry; its main(title) runs one of them and returns true or raises.

local declared = {}
local case = {entry = {}}

local function show(value)
    if type(value) == "string" then
        return string.format("%q", value)
    elseif type(value) == "table" then
        local parts = {}
        for k, v in pairs(value) do
            parts[#parts + 1] = tostring(k) .. "=" .. tostring(v)
        end
        return "{" .. table.concat(parts, ", ") .. "}"
    end
    return tostring(value)
end

case.show = show

function case.eq(got, want, what)
    if got ~= want or math.type(got) ~= math.type(want) then
        error((what or "value") .. " is " .. show(got) .. ", not " .. show(want), 2)
    end
end

function case.ok(value, what)
    if not value then
        error((what or "value") .. " is " .. show(value), 2)
    end
    return value
end

-- The same elements in the same order.
function case.list(got, want, what)
    if type(got) ~= "table" then
        error((what or "list") .. " is " .. show(got), 2)
    end
    for i = 1, math.max(#got, #want) do
        if got[i] ~= want[i] then
            error((what or "list") .. "[" .. i .. "] is " .. show(got[i]) .. ", not "
                .. show(want[i]), 2)
        end
    end
end

-- nil (or false) and an Error object of that kind, whose message contains text.
function case.fails(kind, text, value, err)
    if value then
        error("no failure but " .. show(value), 2)
    elseif type(err) ~= "userdata" then
        error("the error is no Error object but " .. show(err), 2)
    elseif kind ~= nil and err:kind() ~= kind then
        error("kind is " .. show(err:kind()) .. ", not " .. show(kind) .. ": "
            .. tostring(err), 2)
    elseif not string.find(tostring(err), text, 1, true) then
        error("message is " .. show(tostring(err)) .. " without " .. show(text), 2)
    end
    return err
end

-- A raised error whose text contains text.
function case.raises(text, f, ...)
    local done, err = pcall(f, ...)
    if done then
        error("nothing was raised", 2)
    elseif not string.find(tostring(err), text, 1, true) then
        error("raised " .. show(tostring(err)) .. " without " .. show(text), 2)
    end
    return err
end

function case.entry.main(title)
    declared[title](case)
    return true
end

return setmetatable(case, {
    __call = function(_, title, f)
        declared[title] = f
    end,
})
