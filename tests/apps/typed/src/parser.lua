-- Recursive types, narrowing by type(), casts.
type Json = nil | boolean | number | string | {Json} | {[string]: Json}
type Token = {kind: string, text: string, at: integer}
type Node =
    {kind: "number", value: number}
    | {kind: "name", name: string}
    | {kind: "binary", op: string, left: Node, right: Node}

local function tokenize(text: string): {Token}
    local tokens: {Token} = {}
    local at = 1
    while at <= #text do
        local from, to, number = text:find("^([%d.]+)", at)
        if not from then from, to, number = text:find("^(%a+)", at) end
        if not from then from, to, number = text:find("^([-+*/()])", at) end
        if from and to then
            local word = number as string
            local kind = word:match("^%d") and "number" or word:match("^%a") and "name" or word
            tokens[#tokens + 1] = {kind = kind, text = word, at = at}
            at = (to as integer) + 1
        elseif text:find("^%s", at) then
            at = at + 1
        else
            return nil, ("unexpected '%s' at %d"):format(text:sub(at, at), at)
        end
    end
    return tokens
end

local parse_sum: (tokens: {Token}, at: integer) -> (Node?, any)

local function parse_atom(tokens: {Token}, at: integer): (Node?, any)
    local token: Token? = tokens[at]
    if not token then
        return nil, "unexpected end"
    elseif token.kind == "number" then
        return {kind = "number", value = tonumber(token.text)}, at + 1
    elseif token.kind == "name" then
        return {kind = "name", name = token.text}, at + 1
    elseif token.kind == "(" then
        local inner, next_at = parse_sum(tokens, at + 1)
        if not inner then return nil, next_at end
        if not tokens[next_at] or tokens[next_at].kind ~= ")" then return nil, "missing )" end
        return inner, next_at + 1
    end
    return nil, "unexpected " .. token.text
end

function parse_sum(tokens: {Token}, at: integer): (Node?, any)
    local left, next_at = parse_atom(tokens, at)
    while left and tokens[next_at] and tokens[next_at].kind:find("[-+*/]") do
        local op = tokens[next_at].kind
        local right, after = parse_atom(tokens, next_at + 1)
        if not right then return nil, after end
        left = {kind = "binary", op = op, left = left, right = right}
        next_at = after
    end
    return left, next_at
end

local function eval(node: Node, env: {[string]: number}): number
    if node.kind == "number" then
        return node.value
    elseif node.kind == "name" then
        local value = env[node.name]
        if value == nil then return nil, "unknown name " .. node.name end
        return value
    end
    local left, err = eval(node.left, env)
    if err then return nil, err end
    local right, why = eval(node.right, env)
    if why then return nil, why end
    if node.op == "+" then return left + right end
    if node.op == "-" then return left - right end
    if node.op == "*" then return left * right end
    return left / right
end

local function show(value: Json): string
    if value == nil then return "null" end
    if type(value) == "boolean" then return tostring(value) end
    if type(value) == "number" then return ("%g"):format(value) end
    if type(value) == "string" then return '"' .. value .. '"' end
    local parts: {string} = {}
    if #value > 0 then
        for _, item in ipairs(value) do parts[#parts + 1] = show(item) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do parts[#parts + 1] = key .. "=" .. show(item) end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function calculate(text: string, env: {[string]: number}?): number
    local tokens, err = tokenize(text)
    if not tokens then return nil, err end
    local node, why = parse_sum(tokens, 1)
    if not node then return nil, why end
    return eval(node, env or {})
end

local function selftest(): string
    local value = assert(calculate("2 + 3 * (x - 1)", {x = 4}))
    local none, err = calculate("2 + y")
    assert(not none)
    local none2, err2 = calculate("2 ? 3")
    return ("%g %s %s %s"):format(value, err, err2, show({1, "a", {b = true}}))
end

return {calculate = calculate, selftest = selftest}
