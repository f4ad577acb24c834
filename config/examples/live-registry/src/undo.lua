local registry = require("registry")

local function main(number: number)
    local version, err = registry.history():get_version(number)
    if err then
        return nil, err
    end
    local done, why = registry.apply_version(version)
    if not done then
        return nil, why
    end
    return registry.current_version():string()
end

return {main = main}
