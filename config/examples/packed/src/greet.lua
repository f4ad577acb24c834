return function(name: string): string
    return words.greeting(name)
end
