do local _ = function() local function f(): (number, string) return 1, 'a' end local function g(): number return (f()) end end end
do local _ = function() local function f(): number? return end local function g(): number? end end end
do local function f(): number error('x') end local function g(): number while true do end end end
do local _ = function() local function f(n: number): number if n > 1 then return n end return 0 end end end
do local _ = function() local function f(n: number): number for i = 1, n do return i end end end end
do local function f(n: number): number fail('x') end end
