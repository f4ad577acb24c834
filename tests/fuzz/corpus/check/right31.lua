do local big: {string} = {'a', 'b', 'c', [10] = 'd', [f()] = 'e'} end
do goto done do local x: number = 1 end ::done:: end
do local _ = function() local ok, err = pcall(function(): number return 1 end) if not ok then error(err) end print(ok, err.x) end end
do local _ = function() local s: string = (function(): string return 'x' end)() local n: number = (function() return 'x' end)() end end
do local x: (number | string)? = nil x = 1 x = 'a' local y: number | string = x end
do local f: ((number) -> number)? = nil if f then print(f(1) + 1) end end
