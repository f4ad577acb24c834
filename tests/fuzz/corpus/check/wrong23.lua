do local _ = function() local function f(a: number): string
  return a
end
local n: number = f('x') end end
