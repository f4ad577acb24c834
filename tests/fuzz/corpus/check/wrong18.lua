do local b: boolean = f() print(b + 1) end
do local f: () -> () = g print(f + 1, f.x) end
do local s: string = f() s() end
do local x = nil print(x.y) end
do ('x')() end
do for i = 1, 'x' do end end
