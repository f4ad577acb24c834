do local t = setmetatable({}, m) print(t + 1, 1 + t, t .. 'x', t < t, -t, t(), #t) end
do print(nil == 1, {} == {}, 'a' ~= 1, not nil, not {}, nil and 1, nil or 1) end
do print(#'abc', #{1, 2}, ('x'):upper(), ('%d'):format(1), 'a' < 'b', 1 < 2.5) end
do for i = 1, 10 do local x: integer = i end for i = 10, 1, -0.5 do local x: number = i end end
do for i = 1, '3' + 0 do end for k, v in next, {} do end for l in io.lines() do print(l .. l) end end
do local s: string = 'x' print(s:rep(2), s:len() + 1, s.x, s + 1) end
