-- Changes to call.args are what the next one gets.
local function handle(call, next)
    for i = 1, call.args.n do
        if type(call.args[i]) == "string" then
            call.args[i] = call.args[i]:match("^%s*(.-)%s*$")
        end
    end
    return next()
end

return {handle = handle}
