local check = require("check")
local shelf = require("shelf")

local tests = {}

function tests.adds_prices()
    check.equal(shelf.total({}), 0)
    check.equal(shelf.total({{name = "tea", price = 3}, {name = "jam", price = 2}}), 5)
end

function tests.refuses_what_has_no_price()
    check.raises("jam has no price", shelf.total, {{name = "jam"}})
end

return tests
