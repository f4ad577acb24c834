do local a: string | {number} = true end
do local a: number = {}
local b: string = function() end end
do local a: number = 1 a = 'x' end
do local a: number = 1 a, b = nil, 2 end
do local a: number = f() local b: string = a end
do local a = 5 local b: string = a end
