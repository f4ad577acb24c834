-- Functions of functions, iterators, results passed on untouched, shadowed names.
type Iterator<T> = () -> T?
type Step<A, B> = (value: A) -> (B?, string?)

local function range(from: integer, to: integer, by: integer?): Iterator<integer>
    local at, step = from - (by or 1), by or 1
    return function()
        at = at + step
        if at > to then return nil end
        return at
    end
end

local function map<A, B>(of: Iterator<A>, f: (A) -> B): Iterator<B>
    return function()
        local item = of()
        if item == nil then return nil end
        return f(item)
    end
end

local function take<T>(of: Iterator<T>, n: integer): Iterator<T>
    local left = n
    return function()
        if left == 0 then return end
        left = left - 1
        return of()
    end
end

local function to_list<T>(of: Iterator<T>): {T}
    local list: {T} = {}
    for item in of do list[#list + 1] = item end
    return list
end

local function chain(...: Step<any, any>): Step<any, any>
    local steps = {...}
    return function(value)
        local current: any = value
        for i, step in ipairs(steps) do
            local out, err = step(current)
            if err then return nil, "step " .. i .. ": " .. err end
            current = out
        end
        return current
    end
end

local function parse(text: string): integer
    local n = tonumber(text)
    if n == nil then return nil, "no number: " .. text end
    return n // 1
end

local function parse_again(text: string): integer
    return parse(text)
end

local function parse_or(text: string, default: integer): integer
    local n, err = parse_again(text)
    if err then return default end
    return n
end

local function positive(n: integer): (integer?, string?)
    if n > 0 then return n end
    return nil, "not positive"
end

local function memoize<A, R>(f: (A) -> R): (A) -> R
    local known: {[any]: R} = {}
    return function(arg: A): R
        local found = known[arg]
        if found == nil then
            found = f(arg)
            known[arg] = found
        end
        return found
    end
end

local function selftest(): string
    local squares = to_list(take(map(range(1, 100), function(n) return n * n end), 3))
    local run = chain(parse, positive, function(n) return n * 2 end)
    local good = run("21")
    local bad, err = run("-1")
    local fast = memoize(function(n: integer): integer return n + 1 end)
    local n: integer = fast(1) + fast(1)
    do
        local n: string = "inner"
        assert(n .. "" == "inner")
    end
    return table.concat(squares, ",") .. " " .. good .. " " .. tostring(bad) ..
        tostring(err) .. n .. parse_or("x", 5)
end

return {selftest = selftest}
