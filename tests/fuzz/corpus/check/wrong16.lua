do local a = 1 + nil end
do local a = 'x' + 1 end
do local a = true * 2 end
do local a = 1 .. {} end
do local a = 'x' .. nil end
do local a = -{} end
