local a: T, b <const>: {[string]: any}? = f() as T, 1 :: number
local function map<T, U: Bound>(list: {T}, cb: (T) -> U, ...: any): {U}, nil
    return cb::<T>(list)!, ... as T
end
function o.p:m(x?: integer): (A, B) end
local c: number <close> = nil
