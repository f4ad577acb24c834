local registry = require("registry")

-- One changeset is one version: the function and the note about it come together, or
-- not at all. A formula that doesn't compile changes nothing.
local function put(changes, entry)
    local known = registry.get(entry.id)
    if known then
        return changes:update(entry)
    end
    return changes:create(entry)
end

local function main(name: string, formula: string)
    local changes = registry.snapshot():changes()
    put(changes, {
        id = "live_registry:" .. name,
        kind = "function.lua",
        data = {
            source = "return {main = function(x) return " .. formula .. " end}",
            method = "main",
        },
    })
    put(changes, {
        id = "live_registry:" .. name .. ".note",
        kind = "registry.entry",
        meta = {type = "formula"},
        data = {name = name, formula = formula},
    })
    local version, err = changes:apply()
    if err then
        return nil, err
    end
    return version:string()
end

return {main = main}
