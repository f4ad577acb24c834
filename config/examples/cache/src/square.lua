local runs = 0

local function main(n)
    runs = runs + 1
    return {square = n * n, run = runs}
end

return {main = main}
