do local a: number = tostring(1) end
do local a: number = 'x' as string end
do local a: boolean = 'x' or 5 end
do type P = {x: number, y: number} local p: P = {x = 1} end
do type P = {x: number, y: number} local p: P = {x = 1, y = 'a'} end
do type P = {x: number, q: {y: number}} local p: P = {
  x = 1,
  q = {y = 'a'}
} end
