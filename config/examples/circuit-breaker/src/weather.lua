local errors = require("errors")

local function main(city, broken)
    if broken then
        return nil, errors.new({message = "no answer", kind = errors.UNAVAILABLE})
    end
    return "sunny in " .. city
end

return {main = main}
