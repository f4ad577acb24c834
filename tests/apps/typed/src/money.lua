-- Operators by metamethods, intersections, readonly records, literal types.
type Currency = "EUR" | "USD" | "CHF"
type Money = readonly {cents: integer, currency: Currency}
type Named = {name: string}
type Priced = {price: Money}
type Product = Named & Priced & {stock?: integer}

local mt = {}
mt.__index = mt

local function money(cents: integer, currency: Currency?): Money
    return setmetatable({cents = cents, currency = currency or "EUR"}, mt)
end

function mt.__add(a: Money, b: Money): Money
    if a.currency ~= b.currency then
        error(("can't add %s to %s"):format(b.currency, a.currency), 2)
    end
    return money(a.cents + b.cents, a.currency)
end

function mt.__mul(a: Money | number, b: Money | number): Money
    if type(a) == "number" then return (b as Money) * a end
    local factor = b as number
    return money(math.floor(a.cents * factor + 0.5), a.currency)
end

function mt.__eq(a: Money, b: Money): boolean
    return a.cents == b.cents and a.currency == b.currency
end

function mt.__lt(a: Money, b: Money): boolean return a.cents < b.cents end
function mt.__unm(a: Money): Money return money(-a.cents, a.currency) end
function mt.__tostring(a: Money): string
    return ("%s%d.%02d %s"):format(a.cents < 0 and "-" or "", math.abs(a.cents) // 100,
        math.abs(a.cents) % 100, a.currency)
end
function mt.__concat(a: any, b: any): string return tostring(a) .. tostring(b) end
function mt:round(): integer return (self.cents + 50) // 100 end

local function total(products: {Product}): Money
    local sum = money(0)
    for _, product in ipairs(products) do
        sum = sum + product.price * (product.stock or 1)
    end
    return sum
end

local function cheapest(products: {Product}): Product?
    local best: Product?
    for _, product in ipairs(products) do
        if not best or product.price < best.price then best = product end
    end
    return best
end

local function selftest(): string
    local products: {Product} = {
        {name = "pen", price = money(150), stock = 3},
        {name = "ink", price = money(999)},
    }
    local best = cheapest(products)
    local sum: Money = total(products)
    assert(best and best.name == "pen" and -sum == money(-1449))
    return sum .. " " .. best.price:round() .. " " .. sum:round()
end

return {money = money, selftest = selftest}
