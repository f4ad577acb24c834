do local n: Node = {value = 1, next = {value = 2, next = {value = 3}}} print(n.next.next.value) end
do local p: Pair<number, string> = {first = 1, second = 'x'} local q: Pair<any, any> = p end
do local _ = function() local h: Handler = function(name: string, n: number?): (boolean, string?) return true end end end
do local _ = function() local h: Handler = function(name) return name == 'x' end local f: function = h end end
do local h: Handler = print local ok: boolean, err: string? = h('a') ok, err = h('a', 1) end
do local _ = function() local f: (number) -> number = function(n) return n end local g: (any) -> any = f end end
