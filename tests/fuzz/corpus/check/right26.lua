do local x: number? = f() pcall(function() if x then print(x + 1) end end) end
do local _ = function() local function f(x: number?) return x as number + 1, x! + 1, (x :: number) * 2, (x!) end end end
do local _ = function() local function f(x: Point?) return (x!).x, (x as Point).y end end end
do local x: number? = f() local y = x ~= nil and x + 1 or 0 print(y + 1) end
do local function f(a: {number?}) for i, v in ipairs(a) do print(v + i) end for k, v in pairs(a) do print(k + v) end end end
do local function f(a: {[string]: Point}) for k, v in pairs(a) do print(k .. v.x) end print(a.b.x, a['c'].y) end end
