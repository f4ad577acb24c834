do local function f(): number
end end
do local _ = function() local function f(a: string): number return a end end end
do local _ = function() local function f(a: number?): number return a end end end
do local _ = function() return function(): string return 5 end end end
do local _ = function() return {main = function(): string return 5 end} end end
do local a = {} + 1 end
