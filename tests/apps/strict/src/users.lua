local json = require("json")
local time = require("time")
local get = json.get -- stands for whatever fetches a page

type Role = "admin" | "user" | "guest"
type User = {
    id: integer,
    name: string,
    email: string?,
    role: Role,
    tags: {string},
    settings: {[string]: any},
    manager?: User,
}
type Result<T> = {ok: boolean, value: T?, error: string?}
type Repo = {
    find: (id: integer) -> User?,
    save: (user: User) -> (boolean, string?),
    all: () -> {User},
}
type Event = {kind: "created", user: User} | {kind: "deleted", id: integer}

local users: {[integer]: User} = {}
local next_id = 1
local listeners: {(event: Event) -> ()} = {}

local function emit(event: Event)
    for _, listener in ipairs(listeners) do
        local ok, err = pcall(listener, event)
        if not ok then print("listener failed: " .. tostring(err)) end
    end
end

local function validate(input: any): (User?, string?)
    if type(input) ~= "table" then
        return nil, "table expected"
    end
    local name = input.name
    if type(name) ~= "string" or #name == 0 then
        return nil, "name is required"
    end
    local role: Role = input.role or "user"
    if role ~= "admin" and role ~= "user" and role ~= "guest" then
        return nil, "unknown role " .. role
    end
    local user: User = {
        id = next_id,
        name = name,
        email = input.email,
        role = role,
        tags = input.tags or {},
        settings = {},
    }
    return user
end

local repo: Repo = {
    find = function(id) return users[id] end,
    save = function(user: User): (boolean, string?)
        if users[user.id] then return false, "exists" end
        users[user.id] = user
        return true
    end,
    all = function(): {User}
        local list: {User} = {}
        for _, user in pairs(users) do table.insert(list, user) end
        table.sort(list, function(a: User, b: User): boolean return a.id < b.id end)
        return list
    end,
}

local M = {}

function M.create(input: any): (User?, string?)
    local user, err = validate(input)
    if err then return nil, err end
    local saved, why = repo.save(user)
    if not saved then return nil, why end
    next_id = next_id + 1
    emit({kind = "created", user = user})
    return user
end

function M.rename(id: integer, name: string): boolean
    local user = repo.find(id)
    if not user then return false end
    user.name = name
    user.email = nil
    user.tags[#user.tags + 1] = "renamed"
    user.settings.renamed_at = time.now()
    user.settings["x"] = {1, 2}
    return true
end

function M.chain(id: integer): string
    local user = repo.find(id)
    local names: {string} = {}
    while user do
        names[#names + 1] = user.name
        user = user.manager
    end
    return table.concat(names, " < ")
end

function M.describe(user: User): string
    local mail = user.email and ("<" .. user.email .. ">") or "(none)"
    local boss = user.manager and user.manager.name or "nobody"
    return string.format("%s %s %s %d", user.name, mail, boss, #user.tags)
end

function M.on(listener: (event: Event) -> ())
    listeners[#listeners + 1] = listener
end

M.on(function(event: Event)
    if event.kind == "created" then
        print(event.user.name)
    else
        print(event.id)
    end
end)

function M.map<T, U>(list: {T}, f: (T) -> U): {U}
    local out: {U} = {}
    for i, v in ipairs(list) do out[i] = f(v) end
    return out
end

function M.names(): {string}
    return M.map(repo.all(), function(u: User): string return u.name end)
end

function M.try(f: () -> any): Result<any>
    local ok, value = pcall(f)
    if ok then return {ok = true, value = value} end
    return {ok = false, error = tostring(value)}
end

local function retry(times: integer, wait: number?, f: (n: integer) -> (any, string?)): (any, string?)
    local last: string? = nil
    for n = 1, times do
        local value, err = f(n)
        if not err then return value end
        last = err
        if wait then time.sleep(wait * n) end
    end
    return nil, last or "never tried"
end

function M.fetch(url: string, opts: {timeout: number?, headers: {[string]: string}?}?): (string?, string?)
    opts = opts or {}
    local timeout = opts.timeout or 30
    local headers = opts.headers or {}
    headers["user-agent"] = "x"
    local body, err = retry(3, 0.5, function(n: integer): (any, string?)
        local response, why = get(url, {timeout = timeout * n, headers = headers})
        if why then return nil, tostring(why) end
        return response.body
    end)
    if not body then return nil, err end
    return body
end

local Stack = {}
Stack.__index = Stack
type StackOf = {items: {any}, n: integer, push: (self: any, v: any) -> (), pop: (self: any) -> any}

function Stack.new(): StackOf
    return setmetatable({items = {}, n = 0}, Stack)
end

function Stack:push(v: any)
    self.n = self.n + 1
    self.items[self.n] = v
end

function Stack:pop(): any
    if self.n == 0 then return nil end
    local v = self.items[self.n]
    self.items[self.n] = nil
    self.n = self.n - 1
    return v
end

local s = Stack.new()
s:push(1)
s:push("x")
local top: string = s:pop()
s.n = s.n + 1

local function fib(n: integer, memo: {[integer]: integer}?): integer
    memo = memo or {}
    if n < 2 then return n end
    local known = memo[n]
    if known then return known end
    local value = fib(n - 1, memo) + fib(n - 2, memo)
    memo[n] = value
    return value
end

local function parse(text: string): {[string]: string | number | boolean}
    local out: {[string]: string | number | boolean} = {}
    for key, value in text:gmatch("(%w+)=(%w+)") do
        local number = tonumber(value)
        if number then
            out[key] = number
        elseif value == "true" or value == "false" then
            out[key] = value == "true"
        else
            out[key] = value
        end
    end
    return out
end

local function sum(...: number): number
    local total: number = 0
    for _, n in ipairs({...}) do total = total + n end
    for i = 1, select("#", ...) do total = total + (select(i, ...)) end
    return total
end

local cache: {value: string?, at: number?} = {}
local function cached(): string
    if cache.value and cache.at and os.time() - cache.at < 60 then
        return cache.value
    end
    local value = M.fetch("http://x") or ""
    cache.value, cache.at = value, os.time()
    return value
end

local function state(): string
    local current: "idle" | "busy" | "done" = "idle"
    local count = 0
    repeat
        if current == "idle" then
            current = "busy"
        elseif current == "busy" and count > 3 then
            current = "done"
        end
        count = count + 1
    until current == "done"
    return current
end

local pending: {resolve: (any) -> ()}? = nil
local function wait_for(cb: (any) -> ())
    pending = {resolve = cb}
end
local function done(v: any)
    if pending then
        pending.resolve(v)
        pending = nil
    end
end

local function first<T>(list: {T}, pred: ((T) -> boolean)?): T?
    for _, v in ipairs(list) do
        if not pred or pred(v) then return v end
    end
    return nil
end

local best: User? = nil
for _, u in ipairs(repo.all()) do
    if not best or u.id > best.id then
        best = u
    end
end
if best then print(best.name) end

local function pick(a: number?, b: number?): number
    if a ~= nil and b ~= nil then
        return math.max(a, b)
    elseif a ~= nil then
        return a
    elseif b ~= nil then
        return b
    end
    return 0
end

local function either(x: string | {string}): {string}
    if type(x) == "string" then
        x = {x}
    end
    return x
end

local function norm(x: string | number | nil): string
    x = x or ""
    if type(x) == "number" then x = tostring(x) end
    return x
end

local function guard(user: User?): User
    if user == nil then
        error("no user", 2)
    end
    return user
end

local function guard2(user: User?): User
    return user or error("no user")
end

local function early(x: number?): string
    if not x then
        print("none")
        return ""
    end
    if x > 5 then goto big end
    do return "small" end
    ::big::
    return "big" .. x
end

local handlers: {[string]: (any) -> string?} = {
    add = function(v) return tostring(v) end,
    del = function(v: any): string? return nil end,
    ["get all"] = tostring,
}
local handler = handlers[tostring(1)]
if handler then print(handler(1)) end
local out = handlers.add(1) or "x"
print(out .. "y")

local matrix: {{number}} = {}
for i = 1, 3 do
    matrix[i] = {}
    for j = 1, 3 do matrix[i][j] = i * j end
end
local trace = 0
for i, row in ipairs(matrix) do trace = trace + row[i] end

local opts: {debug: boolean?, level: integer?} = {}
if opts.debug then opts.level = (opts.level or 0) + 1 end
local level: integer = opts.level or 1

local co = coroutine.wrap(function(a: number): number
    local b: number = coroutine.yield(a)
    return a + b
end)
local r1: number = co(1)

return {
    main = function(args: {name: string}?): (string?, string?)
        local name = args and args.name or "x"
        local user, err = M.create({name = name})
        if not user then return nil, err end
        return M.describe(user)
    end,
    M = M, fib = fib, parse = parse, sum = sum, cached = cached, state = state, wait_for = wait_for,
    done = done, first = first, pick = pick, either = either, norm = norm, guard = guard, guard2 = guard2,
    early = early, top = top, level = level, r1 = r1, json = json,
}
