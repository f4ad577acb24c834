do local f = function(a: number) end f('x') end
do local f: (number) -> string = g f('x') end
do local f: (number) -> string = g local n: number = f(1) end
do local f: (number) -> () = function(a: string) end end
do local _ = function() local f: () -> number = function(): string return '' end end end
do local _ = function() local M = {} function M.f(a: number) end M.f('x') return M end end
