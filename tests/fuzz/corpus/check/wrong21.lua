do local function f(x: number?) local y: string = x or 5 end end
do local _ = function() local function f(x: number?): string return x and x + 1 or 'a' end end end
do local _ = function() local function f(x: string): number return assert(x) end end end
do local function f(x: number?) x = 5 local y: string = x end end
do local function f(x: number | string, c: any) if c then x = 1 else x = 2 end local y: string = x end end
do local function f(list: {number}) for i, v in ipairs(list) do local s: string = v end end end
