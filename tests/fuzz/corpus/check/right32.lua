do local _ = function() return {a = function(x: number): number return x end, b = function(self, y: string): string return y .. self end} end end
do local _ = function() local function f(x: string?): string local n = 0 if x and #x > 0 then n = #x elseif not x then x = '' end return x .. n end end end
do local _ = function() local function f(x: string?, y: any): string if x and y then return x end if x then return x end return '' end end end
do local _ = function() local function f(x: string?): string if type(x) ~= 'string' or x == '' then return 'none' end return x end end end
do local _ = function() local function f(x: string?): string if (not x) or #x == 0 then return 'none' end return x end end end
do local _ = function() local function f(x: string?): string local y = x if y then return y end return '' end end end
