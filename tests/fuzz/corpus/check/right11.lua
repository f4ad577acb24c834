do local _ = function() local function f(): never error('x') end local function g(x: number?): number if not x then f() end return x end end end
do local _ = function() local function f(n: number): number return n == 0 and 1 or n * f(n - 1) end end end
do local _ = function() local function f<T>(v: T, g: (T) -> T): T return g(v) end local n: number = f('x', tostring) f::<string>('x', print) end end
do local _ = function() local function f<T: Point, U>(v: T, u: U): {U} return {u} end local x: {number} = f(p, 1) end end
do local _ = function() local M = {} function M.f(a: number) return a end M.f(1) M.f(g()) M['f'](2) return M end end
do local _ = function() local M = {} function M:f(a: number): number return a end M:f(1) M.f(M, 1) local x: number = M:f(2) end end
