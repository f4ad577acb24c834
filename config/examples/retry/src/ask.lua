local errors = require("errors")

local tries = {}

-- Unavailable is worth another try. An error of kind Invalid, PermissionDenied or
-- Internal isn't, nor is one that says `retryable = false`.
local function ask(name)
    if name == nil or name == "" then
        return nil, errors.new({message = "who?", kind = errors.INVALID})
    end
    tries[name] = (tries[name] or 0) + 1
    if tries[name] % 3 ~= 0 then
        return nil, errors.new({message = "not now", kind = errors.UNAVAILABLE})
    end
    return {said = "Hello, " .. name .. "!", tries = tries[name]}
end

return {ask = ask}
