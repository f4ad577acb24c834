local funcs = require("funcs")
local check = require("check")

-- A test sees the app as its callers do: booted, over its functions.
return function()
    local total, err = funcs.call("tests:total", {{name = "tea", price = 3}})
    check.equal(err, nil)
    check.equal(total, 3)
end
