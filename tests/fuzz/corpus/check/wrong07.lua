do type P = {name: string} local p: P? = f() print(p.name) end
do type P = {q: {name: string}} local p: P = f() print(p.q.x) end
do type P = {q: {[string]: number}} local p: P = f() p.q.a = 'x' end
do type P = {x: number} type Q = {x: string} local p: P = f() local q: Q = p end
do type P = {x: number} type Q = {y: string} local p: P = f() local q: Q = p end
do type P = {x: number} local p: {P} = {{x = 1}, {x = 'a'}} end
