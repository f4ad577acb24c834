do local function f(a: number) end f() end
do local function f(a: number) end f(nil) end
do local function f(a: number) end f(1, 2) end
do local function f(a: number, b: string?) end f(1, 2) end
do local function f(): () end f(1) end
do local function f(a: number, ...) end f('x', 2, 3) end
