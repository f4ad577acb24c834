do local a = 'x' local b: number = a .. 'y' end
do local a: string = 1 + 2 end
do local a: string = #'x' end
do local a: number = not x end
do local a: string = 1 < 2 end
do local a: number = ('x'):upper() end
