-- Strings: methods, patterns, captures, formats, numbers that are text.
type Span = {from: integer, to: integer}
type Token = {text: string, span: Span}

local function trim(s: string): string
    return (s:gsub("^%s+", ""):gsub("%s+$", ""))
end

local function split(s: string, separator: string?, limit: integer?): {string}
    local out: {string}, at: integer = {}, 1
    local sep = separator or ","
    while true do
        local from, to = s:find(sep, at, true)
        if not from or (limit and #out + 1 >= limit) then break end
        out[#out + 1] = s:sub(at, from - 1)
        at = to + 1
    end
    out[#out + 1] = s:sub(at)
    return out
end

local function words(s: string): {Token}
    local out: {Token} = {}
    for from, word, to in s:gmatch("()(%w+)()") do
        out[#out + 1] = {text = word, span = {from = from, to = to - 1}}
    end
    return out
end

local function starts(s: string, prefix: string): boolean
    return s:sub(1, #prefix) == prefix
end

local function render(template: string, values: {[string]: string | number}): string
    local missing: string? = nil
    local text = template:gsub("{(%w+)}", function(name)
        local value = values[name]
        if value == nil then
            missing = missing or name
            return "?"
        end
        return tostring(value)
    end)
    if missing then return nil, "no value for " .. missing end
    return text
end

local function parse_time(s: string): (integer?, integer?)
    local h, m = s:match("^(%d+):(%d+)$")
    if not h then return nil end
    return tonumber(h), tonumber(m)
end

local function slug(s: string): string
    local text = trim(s):lower():gsub("%W+", "-")
    return text
end

local function pad(s: string | number, width: integer, fill: string?): string
    local text = tostring(s)
    local n = width - #text
    if n <= 0 then return text end
    return (fill or " "):rep(n) .. text
end

local function selftest(): string
    local parts = split("a,b,c", ",", 2)
    local h, m = parse_time("12:34")
    local minutes = (h or 0) * 60 + (m or 0)
    local none, err = render("{a} {b}", {a = 1})
    local first = words("one two")[2]
    return #parts .. parts[2] .. minutes .. err .. tostring(none) .. slug(" Ab  C! ") ..
        pad(7, 3, "0") .. first.text .. first.span.from .. tostring(starts("abc", "ab"))
end

return {trim = trim, split = split, selftest = selftest}
