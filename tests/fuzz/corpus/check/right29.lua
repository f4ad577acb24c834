do local v: any = nil print(v + 1, v.x, v(), v .. 'x') end
do local x <const>: number = 1 local y: string <const> = 'a' print(x + 1, y .. x) end
do local debug = nil if debug then debug.log('x') debug() end end
do local a: number, b: string = 1 as number, 'x' as any end
do local a, b: number = f() local c: string, d: number = 'x', 1 end
do a.b.c, d[1], e = 1, 2, 3 a.b:c().d = 4 end
