local registry = require("registry")

-- Replaces the counter's source while it runs.
local function main()
    local snapshot = assert(registry.snapshot())
    local counter = assert(snapshot:get("upgrade:counter"))
    local newer = assert(snapshot:get("upgrade:counter_next"))
    counter.data.source = newer.data.source
    local changes = snapshot:changes()
    changes:update(counter)
    return tostring(assert(changes:apply()):string())
end

return {main = main}
