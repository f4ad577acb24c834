do local function f(opts: {n: number?, s: string?}?) end f() f({}) f{n = 1} f({n = nil, s = 'x'}) end
do local function f(p: Point) end f({x = 1, y = 2}) f{x = 1, y = g()} f(g()) end
do local _ = function() local function f(s: string) return s end f'x' f[[y]] f('a' .. 1) f(('x'):rep(3)) f(tostring(nil)) end end
do local _ = function() local function f(): string return string.format('%d', 1) end local n: integer = #f() end end
do local _ = function() return function(a: number): number return a end end end
do local _ = function() local function f(a: number) return function(b: string): (number, string) return a, b end end f(1)('x') end end
