do local M = {} function M:f(a: number) end M:f('x') end
do local M = {} function M.f(self: any, a: number) end M:f('x') end
do local M = {f = function(a: number) end} M.f('x') end
do local M = {} M.f = function(a: number) end M.f('x') end
do local M = {}
function M.g() M.f('x') end
function M.f(a: number) end end
do local _ = function() local function two(): (number, string) return 1, 'x' end local function f(a: string) end f((two())) end end
