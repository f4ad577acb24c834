local registry = require("registry")

local function main()
    local formulas = {}
    for _, entry in ipairs(registry.find({["meta.type"] = "formula"})) do
        formulas[entry.data.name] = entry.data.formula
    end
    return formulas
end

return {main = main}
