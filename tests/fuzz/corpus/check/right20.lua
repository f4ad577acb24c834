do local _ = function() local function f(x: number?): number if is_nil(x) then return 0 end return x end end end
do local _ = function() local function f(x: number?): number local ok = x ~= nil if ok then return x end return 0 end end end
do local _ = function() local function f(x: number?, y: number?): number if not x and not y then return 0 end return x or y end end end
do local _ = function() local function f(x: number?, y: number?): number if x and y then return x + y end return x or y or 0 end end end
do local _ = function() local function f(x: number?, y: number?): number if not (x and y) then return 0 end return x + y end end end
do local _ = function() local function f(x: number?, y: number?): number if not x or not y then return 0 end return x + y end end end
