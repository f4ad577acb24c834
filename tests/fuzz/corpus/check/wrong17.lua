do local a = #5 end
do local a = 1 < 'x' end
do local a = nil < 1 end
do local a = {} < {} end
do local n: number = f() n() end
do local n: number = f() print(n.x) end
