do local a: string = f() local b: number = g.h(1) local c: Point = require('x').y end
do local a: table = {} a = {1, 2} a = {x = 1} local b: {} = {1} end
do local a: {number} = {1, 2, 3.5} a[1] = 2 a[#a + 1] = 3 a[2] = nil end
do local a: {string} = {} local b: {string} = {f()} local c: {string} = {...} end
do local a: number[] = {1} local b: {{number}} = {{1}, {}} end
do local a: {number} = {1, 2, n = 2} end
