-- Numbers: integer and float, nested arrays, bounds, bits.
type Row = {number}
type Matrix = {rows: integer, cols: integer, data: {Row}}
type Vec3 = {x: number, y: number, z: number}

local function new(rows: integer, cols: integer, fill: number?): Matrix
    local data: {Row} = {}
    for i = 1, rows do
        data[i] = {}
        for j = 1, cols do
            data[i][j] = fill or 0
        end
    end
    return {rows = rows, cols = cols, data = data}
end

local function mul(a: Matrix, b: Matrix): Matrix
    if a.cols ~= b.rows then
        return nil, string.format("%dx%d by %dx%d", a.rows, a.cols, b.rows, b.cols)
    end
    local out = new(a.rows, b.cols)
    for i = 1, a.rows do
        for j = 1, b.cols do
            local sum = 0.0
            for k = 1, a.cols do
                sum = sum + a.data[i][k] * b.data[k][j]
            end
            out.data[i][j] = sum
        end
    end
    return out
end

local function hash(text: string, seed: integer?): integer
    local h = seed or 0x811c9dc5
    for i = 1, #text do
        h = ((h ~ text:byte(i)) * 0x01000193) & 0xffffffff
    end
    return h
end

local function mean(values: {number}): number
    if #values == 0 then return nil, "no values" end
    local sum: number = 0
    for _, v in ipairs(values) do sum = sum + v end
    return sum / #values
end

local function clamp(n: number, low: number?, high: number?): number
    if low and n < low then return low end
    if high and n > high then return high end
    return n
end

local function length(v: Vec3): number
    return (v.x ^ 2 + v.y ^ 2 + v.z ^ 2) ^ 0.5
end

local function percent(part: number, whole: number): string
    local share: number? = whole ~= 0 and part / whole or nil
    if share == nil then return "n/a" end
    return ("%d%%"):format(share * 100)
end

local function selftest(): string
    local product = assert(mul(new(2, 3, 1), new(3, 2, 2)))
    local none, err = mul(new(1, 2), new(3, 4))
    local m, why = mean({})
    return product.data[2][2] .. " " .. err .. " " .. why .. " " .. hash("abc") .. " " ..
        clamp(5, nil, 3) .. " " .. length({x = 3, y = 4, z = 0}) .. " " .. percent(1, 4) ..
        percent(1, 0) .. tostring(none) .. tostring(m)
end

return {new = new, mul = mul, selftest = selftest}
