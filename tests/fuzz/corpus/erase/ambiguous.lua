local type, as, is, fun = type(x), {as = 1}, 2
x = y as T
(g)()
as(1) type = 2 type'x'
goto l ::l:: x = a ::m:: y = b :: n
x = (u!).name .. f()! ~ 0x1p4
