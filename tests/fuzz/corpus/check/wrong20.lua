do local function f(x: number?) if x == nil then print(x.y) end end end
do local _ = function() local function f(x: number?): number if x then print(x) end return x end end end
do local _ = function() local function f(x: number | string): number if type(x) == 'string' then return x end return x end end end
do local _ = function() local function f(x: number | string): number if type(x) ~= 'string' then return x end return x end end end
do local _ = function() local function f(x: any): number if type(x) == 'string' then return x end return 0 end end end
do local _ = function() type P = {x: number} local function f(v: any): number if P:is(v) then return v end return 0 end end end
