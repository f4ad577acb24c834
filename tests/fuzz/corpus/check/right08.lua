do local c: thread = coroutine.create(print) local u: userdata = f() end
do local x: number if f() then x = 1 else x = 2 end local y: number = x end
do local x: number? local y: number | nil = x x = 4 local z: number = x end
do local _ = function() local function f(a: number, b: string?): number return a end f(1) f(1, nil) f(1, 'x') f(g()) end end
do local _ = function() local function f(a: number, ...: string): number, string? return a end f(1) f(1, 'a', 'b') f(...) end end
do local _ = function() local function f(a: number, b) return a end f(1) f(1, {}) f(1, nil) end end
