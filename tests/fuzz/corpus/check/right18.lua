do local _ = function() local function f(x: number?): number assert(x ~= nil, 'no x') local y: number = x return y end end end
do local _ = function() local function f(x: number?): number assert(type(x) == 'number') return x end end end
do local _ = function() local function f(x: number?): number while not x do x = g() end return x end end end
do local _ = function() local function f(x: number?): number while true do if x then break end x = g() end return x end end end
do local _ = function() local function f(x: number?): number repeat x = g() until x return x end end end
do local _ = function() local function f(x: number?): number repeat assert(x) until g() return x end end end
