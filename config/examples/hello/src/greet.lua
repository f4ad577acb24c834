local function main(name: string?): string
    return "Hello, " .. (name or "world") .. "!"
end

return {main = main}
