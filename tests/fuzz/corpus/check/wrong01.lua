do local a: boolean = 'true' end
do local a: 'x' | 'y' = 'z' end
do local a: 1 | 2 = 'z' end
do local a: {number} = {1, 'x', 3} end
do local a: {number} = 5 end
do local a: {{number}} = {{1}, {'x'}} end
