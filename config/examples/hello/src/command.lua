local funcs = require("funcs")
local io = require("io")

-- Each word behind the command's name is an argument; the result is the exit status.
local function main(...: string): integer
    for _, name in ipairs({...}) do
        local text, err = funcs.call("hello:greet", name)
        if err then
            io.eprint(tostring(err))
            return 1
        end
        io.print(text)
    end
    return 0
end

return {main = main}
