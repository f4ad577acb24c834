do for i = 'a', {} do end end
do local a = 1 + 2 * {} end
do local a = f(1 + {}, g({} .. 'x')) end
do local _ = function() local function f(x: number?) return x + 1 end end end
do local _ = function() local function f(x: number?) if x then return end local y: number = x end end end
do local _ = function() local function f(x: number?) if not x then return x + 1 end end end end
