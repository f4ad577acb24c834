do local _ = function() return {main = function(...) return ... end} end end
do local a: number, b: string, c: boolean, d: nil = 1, 'x', true, nil end
do local a: integer = 3 local b: number = a local c: integer = b end
do local a: integer = 10 / 2 local b: integer = 3.0 local c: integer = 2 ^ 3 end
do local a: number = 1.5 local b: number? = nil b = 2 b = nil end
do local a: any = {} local b: unknown = 1 local c: string = a local d: table = b end
