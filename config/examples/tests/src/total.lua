local shelf = require("shelf")

return function(items: {any}): number
    return shelf.total(items)
end
