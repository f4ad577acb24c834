type Item = {name: string, price: number?}

local shelf = {}

function shelf.total(items: {Item}): number
    local sum = 0
    for _, item in ipairs(items) do
        if item.price == nil then
            error(item.name .. " has no price")
        end
        sum = sum + item.price
    end
    return sum
end

return shelf
