do local f = function(a: number) end f(1) local function g(cb: (number) -> ()) cb(1) end g(f) g(function() end) end
do local f f = function(a: number) end f('x') function f(s: string) end end
do local function f(a: number) end f = other f('x') end
do function main(a: number) end main('x') end
do local function f(a: number, b: number) end f(table.unpack(t)) f(1, table.unpack(t)) f(two()) end
do local _ = function() local function two(): (number, number) return 1, 2 end local function f(a: number) end f(two()) end end
