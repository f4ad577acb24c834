-- Generic containers made of closures.
type Queue<T> = {
    push: (item: T) -> (),
    pop: () -> T?,
    len: () -> integer,
    each: (f: (item: T, i: integer) -> boolean?) -> (),
}

local function new_queue<T>(limit: integer?): Queue<T>
    local items: {T} = {}
    local first, last = 1, 0
    local most = limit or math.huge

    local queue: Queue<T> = {
        push = function(item: T)
            if last - first + 1 >= most then
                error("queue is full", 2)
            end
            last = last + 1
            items[last] = item
        end,
        pop = function(): T?
            if first > last then return nil end
            local item = items[first]
            items[first] = nil
            first = first + 1
            return item
        end,
        len = function() return last - first + 1 end,
        each = function(f)
            for i = first, last do
                if f(items[i], i - first + 1) == false then break end
            end
        end,
    }
    return queue
end

local function filter<T>(list: {T}, keep: (T) -> boolean): {T}
    local out: {T} = {}
    for _, item in ipairs(list) do
        if keep(item) then table.insert(out, item) end
    end
    return out
end

local function reduce<T, A>(list: {T}, f: (A, T) -> A, start: A): A
    local acc = start
    for _, item in ipairs(list) do acc = f(acc, item) end
    return acc
end

local function group_by<T, K>(list: {T}, key: (T) -> K): {[K]: {T}}
    local groups: {[K]: {T}} = {}
    for _, item in ipairs(list) do
        local k = key(item)
        local group = groups[k]
        if not group then
            group = {}
            groups[k] = group
        end
        group[#group + 1] = item
    end
    return groups
end

local function selftest(): string
    local queue: Queue<string> = new_queue::<string>(3)
    queue.push("a") queue.push("b")
    local seen: {string} = {}
    queue.each(function(item, i) seen[i] = item return true end)
    local even = filter({1, 2, 3, 4}, function(n: integer) return n % 2 == 0 end)
    local sum = reduce(even, function(acc: number, n: number) return acc + n end, 0)
    local groups = group_by({"ann", "bob", "eve", "al"}, function(s) return #s end)
    return table.concat(seen) .. queue.len() .. tostring(queue.pop()) .. sum .. #groups[3]
end

return {new = new_queue, selftest = selftest}
