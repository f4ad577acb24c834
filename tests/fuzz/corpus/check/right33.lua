do local _ = function() local function f(x: string?): string local y = x if y then return x end return '' end end end
do local _ = function() local function f(t: {x: number?}): number local x = t.x if x then return x end return 0 end end end
do local _ = function() local function f(t: {x: number?}): number local x = t.x return x end end end
do local _ = function() local function f(list: {string}?): {string} local all: {string} = {} for _, s in ipairs(list or {}) do all[#all + 1] = s end return all end end end
do local _ = function() local function f(a: string?, b: string?): string local c = a or b if c then return c end return '' end end end
do local _ = function() local function f(n: number?): number local r: number if n then r = n else r = 0 end return r end end end
