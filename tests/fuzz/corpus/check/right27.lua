do local function f(a: {Point}) for _, p in ipairs(a) do print(p.x) end print(a[1].x, a[#a].y) end end
do local function f(t: {n: number} | {s: string}) print(t.n, t.s) end end
do local _ = function() local function f(x: unknown): string return x end local function g(x: never): string return x end end end
do local a, b = 1, 2.5 local n: number = a + b * a / b % a - -b ^ a // b local i: integer = a & 3 | ~a << 1 end
do local s: string = 'a' .. 1 .. 2.5 local n: number = '10' + 1 local m = '0x10' * 2 end
do local p: Point = f() print(p + p, -p, p < p, p .. 'x', #p, p(), p == nil) end
