do local _ = function() local string = {format = function() return 1 end} local n: number = string.format('x') end end
do local _ = function() local type = function(x) return x end local function f(x: number?): number if type(x) == 'number' then return x end return 0 end end end
do local _ = function() local assert = function(x) return 5 end local n: number = assert('x') end end
do local _ = function() function tostring(x) return 5 end local n: number = tostring('x') end end
do local _ = function() local Point = {is = function(self, v) return true end} local function f(v: number?): number if Point:is(v) then return v end return 0 end end end
do local t: {[string]: {[number]: Level | nil}} = {a = {'low', 'high'}, b = {}, c = nil} end
