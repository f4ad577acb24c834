type Job = {id: integer, data: {[string]: any}, side?: number @min(0)}
type Pair<A, B: Base<A>> = readonly {A} | fun(a: A): (B, nil) | asserts x is B
interface Shape: Base, lib.Other
    name: string side?: number
    function area<T>(self: any, ...: T): number
end
type C = A extends B? ? typeof(f(1).x) : keyof(T)["k"][]
