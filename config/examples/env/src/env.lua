local env = require("env")

local function get(name: string)
    return env.get(name)
end

local function set(name: string, value: string)
    return env.set(name, value)
end

return {get = get, set = set}
