do local t: {f: (number) -> string, g: fun(self: any)} = x t.f(1) t:g() t.g(t) end
do local function f(cb: ((err: string?) -> ())?) if cb then cb() cb('x') end end f() f(print) end
do interface Mapper function map<T, U>(self: any, v: T, f: (T) -> U): U end local m: Mapper = f() local x: string = m:map(1, tostring) end
do local _ = function() local function f(n: number) if n then else return end print(n + 1) end end end
do local _ = function() local function f(x: number?): number if x then return x end return 0 end end end
do local _ = function() local function f(x: number?): number if not x then return 0 end return x end end end
