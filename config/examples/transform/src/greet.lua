local errors = require("errors")

local function main(name)
    if name == "" then
        return nil, errors.new({message = "a name is required", kind = errors.INVALID})
    end
    return "Hello, " .. name .. "!"
end

return {main = main}
