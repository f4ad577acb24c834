return function(name: string?)
    io.print(words.greeting(name or "you"))
end
