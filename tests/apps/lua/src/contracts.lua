-- Contracts (F-63 to F-70, F-72): suite:mailer, kept by suite:post (its default) and by
-- suite:pigeon, which keeps suite:greeter too.
local case = require("case")

local function mailer(t)
    return (t.ok(contract.get("suite:mailer")))
end

local function post(t, ...)
    return (t.ok(contract.open("suite:post", ...)))
end

local function as(id, policies)
    local list = {}
    for i, name in ipairs(policies) do
        list[i] = assert(security.policy("suite:" .. name))
    end
    return funcs.new():with_actor(security.new_actor(id))
        :with_scope(security.new_scope(list))
end

-- Runs a function of fn_contracts.lua in a frame of its own.
local function in_frame(executor, what, ...)
    return executor:call("suite:fn_contracts", what, ...)
end

-- ---- F-63

case("F-63 get returns a Contract and nil", function(t)
    local c, err = contract.get("suite:mailer")
    t.eq(type(c), "userdata")
    t.eq(err, nil)
    t.eq(c:id(), "suite:mailer")
end)

case("F-72 what isn't there", function(t)
    local err = t.fails("NotFound", "contract definition 'suite:none' not found",
        contract.get("suite:none"))
    t.eq(err:retryable(), false)
    t.fails("NotFound", "contract definition '' not found", contract.get(""))
    t.fails("NotFound", "contract definition 'suite:post' not found",
        contract.get("suite:post"))
    t.fails("NotFound", "contract binding 'suite:none' not found",
        contract.open("suite:none"))
    t.fails("NotFound", "contract binding '' not found", contract.open(""))
    t.fails("NotFound", "contract binding 'suite:mailer' not found",
        contract.open("suite:mailer"))
    t.fails("NotFound", "no default binding for contract 'suite:greeter'",
        contract.get("suite:greeter"):open())
    t.fails("NotFound", "no default binding for contract 'suite:greeter'",
        contract.get("suite:greeter"):greet("x"))
end)

case("F-63 find_implementations lists bindings by id", function(t)
    t.list(contract.find_implementations("suite:mailer"), {"suite:pigeon", "suite:post"})
    t.list(contract.find_implementations("suite:greeter"), {"suite:pigeon"})
    local none, err = contract.find_implementations("suite:none")
    t.eq(#none, 0)
    t.eq(err, nil)
    t.list(mailer(t):implementations(), {"suite:pigeon", "suite:post"})
end)

case("F-63 is", function(t)
    local pigeon = contract.open("suite:pigeon")
    t.eq(contract.is(pigeon, "suite:mailer"), true)
    t.eq(contract.is(pigeon, "suite:greeter"), true)
    t.eq(contract.is(pigeon, "suite:none"), false)
    t.eq(contract.is(post(t), "suite:greeter"), false)
    t.eq(contract.is(mailer(t), "suite:mailer"), false)
    t.eq(contract.is(funcs.new(), "suite:mailer"), false)
    t.raises("userdata expected", contract.is, "x", "suite:mailer")
    t.raises("userdata expected", contract.is, nil, "suite:mailer")
end)

case("F-63 wrong arguments raise", function(t)
    t.raises("string expected", contract.get)
    t.raises("string expected", contract.get, {})
    t.raises("string expected", contract.open, nil)
    t.raises("table expected", contract.open, "suite:post", 1)
    t.raises("table expected", contract.open, "suite:post", {}, 1)
    t.raises("string expected", contract.find_implementations)
end)

-- ---- F-64

case("F-64 methods tell what was declared", function(t)
    local list = mailer(t):methods()
    t.eq(#list, 5)
    t.eq(list[1].name, "send")
    t.eq(list[1].description, "Deliver one mail")
    t.eq(list[1].input_schemas[1].format, "application/schema+json")
    t.eq(list[1].input_schemas[1].definition.type, "object")
    t.eq(list[1].input_schemas[1].definition.required[1], "to")
    t.eq(list[2].name, "fails")
    t.eq(list[2].description, "")
    t.eq(list[2].input_schemas, nil)
    t.eq(list[2].output_schemas, nil)
    t.eq(#contract.get("suite:empty"):methods(), 0)
end)

case("F-64 one method", function(t)
    local method, err = mailer(t):method("send")
    t.eq(method.name, "send")
    t.eq(err, nil)
    t.fails("NotFound", "method 'none' not found in contract 'suite:mailer'",
        mailer(t):method("none"))
    t.raises("string expected", mailer(t).method, mailer(t))
end)

case("F-64 open takes the default or a binding", function(t)
    t.eq(mailer(t):open():send({to = "ann"}).frame.entry, "suite:fn_send")
    t.eq(mailer(t):open("suite:pigeon"):send({to = "ann"}).frame.entry, "suite:fn_send2")
    t.eq(mailer(t):open(nil, {a = 1}):send({to = "ann"}).frame.context.a, 1)
end)

case("F-64 with_context merges and leaves the receiver alone", function(t)
    local c = mailer(t)
    local one = c:with_context({a = 1, b = 1})
    local two = one:with_context({b = 2, list = {1, 2}})
    t.eq(one:open():send({to = "x"}).frame.context.b, 1)
    local seen = two:open(nil, {c = 3}):send({to = "x"}).frame.context
    t.eq(seen.a, 1)
    t.eq(seen.b, 2)
    t.eq(seen.c, 3)
    t.eq(seen.list[2], 2)
    t.eq(next(c:open():send({to = "x"}).frame.context), nil)
    t.raises("table expected", c.with_context, c, 1)
end)

case("F-64 methods straight on a Contract open its default", function(t)
    local c = mailer(t)
    t.eq(c:send({to = "ann"}, "n").note, "n")
    t.eq(c:with_context({a = 1}):send({to = "ann"}).frame.context.a, 1)
    local future = t.ok(c:send_async({to = "bob"}, "later"))
    local payload, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(payload:data().to, "bob")
    t.eq(payload:data().note, "later")
    t.eq(c.none, nil)
    t.eq(c.none_async, nil)
    t.eq(c[1], nil)
    -- Names that every Contract has win.
    t.eq(contract.get("suite:named"):id(), "suite:named")
end)

case("F-64 the first call of a worker opens too", function(t)
    t.eq(in_frame(funcs.new(), "first"), "cat")
end)

-- ---- F-65

case("F-65 the query is part of the scope", function(t)
    local seen = contract.open("suite:post?a=1&b=2.5&c=true&d=false&e=x%20y+z&f&a=9"
        .. "&g=007&h=-3&i=1e5&j=99999999999999999999&k=%2B&l="):send({to = "x"})
        .frame.context
    t.eq(seen.a, 1)
    t.eq(seen.b, 2.5)
    t.eq(seen.c, true)
    t.eq(seen.d, false)
    t.eq(seen.e, "x y z")
    t.eq(seen.f, "")
    t.eq(seen.g, 7)
    t.eq(seen.h, -3)
    t.eq(seen.i, "1e5")
    t.eq(seen.j, "99999999999999999999")
    t.eq(seen.k, "+")
    t.eq(seen.l, "")
    t.eq(next(contract.open("suite:post?"):send({to = "x"}).frame.context), nil)
end)

case("F-65 query, then with_context, then scope", function(t)
    local seen = mailer(t):with_context({b = "context", c = "context"})
        :open("suite:post?a=query&b=query&c=query", {c = "scope", x = {y = 1}})
        :send({to = "x"}).frame.context
    t.eq(seen.a, "query")
    t.eq(seen.b, "context")
    t.eq(seen.c, "scope")
    t.eq(seen.x.y, 1)
end)

case("F-65 a query that can't be read", function(t)
    t.fails("Invalid", "parse binding ID failed", contract.open("suite:post?a=%zz"))
    t.fails("Invalid", "parse binding ID failed", contract.open("suite:post?a=%4"))
    t.fails("Invalid", "parse binding ID failed", contract.open("suite:post?a;b"))
end)

case("F-65 the caller's values reach the callee below the scope", function(t)
    local seen = in_frame(funcs.new():with_context({a = "caller", b = "caller"}), "send",
        "suite:post?b=query")
    t.eq(seen.a, "caller")
    t.eq(seen.b, "query")
end)

-- ---- F-66

case("F-66 methods return like functions", function(t)
    local p = post(t)
    local result, err = p:send({to = "ann"}, 5)
    t.eq(err, nil)
    t.eq(result.id, 7)
    t.eq(result.note, 5)
    local failed = t.fails("Conflict", "no way", p:fails("Conflict", "no way"))
    t.eq(failed:retryable(), false)
    t.fails("Internal", "oops", p:fails("raise", "oops"))
    t.eq(p:nothing(), nil)
    t.eq(p.none, nil)
    t.raises("nil value", function() p:none() end)
    t.raises("contract.Instance expected", p.send, {to = "ann"})
end)

case("F-66 async methods give a Future", function(t)
    local p = post(t)
    local future, err = p:send_async({to = "ann"}, "n")
    t.eq(err, nil)
    t.eq(future:is_complete(), false)
    local payload, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(payload:data().note, "n")
    t.eq(future:result():data().to, "ann")
    local failing = p:fails_async("NotFound", "gone")
    t.eq(failing:response():receive():kind(), "NotFound")
    t.fails("NotFound", "gone", failing:result())
    t.eq(p._async, nil)
end)

case("F-66 instances cross no border", function(t)
    t.eq(funcs.call("suite:fn_echo", post(t)), nil)
    t.eq(funcs.call("suite:fn_echo", mailer(t)), nil)
end)

case("F-66 an instance keeps working in coroutines and after collections", function(t)
    local p = post(t)
    local done = channel.new(3)
    for i = 1, 3 do
        coroutine.spawn(function() done:send(p:send({to = "x"}, i).note) end)
    end
    local future = contract.open("suite:post"):send_async({to = "y"})
    for i = 1, 100000 do
        local _ = {i}
    end
    local sum = done:receive() + done:receive() + done:receive()
    t.eq(sum, 6)
    t.eq(future:response():receive():data().to, "y")
end)

case("F-66 one binding for two contracts", function(t)
    local pigeon = contract.open("suite:pigeon")
    t.eq(pigeon:greet("ann"), "ann")
    t.eq(pigeon:send({to = "bob"}).to, "bob")
end)

-- ---- F-67

case("F-67 required keys are asked for at each call", function(t)
    local picky = t.ok(contract.open("suite:picky"))
    local err = t.fails("Invalid", "missing required context keys: [tenant, user]",
        picky:greet("x"))
    t.list(err:details().missing_keys, {"tenant", "user"})
    t.eq(err:retryable(), false)
    picky = contract.open("suite:picky?user=1")
    t.list(select(2, picky:greet("x")):details().missing_keys, {"tenant"})
    t.fails("Invalid", "[tenant]", picky:greet_async("x"))
    t.eq(contract.open("suite:picky?user=1", {tenant = "t"}):greet("x"), "x")
    t.eq(contract.open("suite:picky", {tenant = false, user = 0}):greet("x"), "x")
end)

case("F-67 the caller's values count for required keys", function(t)
    local executor = funcs.new():with_context({tenant = "t"})
    t.eq(in_frame(executor, "greet", "suite:picky?user=1"), "x")
    t.fails("Invalid", "[user]", in_frame(executor, "greet", "suite:picky"))
end)

-- ---- F-68

case("F-68 the caller's identity, or the one that was given", function(t)
    t.eq(post(t):send({to = "x"}).frame.actor, nil)
    local c = mailer(t):with_actor(security.new_actor("zoe"))
    t.eq(c:open():send({to = "x"}).frame.actor, "zoe")
    t.eq(c:send({to = "x"}).frame.actor, "zoe")
    t.eq(c:open("suite:pigeon"):send({to = "x"}).frame.actor, "zoe")
    t.eq(mailer(t):open():send({to = "x"}).frame.actor, nil)
    local seen = in_frame(funcs.new():with_actor(security.new_actor("ann")), "send",
        "suite:post")
    t.eq(seen, "ann")
    t.raises("actor cannot be nil", c.with_actor, c, nil)
    t.raises("Scope expected", c.with_scope, c, {})
end)

-- ---- F-69

case("F-69 options retry a method", function(t)
    local p = post(t, nil, {retry = {max_attempts = 3, initial_delay = 1}})
    t.eq(p:flaky("a", 3), 3)
    t.fails("Unavailable", "run 3", p:flaky("b", 5))
    t.fails("Unavailable", "run 1", post(t, nil, {}):flaky("c", 3))
    local c = mailer(t):with_options({retry = {max_attempts = 2, initial_delay = 1}})
    t.eq(c:open():flaky("d", 2), 2)
    t.eq(c:flaky("e", 2), 2)
    c = c:with_options({})
    t.fails("Unavailable", "run 1", c:open():flaky("f", 2))
    t.raises("table expected", c.with_options, c)
end)

case("F-69 the timeout is an option too", function(t)
    local p = t.ok(contract.open("suite:slow", {}, {timeout = 20}))
    t.fails("Timeout", "timed out", p:greet("x"))
end)

-- ---- F-70

case("F-70 arguments are checked before the call", function(t)
    local err = t.fails("Invalid",
        "contract suite:mailer method send input 1: /: property 'to' is missing",
        post(t):send({}))
    t.eq(err:retryable(), false)
    local details = err:details()
    t.eq(details.contract, "suite:mailer")
    t.eq(details.method, "send")
    t.eq(details.direction, "input")
    t.eq(details.index, 1)
    t.eq(details.errors[1].path, "")
    t.fails("Invalid", "input 1: /to: expected string, got integer", post(t):send({to = 3}))
    t.fails("Invalid", "input 1: /: expected object, got string", post(t):send("ann"))
    t.fails("Invalid", "input 2: /: must have at most 5 characters",
        post(t):send({to = "x"}, "too long"))
    t.fails("Invalid", "input 1: /: expected object, got null", post(t):send(nil, "n"))
    t.fails("Invalid", "input 1", mailer(t):send({}))
    t.fails("Invalid", "input 1", post(t):send_async({}))
    -- What isn't given isn't checked, what no schema is there for neither.
    t.eq(post(t):send({to = "x"}, nil).id, 7)
    t.eq(post(t):send({to = "x"}, "n", 1, 2).id, 7)
    t.fails("Invalid", "input 2: /: expected integer or string, got null",
        post(t):send({to = "x"}, nil, 1))
end)

case("F-70 every error is in the details", function(t)
    local err = select(2, post(t):send({to = 1, cc = {"a", 2, 3}}))
    local errors = err:details().errors
    t.eq(#errors, 3)
    t.eq(errors[1].path, "/cc/1")
    t.eq(errors[2].path, "/cc/2")
    t.eq(errors[3].path, "/to")
    t.eq(errors[3].message, "expected string, got integer")
end)

case("F-70 empty tables, whole floats, shared tables", function(t)
    t.eq(post(t):send({to = "x", cc = {}}).id, 7)
    t.eq(post(t):send({to = "x", headers = {}}).id, 7)
    t.eq(post(t):send({to = "x", size = 3.0}).id, 7)
    t.fails("Invalid", "/size: expected integer", post(t):send({to = "x", size = 3.5}))
    local headers = {a = "b"}
    t.eq(post(t):send({to = "x", headers = headers, more = headers}).id, 7)
    headers.a = 1
    t.fails("Invalid", "/headers/a", post(t):send({to = "x", more = headers,
        headers = headers}))
    headers.a = headers
    t.fails("Invalid", "contains itself", post(t):send({to = "x", headers = headers}))
end)

case("F-70 results are checked", function(t)
    t.eq(post(t):broken(3), 3)
    local err = t.fails("Internal",
        "contract suite:mailer method broken output 1: /: expected integer, got string",
        post(t):broken("x"))
    t.eq(err:details().direction, "output")
    t.eq(err:details().index, 1)
    t.eq(err:retryable(), false)
    t.fails("Internal", "output 1: /: expected integer, got null", post(t):broken())
    t.fails("Internal", "output 1", mailer(t):broken("x"))
    local future = post(t):broken_async("x")
    local late = future:response():receive()
    t.eq(late:kind(), "Internal")
    t.eq(late:details().direction, "output")
    t.fails("Internal", "output 1", future:result())
    t.eq(future:is_complete(), true)
    t.eq(post(t):broken_async(4):response():receive():data(), 4)
end)

case("F-70 results that are errors aren't checked", function(t)
    t.fails("Conflict", "no", post(t):fails("Conflict", "no"))
end)

-- ---- permissions

case("F-63 to F-66 permissions", function(t)
    local told = assert(in_frame(as("ann", {}), "permissions"))
    t.eq(told.get, "PermissionDenied: not allowed to access contract: suite:mailer")
    t.eq(told.open, "PermissionDenied: not allowed to open binding: suite:post")
    t.eq(told.find, "PermissionDenied: not allowed to list implementations: suite:mailer")
    told = assert(in_frame(as("ann", {"may_open"}), "permissions"))
    t.eq(told.get, "userdata")
    t.eq(told.open, "userdata")
    t.eq(told.find, "PermissionDenied: not allowed to list implementations: suite:mailer")
    t.eq(told.list, told.find)
    t.eq(told.context,
        "PermissionDenied: not allowed to use contracts with custom context")
    t.eq(told.actor,
        "PermissionDenied: not allowed to use contracts with custom security context")
    t.eq(told.call, "PermissionDenied: not allowed to call method: send")
    t.eq(told.async, "PermissionDenied: not allowed to call method: send")
    t.eq(told.straight, "PermissionDenied: not allowed to call method: send")
    told = assert(in_frame(as("ann", {"may_open", "may_send"}), "permissions"))
    t.eq(told.call, "table")
    t.eq(told.async, "userdata")
    t.eq(told.straight, "table")
    t.eq(told.other, "PermissionDenied: not allowed to call method: nothing")
end)

return case.entry
