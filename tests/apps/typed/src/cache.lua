-- Maps, optional values, early returns, `and`/`or` idioms, goto.
type Entry<V> = {value: V, expires: number, hits: integer}
type Stats = {hits: integer, misses: integer}

local M = {}

local entries: {[string]: Entry<any>} = {}
local stats: Stats = {hits = 0, misses = 0}
local clock: () -> number = os.clock

function M.get(key: string): any?
    local entry = entries[key]
    if not entry or entry.expires < clock() then
        stats.misses = stats.misses + 1
        return nil
    end
    entry.hits, stats.hits = entry.hits + 1, stats.hits + 1
    return entry.value
end

function M.put<V>(key: string, value: V, ttl: number?): V
    entries[key] = {value = value, expires = clock() + (ttl or 60), hits = 0}
    return value
end

function M.fetch<V>(key: string, make: (string) -> (V?, string?)): V
    local found = M.get(key)
    if found ~= nil then return found end
    local made, err = make(key)
    if err then return nil, err end
    if made == nil then return nil, "nothing made for " .. key end
    return M.put(key, made)
end

function M.sweep(limit: integer?): integer
    local n = 0
    for key, entry in pairs(entries) do
        if entry.hits > 0 then goto continue end
        entries[key] = nil
        n = n + 1
        if limit and n >= limit then break end
        ::continue::
    end
    return n
end

function M.ratio(): number
    local total = stats.hits + stats.misses
    return total > 0 and stats.hits / total or 0
end

function M.first(keys: {string}, default: string?): string?
    for i = 1, #keys do
        local value = M.get(keys[i])
        if type(value) == "string" and value ~= "" then return value end
    end
    return default
end

function M.selftest(): string
    local v = M.fetch("a", function(key) return key .. "!" end)
    local none, err = M.fetch("b", function(key) return nil, "no " .. key end)
    M.put("c", "see")
    local again: string = M.fetch("a", error)
    return v .. again .. tostring(none) .. err .. (M.first({"z", "c"}) or "-") .. M.sweep(1)
end

return M
