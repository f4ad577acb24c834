local io = require("io")
local funcs = require("funcs")

local function main(name)
    io.print((funcs.call("demo:greet", name)))
    io.print("2 + 3 =", (funcs.call("demo:add", 2, 3)))
    local n, err = funcs.call("demo:count")
    io.print("the counter says", n or tostring(err))
    return 0
end

return {main = main}
