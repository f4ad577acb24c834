-- The types of libraries, by their bare names and by the library's.
local bank = require("bank")
local people = require("people")

type Customer = {user: User, account: Account, limit: people.Patch?}

local function open(user: User, amount: number): Customer
    local account: Account, err = bank.new(user.name, amount)
    if err then return nil, err end
    return {user = user, account = account}
end

local function pay(customer: Customer, amount: number): number
    local left, err = customer.account:withdraw(amount)
    if not left then return nil, customer.user.name .. ": " .. err end
    return left
end

local function as_account(value: any): Account?
    local account = Account:is(value)
    return account
end

local function selftest(): string
    local user = assert(people.create("7", "Cid"))
    local customer = assert(open(user, 20))
    local left = pay(customer, 5)
    local none, err = pay(customer, 500)
    return left .. " " .. tostring(none) .. " " .. err
end

return {selftest = selftest}
