-- A class whose methods live in its metatable alone.
type Account = {
    owner: string,
    balance: number,
    history: {number},
}

local Account = {}
Account.__index = Account
Account.LIMIT = 1000

function Account.new(owner: string, opening: number?): Account
    local self: Account = {owner = owner, balance = opening or 0, history = {}}
    return setmetatable(self, Account)
end

function Account:deposit(amount: number): number
    if amount <= 0 then
        return nil, "amount must be positive"
    end
    self.balance = self.balance + amount
    table.insert(self.history, amount)
    return self.balance
end

function Account:withdraw(amount: number): (number?, string?)
    if amount > self.balance then
        return nil, "insufficient funds"
    end
    self.balance = self.balance - amount
    self.history[#self.history + 1] = -amount
    return self.balance
end

function Account.__tostring(self: Account): string
    return ("%s: %d"):format(self.owner, self.balance)
end

local function transfer(from: Account, to: Account, amount: number): boolean
    if amount > from.LIMIT then
        return false, "over the limit"
    end
    local left, err = from:withdraw(amount)
    if not left then
        return false, "transfer: " .. err
    end
    local now, why = to:deposit(amount)
    if why then
        return nil, why
    end
    assert(now >= amount)
    return true
end

local function selftest(): string
    local a, b = Account.new("ann", 10), Account.new("bob")
    assert(transfer(a, b, 4))
    local ok, err = transfer(a, b, 400)
    assert(not ok and err == "transfer: insufficient funds", err)
    return tostring(a) .. ", " .. tostring(b)
end

return {new = Account.new, transfer = transfer, selftest = selftest}
