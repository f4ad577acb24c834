do local x: lib.Thing = 5 local y: a.b.C<Point> = x end
do local x: Point & {z: number} = {x = 1, y = 2, z = 3} print(x.x, x.z) end
do local x: string @min_len(1) @pattern('x') = 'y' end
do local x: T1 = 1 type T1 = number end
do do type T2 = string local x: T2 = 'a' end do type T2 = number local x: T2 = 1 end end
do local _ = function() local e: error = 'text' e = f() local function g(): (string?, error?) return nil, 'x' end end end
