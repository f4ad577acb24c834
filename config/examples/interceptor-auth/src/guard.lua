local errors = require("errors")

-- The context of a call goes along to whatever it calls in turn, so the role that was set
-- at the entrance is there however deep the guarded function is.
local function handle(call, next)
    local role = call.context.role
    if role ~= call.meta.role then
        return nil, errors.new({
            message = call.id .. " is for " .. call.meta.role .. " only",
            kind = errors.PERMISSION_DENIED,
            details = {role = role},
        })
    end
    return next()
end

return {handle = handle}
