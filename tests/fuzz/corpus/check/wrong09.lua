do type Point = {x: number} local a: {Piont} = {} end
do type A = {x: Bee} end
do local function f(a: Foo): Bar end end
do local function f<T>(a: T): U end end
do local a = b as Nothing end
do local function f(a: number) end f('x') end
