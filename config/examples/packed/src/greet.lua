local words = require("words")

return function(name: string): string
    return words.greeting(name)
end
