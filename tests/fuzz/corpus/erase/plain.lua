for i = 1, 2 do while a do break end repeat until b end
for k, v in pairs({1; 2, [3] = 4, five = -5 // 6}) do if k then elseif v then else end end
return function(...) local a <const> = select('#', ...); return a, not #b ^ 2 << 1 >= ~3 end
