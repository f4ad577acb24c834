local case = require("case")

-- Globals defined below main's text are seen in it (LUA-31).
local function calls_later() return defined_later() end
function defined_later() return "later" end

type Point = {x: number, y: number, tag: string?}
type Handler = (Point, ...any) -> (boolean, string?)

local function typed(p: Point, scale: number?, ...: any): (number, string)
    local f: number = scale or 1
    return p.x * f, p.tag or "none"
end

case("LUA-01 integers, bitwise operators, goto, integer division", function(t)
    t.eq(7 // 2, 3)
    t.eq(5 & 3 | 8 ~ 1, 5 & 3 | 8 ~ 1)
    t.eq(1 << 4, 16)
    local sum = 0
    for i = 1, 5 do
        if i % 2 == 0 then goto continue end
        sum = sum + i
        ::continue::
    end
    t.eq(sum, 9)
    t.eq(math.type(3), "integer")
    t.eq(math.type(3.0), "float")
end)

case("LUA-02 positions are of the entry, lines are kept by erasure", function(t)
    local done, err = pcall(function() error("here") end)
    t.eq(done, false)
    t.ok(string.find(err, "^suite:language:31: here"), err)
    done, err = pcall(error, "no position", 0)
    t.eq(err, "no position")
    done, err = pcall(error, {code = 1})
    t.eq(err.code, 1)
end)

case("LUA-02 a recursion without an end is told as one", function(t)
    local function deeper() return 1 + deeper() end
    local done, err = pcall(deeper)
    t.eq(done, false)
    t.ok(string.find(err, "^suite:language:%d+: stack overflow$"), err)
    local function wide(a, b, c, d, e, f, g, h)
        local i, j, k, l, m, n, o, p, q, r = a, b, c, d, e, f, g, h, a, b
        return 1 + wide(i, j, k, l, m, n, o, p) + (q or 1) + (r or 1)
    end
    done, err = pcall(wide)
    t.ok(not done and string.find(err, "stack overflow"), err)
    local depth = 0
    local function count() depth = depth + 1; return depth < 20000 and 1 + count() or 1 end
    t.eq(count(), 20000)
end)

case("TYPE-01 TYPE-20 annotations are erased", function(t)
    local a: number, b: string = typed({x = 2, y = 3}, 3)
    t.eq(a, 6)
    t.eq(b, "none")
    local f = function<T>(v: T): T return v end
    t.eq(f(5), 5)
    local n = ("12" :: any) as string
    t.eq(n, "12")
    local p: Point? = {x = 1, y = 2, tag = "x"}
    t.eq((p!).tag, "x")
    local list: {number} = {1, 2}
    local map: {[string]: Point | nil} = {}
    local cb: (number) -> string = function(v: number): string return tostring(v) end
    t.eq(cb(#list), "2")
    t.eq(next(map), nil)
end)

case("TYPE-20 type is an ordinary name elsewhere", function(t)
    local type_of = type
    t.eq(type_of(1), "number")
    local row = {type = "x", as = 1, readonly = 2, is = 3}
    t.eq(row.type, "x")
    t.eq(row.as + row.readonly + row.is, 6)
end)

case("LUA-10 lenient escapes", function(t)
    t.eq("\d\%\-", "d%-")
    t.eq("\065\n", "A\n")
end)

case("LUA-23 LUA-24 tables, metatables, frozen libraries", function(t)
    t.raises("", function() string.rep = 1 end)
    t.raises("", function() table.x = 1 end)
    t.raises("", function() time.now = 1 end)
    local obj = setmetatable({}, {__call = function(_, a) return a + 1 end,
        __len = function() return 9 end, __eq = function() return true end,
        __concat = function(_, b) return "cat" .. b end, __metatable = "locked"})
    t.eq(obj(1), 2)
    t.eq(#obj, 9)
    t.eq(obj .. "x", "catx")
    t.eq(getmetatable(obj), "locked")
    t.eq(("abc"):upper(), "ABC")
    t.raises("attempt to modify Immutable table",
        function() table.freeze({}).x = 1 end)
    t.eq(table.isfrozen(table.freeze({})), true)
end)

case("LUA-24 LUA-43 a frozen table is a metatable as before", function(t)
    local class = {__tostring = function(self) return "object " .. self.name end}
    class.__index = class
    function class.shout(self) return self.name:upper() end
    local before = setmetatable({name = "a"}, class)
    t.eq(table.freeze(class), class)
    local after = setmetatable({name = "b"}, class)
    t.eq(before:shout() .. after:shout(), "AB")
    t.eq(tostring(before) .. tostring(after), "object aobject b")
    t.eq(getmetatable(after), class)
    local names = {}
    for name in pairs(class) do names[#names + 1] = name end
    table.sort(names)
    t.eq(table.concat(names, " "), "__index __tostring shout")
    t.raises("Immutable", function() class.shout = nil end)
    t.raises("Immutable", function() class.other = 1 end)
    t.raises("Immutable", rawset, class, "__index", {})
    local lasting = table.freeze{__index = {x = 1}, __gc = function() error("never") end}
    t.eq(setmetatable({}, lasting).x, 1)
end)

case("LUA-30 what is there and what is not", function(t)
    for _, name in ipairs{"assert", "error", "getmetatable", "ipairs", "next", "pairs",
        "pcall", "print", "rawequal", "rawget", "rawset", "require", "select",
        "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "subscribe",
        "unsubscribe"} do
        t.eq(type(_G[name]), "function", name)
    end
    for _, name in ipairs{"string", "table", "math", "os", "coroutine", "errors",
        "package", "channel", "payload", "process", "time"} do
        t.ok(_G[name], name)
    end
    for _, name in ipairs{"load", "loadstring", "loadfile", "dofile", "debug", "io",
        "collectgarbage", "sql", "registry"} do
        t.eq(_G[name], nil, name)
    end
    for _, name in ipairs{"execute", "exit", "remove", "rename", "tmpname", "getenv",
        "setlocale"} do
        t.eq(os[name], nil, "os." .. name)
    end
end)

case("LUA-30 rawget sees all globals in _G", function(t)
    t.eq(rawget(_G, "unpack"), unpack)
    t.eq(rawget(_G, "string"), string)
    t.eq(rawget(_G, "loadstring"), nil)
    only_mine = 5
    t.eq(rawget(_G, "only_mine"), 5)
    only_mine = nil
    t.eq(rawget({}, "unpack"), nil)
    t.eq(rawget(setmetatable({}, {__index = _G}), "unpack"), nil)
end)

case("LUA-31 globals of the chunk are seen by functions", function(t)
    t.eq(calls_later(), "later")
end)

case("LUA-41 integer arguments take fractions", function(t)
    t.eq(("abcdef"):sub(1, 7 / 2), "abc")
    t.eq(string.rep("-", 2.7), "--")
    t.eq(string.format("%d", 3.7), "3")
    t.ok(math.random(1.5, 3.9) <= 3)
    t.eq(table.concat({1, 2, 3}, ",", 1.2, 2.9), "1,2")
end)

case("LUA-42 LUA-43 LUA-44 names of Lua 5.1", function(t)
    t.eq(select("#", unpack({1, 2, 3})), 3)
    t.eq(table.getn({1, 2}), 2)
    t.eq(table.maxn({1, [5] = 1}), 5)
    t.eq(math.pow(2, 3), 8.0)
    t.eq(math.atan2(0, 1), 0.0)
    t.ok(math.mod(7, 4) == 3)
    t.ok(math.cosh and math.sinh and math.tanh and math.frexp and math.ldexp)
    t.eq(math.log10(100), 2.0)
    local n = 0
    for _ in string.gfind("aXbXc", "X") do n = n + 1 end
    t.eq(n, 2)
    t.raises("interval is empty", math.random, 2, 1)
end)

case("LUA-45 os", function(t)
    local before, now = os.time(), time.now():unix()
    t.ok(before <= now and now <= os.time() + 1)
    t.eq(os.platform, "wippy")
    t.eq(os.date("!%Y-%m-%d", 0), "1970-01-01")
    t.eq(os.date("!*t", 86400).day, 2)
    t.ok(os.difftime(5, 3) == 2)
    t.eq(type(os.clock()), "number")
end)

case("REQ-01 modules and imports are globals and requirable, nothing else", function(t)
    t.ok(require("time") == time)
    t.ok(require("case") == case)
    t.ok(require("errors") == errors)
    t.ok(require("process") == process)
    t.ok(require("string") == string)
    t.raises("module 'registry' not found", require, "registry")
    t.raises("module 'suite:case' not found", require, "suite:case")
    t.raises("module 'src/case.lua' not found", require, "src/case.lua")
end)

case("REQ-01 a library's modules and imports are bound too", function(t)
    t.eq(require("lib").encode({1}), "[1]")
    t.eq(require("lib").tally(), 1)
end)

case("ERR-01 ERR-02 kinds and constructors", function(t)
    t.eq(errors.NOT_FOUND, "NotFound")
    t.eq(errors.UNKNOWN, "")
    t.eq(errors.CANCELED, "Canceled")
    local plain = errors.new("text")
    t.eq(plain:kind(), "")
    t.eq(plain:retryable(), nil)
    t.eq(plain:details(), nil)
    local full = errors.new{message = "m", kind = errors.TIMEOUT, retryable = false,
        details = {a = {1}}}
    t.eq(full:message(), "m")
    t.eq(full:kind(), "Timeout")
    t.eq(full:retryable(), false)
    t.eq(full:details().a[1], 1)
    t.raises("message field is required", errors.new, {})
    t.raises("message must be a string", errors.new, {message = 1})
    t.raises("expected string or table", errors.new, 5)
    local wrapped = errors.wrap(full, "while testing")
    t.eq(wrapped:kind(), "Timeout")
    t.eq(wrapped:message(), "m")
    t.eq(errors.is(full, errors.TIMEOUT), true)
    t.eq(errors.is(full, errors.INVALID), false)
    t.eq(errors.is("text", errors.INVALID), false)
    t.eq(errors.is(nil, ""), false)
end)

case("ERR-03 error objects read like text", function(t)
    local err = errors.new("some text")
    t.eq(type(err), "userdata")
    t.eq(tostring(err), "some text")
    t.eq("a " .. err, "a some text")
    t.eq(err .. " z", "some text z")
    t.eq(err .. err, "some textsome text")
    t.ok(string.find(err, "text"))
    t.eq(err == "some text", false)
    t.eq(type(err:stack()), "string")
    local _, raised = pcall(error, err)
    t.ok(raised == err, "pcall keeps the object")
end)

case("PAY-01 payload objects of one's own", function(t)
    local p = payload.new({a = 1})
    t.eq(p:data().a, 1)
    t.eq(p:get_format(), "lua/any")
    t.eq(payload.format.JSON, "json/plain")
    t.eq(tostring(p), "payload{format=lua/any}")
end)

case("LUA-52 what JSON makes of tables", function(t)
    local lib = require("lib")
    t.eq(lib.encode({1, 2, 3}), "[1,2,3]")
    t.eq(lib.encode({}), "[]")
    t.eq(lib.encode({a = 1}), '{"a":1}')
    t.eq(lib.encode({1.0, 2.5}), "[1,2.5]")
    local back = lib.decode('{"i":3,"f":3.5,"n":null,"l":[1,null,2],"u":"\\u00e9"}')
    t.eq(back.i, 3)
    t.eq(math.type(back.i), "integer")
    t.eq(back.f, 3.5)
    t.eq(back.n, nil)
    t.eq(back.l[3], 2)
    t.eq(back.u, "\xc3\xa9")
    t.fails(nil, "", lib.decode("{"))
    t.fails(nil, "", lib.decode(("["):rep(100000)))
end)

case("LUA-34 blocking works in pcall, xpcall, metamethods and iterators", function(t)
    local done, value = xpcall(function() time.sleep("1ms") return 5 end, tostring)
    t.eq(done, true)
    t.eq(value, 5)
    local n = 0
    for v in function(_, i) time.sleep(0) if (i or 0) < 3 then return (i or 0) + 1 end end do
        n = n + v
    end
    t.eq(n, 6)
end)

case("LUA-34 comparators and functions given to gsub may wait", function(t)
    local list = {3, 2, 1}
    table.sort(list, function(a, b) time.sleep("1ms") return a < b end)
    t.eq(table.concat(list), "123")
    t.eq((("x"):gsub("x", function() time.sleep("1ms") return "y" end)), "y")
end)

case("LUA-20 bitwise operators truncate fractions", function(t)
    local half, list = 3.7, setmetatable({}, {__band = function() return "mine" end})
    t.eq(half & 1, 1)
    t.eq(half | 4, 7)
    t.eq(-half ~ 0, -3)
    t.eq(~half, -4)
    t.eq(1 << half, 8)
    t.eq(16 >> 2.9, 4)
    t.eq("6.5" & half, 2)
    t.eq(half & list, "mine")
    t.eq(list & half, "mine")
    t.raises("bitwise operation on a nil value", function() return half & nil end)
    t.raises("bitwise operation on a table value", function() return {} | 1 end)
    t.raises("", function() return "x" & 1 end)
    t.eq(getmetatable(1), nil)
end)

case("LUA-42 the width of %s counts characters", function(t)
    t.eq(("[%-6s]"):format("äöü"), "[äöü   ]")
    t.eq(("[%6s]"):format("äöü"), "[   äöü]")
    t.eq(("[%.2s|%5.1s]"):format("äöü", "日本"), "[äö|    日]")
    t.eq(("%5d%%[%4s]%s"):format(3.7, "é", "x"), "    3%[   é]x")
    t.eq(("[%3s]"):format(setmetatable({}, {__tostring = function() return "ß" end})),
        "[  ß]")
    t.eq(("[%3s]"):format("\xff\xfe"), "[ \xff\xfe]")
    t.eq(("[%-4s]"):format("ab"), "[ab  ]")
    t.eq(("\0[%3s]"):format("é"), "\0[  é]")
end)

return case.entry
