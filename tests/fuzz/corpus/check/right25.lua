do local _ = function() local function f(x: number?, c: any): number if c then x = 1 else x = 2 end return x end end end
do local _ = function() local function f(x: number?, c: any): number if c then x = 1 elseif x then print(x) else return 0 end return x end end end
do local x: number? = 1 local function set() x = nil end set() if x then print(x + 1) end end
do local x: number? = nil local function set() x = 5 end set() print(x + 1) end
do local x: number? = nil for i = 1, 3 do if x then print(x + 1) end x = i end end
do local x: number? = nil for i = 1, 3 do x = i end print(x + 1) end
