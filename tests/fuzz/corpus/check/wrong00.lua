do local a: number = 'x' end
do local a: number, b: string = 1, 2 end
do local a: number, b: string = 1 end
do local a: integer = 1.5 end
do local a: string = nil end
do local a: string? = 5 end
