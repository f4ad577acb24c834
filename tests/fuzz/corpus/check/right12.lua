do local _ = function() local M = {} function M.new(n: number) return setmetatable({n = n}, M) end local o = M.new(1) o:f('x') print(o.n .. 'x') end end
do local M = {f = function(a: number) end, g = 1} M.f(1) M.g = 'x' M.h = 3 end
do local M = {} function M.f(a: number) end M.f = function(s: string) end M.f('x') end
do local M = {} function M.f(a: number) end M = other() M.f('x') end
do local M = {} function M.f(a: number) end for k, v in pairs(x) do M[k] = v end M.f('x') end
do local M = {} M.sub = {} function M.sub.f(a: number) end M.sub.f('x') end
