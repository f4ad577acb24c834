type Primes = {below: integer, count: integer}

local function add(a: number, b: number): number
    return (tonumber(a) or 0) + (tonumber(b) or 0)
end

local function primes(below: integer?): Primes
    local n = math.min(tonumber(below) or 10000, 1000000)
    local count, sieve = 0, {}

    for i = 2, n - 1 do
        if not sieve[i] then
            count = count + 1
            for j = i * i, n - 1, i do
                sieve[j] = true
            end
        end
    end
    return {below = n, count = count}
end

return {add = add, primes = primes}
