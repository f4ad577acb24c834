do local _ = function() local function load(): (Point?, string?) return nil, 'x' end local p, err = load() if err then return end print(p.x) end end
do local _ = function() local function load(): (Point?, string?) return nil, 'x' end local p, err = load() if not p then return err end print(p.x) end end
do local _ = function() local function load(): (Point?, string?) return nil, 'x' end local p: Point?, err: string? p, err = load() if err ~= nil then return end print(p.x) end end
do local _ = function() local function load(): (Point?, string?) return nil, 'x' end local p = assert(load()) print(p.x) end end
do local _ = function() local function f(v: string | number): string if type(v) == 'number' then return tostring(v) end return v end end end
do local _ = function() local function f(v: string | number): number if type(v) ~= 'number' then return #v end return v end end end
