-- Validators made of functions; narrowing of what callers pass; unions of shapes.
type Check = (value: any, path: string) -> string?
type Field = {name: string, check: Check, optional?: boolean}
type Problem = {path: string, text: string}

local M = {}

local function is(kind: string): Check
    return function(value, path)
        if type(value) ~= kind then
            return path .. ": expected " .. kind .. ", got " .. type(value)
        end
        return nil
    end
end

M.string, M.number, M.boolean = is("string"), is("number"), is("boolean")

function M.list(of: Check): Check
    return function(value: any, path: string): string?
        local problem = is("table")(value, path)
        if problem then return problem end
        for i, item in ipairs(value) do
            problem = of(item, path .. "[" .. i .. "]")
            if problem then return problem end
        end
    end
end

function M.record(fields: {Field}): Check
    return function(value, path)
        if type(value) ~= "table" then return path .. ": expected a table" end
        for _, field in ipairs(fields) do
            local item = value[field.name]
            if item == nil then
                if not field.optional then return path .. "." .. field.name .. ": missing" end
            else
                local problem = field.check(item, path .. "." .. field.name)
                if problem ~= nil then return problem end
            end
        end
        return nil
    end
end

function M.either(...: Check): Check
    local checks: {Check} = {...}
    return function(value, path)
        local first: string?
        for _, check in ipairs(checks) do
            local problem = check(value, path)
            if not problem then return nil end
            first = first or problem
        end
        return first
    end
end

function M.run(check: Check, value: any): boolean
    local problem = check(value, "$")
    if problem then return false, problem end
    return true
end

function M.collect(checks: {[string]: Check}, value: {[string]: any}): {Problem}
    local problems: {Problem} = {}
    for name, check in pairs(checks) do
        local text = check(value[name], name)
        if text then problems[#problems + 1] = {path = name, text = text} end
    end
    table.sort(problems, function(a: Problem, b: Problem): boolean return a.path < b.path end)
    return problems
end

function M.selftest(): string
    local user = M.record({
        {name = "name", check = M.string},
        {name = "tags", check = M.list(M.either(M.string, M.number)), optional = true},
    })
    local ok = M.run(user, {name = "x", tags = {"a", 1}})
    local bad, why = M.run(user, {name = "x", tags = {"a", true}})
    local problems = M.collect({a = M.number, b = M.boolean}, {a = "1"})
    return tostring(ok) .. tostring(bad) .. why .. #problems .. problems[1].path
end

return M
