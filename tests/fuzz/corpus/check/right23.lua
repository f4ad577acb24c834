do local _ = function() local function f(v: Point | string): Point if Point:is(v) then return v end return {x = 1, y = #v} end end end
do local _ = function() local function f(v: any) local p, err = Point:is(v) if err then return end print(p.x) end end end
do local _ = function() local function f(v: any): Point return Point(v) end end end
do local _ = function() local function f(l: Level?): Level if l == 'low' or l == 'high' then return l end return 'low' end end end
do local _ = function() local function f(p: Point): string if p.tag then return p.tag end return '' end end end
do local _ = function() local function f(n: Node): number local sum = 0 while n do sum = sum + n.value n = n.next end return sum end end end
