do local _ = function() local function f(x: number?): number return (x == nil or x < 1) and 0 or x end end end
do local _ = function() local function f(x: number?): number x = x or 1 return x end end end
do local _ = function() local function f(x: number?): number if not x then x = 5 end return x end end end
do local _ = function() local function f(x: number?): number if x == nil then x = g() end return x end end end
do local _ = function() local function f(x: number?): number assert(x) return x end end end
do local _ = function() local function f(x: number?): number return assert(x, 'no x') end end end
