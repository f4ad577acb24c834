do type P = {name: string} local p: P = f() print(p.nmae) end
do type P = {name: string} local p: P = f() p.zzzzz = 1 end
do type P = {name: string} local p: P = f() p.name = 5 end
do type P = {name: string} local p: P = f() p.name = nil end
do type P = {name: string} local p: P = f() p:call() end
do type P = {name: string} local p: P = f() local n: number = p.name end
