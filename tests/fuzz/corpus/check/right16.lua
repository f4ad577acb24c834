do local _ = function() local function f(x: number?): number if x == nil then return 0 end return x + 1 end end end
do local _ = function() local function f(x: number?): number if x ~= nil then return x else return 0 end end end end
do local _ = function() local function f(x: number?): number if nil == x then error('x') end return x end end end
do local _ = function() local function f(x: number?): number return x or 0 end end end
do local _ = function() local function f(x: number?): number? return x and x + 1 end end end
do local _ = function() local function f(x: number?): number return x and x > 1 and x + 1 or 0 end end end
