local io = require("io")
local funcs = require("funcs")

-- What stands behind the command's name arrives as strings.
local function main(name: string?): integer
    io.print((funcs.call("demo:greet", name)))
    io.print("2 + 3 =", (funcs.call("demo:add", 2, 3)))

    local n, err = funcs.call("demo:count")

    if err then
        io.eprint("the counter says: " .. tostring(err))
        return 1
    end
    io.print("the counter says", n)
    return 0
end

return {main = main}
