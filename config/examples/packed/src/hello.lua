local io = require("io")
local words = require("words")

return function(name: string?)
    io.print(words.greeting(name or "you"))
end
