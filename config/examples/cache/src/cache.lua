local json = require("json")
local time = require("time")

local items, n_items = {}, 0

-- nil when the arguments have no text of their own (holes, for instance).
local function key_of(call)
    local text = json.encode({table.unpack(call.args, 1, call.args.n)})
    return text and call.id .. " " .. text
end

local function is_fresh(item, ttl_ms)
    return time.now():sub(item.at):milliseconds() < ttl_ms
end

local function keep(key, result, max_items)
    if n_items >= max_items then -- simple and bounded: start again
        items, n_items = {}, 0
    end
    if items[key] == nil then
        n_items = n_items + 1
    end
    items[key] = {result = result, at = time.now()}
end

local function handle(call, next)
    local ttl_ms = type(call.option) == "table" and call.option.ttl_ms or 0
    local key = ttl_ms > 0 and key_of(call)
    if not key then
        return next()
    end
    if items[key] and is_fresh(items[key], ttl_ms) then
        return items[key].result
    end
    local result, err = next()
    if err == nil then
        keep(key, result, call.config.max_items)
    end
    return result, err
end

return {handle = handle}
