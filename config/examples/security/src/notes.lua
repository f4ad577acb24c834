local errors = require("errors")
local security = require("security")

local notes = {
    plan = {owner = "ann"},
    bill = {owner = "bob"},
    will = {owner = "ann", locked = true},
}

-- The third argument of `can` is what conditions and expressions see as `meta`.
local function touch(action, name)
    local note = notes[name]
    if not note then
        return nil, errors.new({message = "no note " .. name, kind = errors.NOT_FOUND})
    end
    if not security.can("note." .. action, "note:" .. name, note) then
        local actor = security.actor()
        return nil, errors.new({
            message = (actor and actor:id() or "nobody") .. " may not " .. action .. " " .. name,
            kind = errors.PERMISSION_DENIED,
        })
    end
    return action .. " " .. name .. ": done"
end

return {touch = touch}
