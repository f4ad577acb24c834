local errors = require("errors")

local function main(a, b)
    if b == 0 then
        return nil, errors.new({message = "division by zero", kind = errors.INVALID})
    end
    return a / b
end

return {main = main}
