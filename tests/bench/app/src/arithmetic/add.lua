local function handle(a, b)
    return a + b
end

return { handle = handle }
