local contract = require("contract")

-- The first two values that a method returns, in one that a terminal can show.
local function show(result, err)
    if err then
        return tostring(err)
    end
    return result
end

local M = {}

function M.tell(mail)
    local mailer, err = contract.get("contracts:mailer")
    if err then
        return nil, err
    end
    return show(mailer:send(mail))
end

-- binding may carry values of the context: contracts:pigeon?sender=ann
function M.tell_by(binding, mail)
    local mailer, err = contract.open(binding)
    if err then
        return nil, err
    end
    return show(mailer:send(mail))
end

function M.who()
    return contract.find_implementations("contracts:mailer")
end

return M
