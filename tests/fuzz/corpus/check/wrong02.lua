do local a: {[string]: number} = {a = 1, b = 'x'} end
do local a: {[string]: number} = {1, 2} end
do local a: {[integer]: string} = {x = 'y'} end
do local a: table = 'x' end
do local a: function = {} end
do local a: thread = 1 end
