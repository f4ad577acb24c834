do local f: fun(n: number): string = tostring local g: () -> () = function() end end
do local f: (...any) -> any = print f() f(1, 2, 3) end
do local f: function = setmetatable({}, {__call = print}) local t = {} f = t end
do local _ = function() local n: Named = {name = 'x', greet = function(self: any, to: string): string return to end} end end
do local a: Aged = {name = 'x', age = 1, greet = f} print(a.name, a.age, a:greet('y')) end
do local a: Aged = f() local n: Named = a local k: keyof(Point) = 'x' local t: typeof(a) = 1 end
