do local _ = function() local function f(n: number?): number local r = 0 if n then r = n end return r end end end
do local _ = function() local function f(n: number?): boolean return n ~= nil and n > 0 end end end
do local _ = function() local function f(n: number?): boolean return not n or n > 0 end end end
do local _ = function() local function f(n: number?): boolean? return n and n > 0 end end end
do local _ = function() local function f(a: any): (number?, string?) if not a then return nil, 'no a' end return 1 end end end
do local _ = function() local function f(a: any): (number?, string?) return g(a) end local n, err = f(1) if n then print(n + 1) else print(err .. '') end end end
