do local _ = function() local function f(...) return ... end f(1, 2, 3) local x: string = f() end end
do local _ = function() local function f(a?: number) return a end f() f(nil) f(1) end end
do local _ = function() local function f(): () return end local function g(): () end f() g() end end
do local _ = function() local function f(): () return f() end local function g(): () return h() end end end
do local _ = function() local function f(): (number, string) return 1, 'a' end local a: number, b: string = f() end end
do local _ = function() local function f(): (number, string) return g() end local function h(): (number, string) return 1, g() end end end
