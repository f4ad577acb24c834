do local _ = function() local function f(v: string | {string}): string if type(v) == 'table' then return v[1] end return v end end end
do local _ = function() local function f(v: string | number | nil): string if type(v) == 'string' then return v elseif v then return v .. '' end return '' end end end
do local _ = function() local function f(v: string | number): number return type(v) == 'string' and #v or v end end end
do local _ = function() local function f(v: any): string if type(v) == 'string' then return v end return v end end end
do local _ = function() local function f(v): string if type(v) == 'number' then return v .. '' end return v.name end end end
do local _ = function() local function f(v: any): Point if Point:is(v) then return v end return {x = 1, y = 2} end end end
