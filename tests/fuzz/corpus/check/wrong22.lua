do local function f(m: {[string]: number}) for k, v in pairs(m) do local n: number = k end end end
do for i = 1, 3 do local s: string = i end end
do local x: number? = nil local y: number = x end
do local function f(x: number?) while x do local s: string = x end end end
do local function f(x: number?) local y = x! local s: string = y end end
do local a: string = 1
local b: string = 2 local c: string = 3 end
