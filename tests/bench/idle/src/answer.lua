local function handle()
    return 42
end

return { handle = handle }
