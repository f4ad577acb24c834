local ctx = require("ctx")
local funcs = require("funcs")

-- Nothing here is about tracing: what a call calls belongs to its trace.
local function main(what)
    local price = assert(funcs.async("tracing:price", what))
    local stock, err = funcs.call("tracing:stock", what)
    if err then return nil, err end
    price:response():receive()
    assert(process.spawn("tracing:ship", "tracing:host", what))
    return {
        price = assert(price:result()):data(),
        left = stock,
        trace = (ctx.get("traceparent") or ""):match("^%x+-(%x+)"),
    }
end

return {main = main}
