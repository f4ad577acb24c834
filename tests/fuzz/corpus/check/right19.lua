do local _ = function() local function f(x: number?): number for i = 1, 3 do if not x then goto continue end g(x + i) ::continue:: end return 0 end end end
do local _ = function() local function f(x: number?): number if not x then goto done end do return x end ::done:: return 0 end end end
do local _ = function() local function f(x: number?): number ::top:: if not x then x = g() goto top end return x end end end
do local _ = function() local function f(x: number?) if x then return function(): number return x end end end end end
do local _ = function() local function f(x: number?): number if not x then fail('none') end return x end end end
do local _ = function() local function f(x: number?): number check(x) return x end end end
