-- Results as tagged unions, and functions that hand each other on.
type Ok<T> = {ok: true, value: T}
type Err = {ok: false, error: string, code?: integer}
type Result<T> = Ok<T> | Err

local M = {}

function M.ok<T>(value: T): Result<T>
    return {ok = true, value = value}
end

function M.err(text: string, code: integer?): Err
    return {ok = false, error = text, code = code}
end

function M.map<T, U>(result: Result<T>, f: (T) -> U): Result<U>
    if result.ok then
        return M.ok(f(result.value))
    end
    return result
end

function M.try<T>(f: (...any) -> T, ...: any): Result<T>
    local ok, value = pcall(f, ...)
    if ok then return {ok = true, value = value} end
    return {ok = false, error = tostring(value)}
end

function M.unwrap<T>(result: Result<T>, default: T?): T
    if result.ok == true then
        return result.value
    elseif default ~= nil then
        return default
    end
    error(result.error .. (result.code and " (" .. result.code .. ")" or ""), 2)
end

function M.all<T>(results: {Result<T>}): Result<{T}>
    local values: {T} = {}
    for i, result in ipairs(results) do
        if not result.ok then return result end
        values[i] = result.value
    end
    return M.ok(values)
end

function M.selftest(): string
    local one = M.map(M.ok(20), function(n: integer): integer return n + 1 end)
    local bad = M.try(function() error("no", 0) end)
    local both = M.all({one, bad})
    local ok, why = pcall(M.unwrap, M.err("gone", 404))
    return M.unwrap(one) .. " " .. both.error .. " " .. tostring(ok) .. " " ..
        tostring(why):match("gone.*$")
end

return M
