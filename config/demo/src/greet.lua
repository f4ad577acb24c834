local function greet(name)
    return "Hello, " .. tostring(name or "world") .. "!"
end

return {greet = greet}
