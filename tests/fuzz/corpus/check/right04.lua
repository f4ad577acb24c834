do local p: Point = {x = 1, y = 2} local q: {x: number} = p local t: table = p end
do local p: readonly {x: number} = {x = 1} local q: interface {x: number} = p end
do local l: Level = 'low' l = 'high' local s: string = l l = f() l = s end
do local n: 1 | 2 | 3 = 2 local b: true = true local c: boolean = b end
do local u: string | number = 1 u = 'x' local v: string | number | nil = u end
do local s: Shape = {kind = 'circle', r = 1} s = {kind = 'box', w = 2} print(s.r, s.w) end
