local function handle(call, next)
    local result, err = next()
    if err then
        return {ok = false, error = {kind = err:kind(), message = err:message()}}
    end
    return {ok = true, data = result}
end

return {handle = handle}
