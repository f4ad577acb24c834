-- Heaps, closures over counters, comparison functions, repeat … until, assignments of many.
type Task = {id: integer, at: number, run: () -> (), every?: number, cancelled?: boolean}
type Less<T> = (a: T, b: T) -> boolean

local Heap = {}
Heap.__index = Heap

type Heap<T> = {items: {T}, less: Less<T>}

function Heap.new<T>(less: Less<T>): Heap<T>
    return setmetatable({items = {}, less = less}, Heap)
end

function Heap:push(item: any)
    local items, less = self.items, self.less
    local i = #items + 1
    items[i] = item
    while i > 1 and less(items[i], items[i // 2]) do
        items[i], items[i // 2] = items[i // 2], items[i]
        i = i // 2
    end
end

function Heap:pop(): any
    local items, less = self.items, self.less
    local top = items[1]
    if top == nil then return nil end
    items[1] = items[#items]
    items[#items] = nil
    local i = 1
    repeat
        local smallest, left, right = i, 2 * i, 2 * i + 1
        if items[left] and less(items[left], items[smallest]) then smallest = left end
        if items[right] and less(items[right], items[smallest]) then smallest = right end
        local done = smallest == i
        items[i], items[smallest] = items[smallest], items[i]
        i = smallest
    until done
    return top
end

local function counter(start: integer?): () -> integer
    local n = start or 0
    return function(): integer
        n = n + 1
        return n
    end
end

local next_id = counter()
local tasks: Heap<Task> = Heap.new(function(a: Task, b: Task): boolean return a.at < b.at end)

local function schedule(at: number, run: () -> (), every: number?): Task
    if at < 0 then return nil, "in the past" end
    local task: Task = {id = next_id(), at = at, run = run, every = every}
    tasks:push(task)
    return task
end

local function run_until(limit: number): integer
    local n = 0
    while true do
        local task: Task? = tasks:pop()
        if not task then break end
        if task.at > limit then
            tasks:push(task)
            break
        end
        if not task.cancelled then
            task.run()
            n = n + 1
            if task.every then
                task.at = task.at + task.every
                tasks:push(task)
            end
        end
    end
    return n
end

local function selftest(): string
    local out: {string} = {}
    local function note(text: string): () -> ()
        return function() out[#out + 1] = text end
    end
    schedule(3, note("c"))
    local tick = schedule(1, note("t"), 2)
    local gone = assert(schedule(2, note("x")))
    gone.cancelled = true
    local none, err = schedule(-1, note("n"))
    local n = run_until(4)
    tick.every = nil
    return table.concat(out) .. n .. err .. tostring(none) .. run_until(100)
end

return {selftest = selftest}
