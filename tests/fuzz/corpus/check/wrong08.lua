do type N = {v: number, next: N?} local n: N = {v = 1, next = {v = 'x'}} end
do interface A x: number end interface B: A y: number end local b: B = {x = 1} end
do interface A x: number end interface B: A y: number end local b: B = f() print(b.z) end
do local p: {x: number} & {y: string} = {x = 1, y = 2} end
do local a: {number} = f() a[1] = 'x' end
do local a: strin = 1 end
