do local _ = function() local function two(): (number, string) return 1, 'x' end local a: number, b: number = two() end end
do local function f(p: {x: number}) end f({x = 'a'}) end
do local function f(p: {x: number}) end f{y = 1} end
do local function f(s: string) end f{1} end
do local function f(n: number) end f'x' end
do local _ = function() local function f(): number return 'x' end end end
