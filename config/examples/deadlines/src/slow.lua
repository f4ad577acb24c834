local funcs = require("funcs")
local time = require("time")

-- What is called from here has the same deadline, and is cancelled with us: nothing runs
-- on for nobody.
local function main(n_steps, name)
    time.sleep("10ms")
    if n_steps > 1 then
        return funcs.call("deadlines:slow", n_steps - 1, name)
    end
    return (name or "it") .. " is done"
end

return {main = main}
