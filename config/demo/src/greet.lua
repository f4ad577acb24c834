local function greet(name: string?): string
    return "Hello, " .. tostring(name or "world") .. "!"
end

return {greet = greet}
