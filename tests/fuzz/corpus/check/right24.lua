do local _ = function() local function f(n: Node?): number local sum = 0 while n do sum = sum + n.value n = n.next end return sum end end end
do local _ = function() local function f(n: Node): number return n.next and n.next.value or 0 end end end
do local _ = function() local function f(b: boolean?): boolean if b == nil then b = true end return b end end end
do local _ = function() local function f(b: boolean): true | false if b == true then return b end return b end end end
do local _ = function() local function f(x: number?): number local y: number = x or error('x') return y end end end
do local _ = function() local function f(x: number?): number if x == nil then return 0 elseif x > 3 then return x end return x end end end
