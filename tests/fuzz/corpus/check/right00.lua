do local x = 1 x = 'a' x = nil x.y = 2 x() local y = x + 1 end
do local _ = function() local t = {n = 1} t.n = 'a' t.m.k = 3 t[1] = t() t = t .. 'x' return -t, #t, ~t end end
do local _ = function() function f(a, b) return a + b end f() f(1, 2, 3) f('x') end end
do local _ = function() local function f(a, b) return a end f() f(1, 2, 3) local s: string = f(1) end end
do local _ = function() local a, b = f() if b then a.x = 1 end return a.x, b.y, a + b end end
do local _ = function() return function(self, ...) local n = select('#', ...) return n + self end end end
