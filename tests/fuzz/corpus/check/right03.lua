do local a: {[string]: number} = {a = 1, ['b c'] = 2, [f()] = 3} a.d = 4 a.e = nil end
do local a: {[integer]: string} = {'a', 'b', [7] = 'c'} end
do local p: Point = {x = 1, y = 2} p.x = 3 p.tag = 'a' p.tag = nil end
do local p: Point = {x = 1, y = 2, tag = nil, extra = true} end
do local p: Point = {x = 1, [f()] = 2} local q: Point = {f()} end
do local p: Point = setmetatable({}, {}) local t = {} local q: Point = t end
