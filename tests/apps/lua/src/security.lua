-- Identity, scopes and the checks that an app meets; suite:fn_security calls back.
local case = require("case")

local function as(id, meta, policies)
    local list = {}
    for i, name in ipairs(policies) do
        list[i] = assert(security.policy("suite:" .. name))
    end
    return funcs.new():with_actor(security.new_actor(id, meta))
        :with_scope(security.new_scope(list))
end

case("S-40 the id of an actor has no NUL bytes, behind which checks can't see", function(t)
    local done, err = pcall(security.new_actor, "guest\0admin")
    t.eq(done, false)
    t.ok(tostring(err):find("an actor's id has no NUL bytes", 1, true), tostring(err))
end)

case("A1 without an identity all is allowed and security.can is false", function(t)
    t.eq(funcs.call("suite:fn_echo", 7), 7)
    t.eq(security.actor(), nil)
    t.eq(security.scope(), nil)
    t.eq(security.can("a", "b"), false)
end)

case("A3 an actor with an empty scope may do nothing", function(t)
    local told = assert(as("ann", {}, {}):call("suite:fn_security", "look"))
    t.eq(told.actor, "ann")
    t.eq(told.n_policies, 0)
    t.eq(told.can, false)
    t.eq(told.call, "PermissionDenied: not allowed: suite:fn_echo")
end)

case("A4 an actor without a scope is incomplete", function(t)
    local told = assert(funcs.new():with_actor(security.new_actor("bob"))
        :call("suite:fn_security", "look"))
    t.eq(told.actor, "bob")
    t.eq(told.n_policies, nil)
    t.eq(told.can, false)
    t.eq(told.call, 7)
end)

case("S-2 identity objects don't cross as arguments", function(t)
    t.eq(funcs.call("suite:fn_echo", security.new_actor("x")), nil)
    t.eq(funcs.call("suite:fn_echo", security.new_scope()), nil)
end)

case("F-13 what with_actor and with_scope refuse", function(t)
    local executor = funcs.new()
    t.raises("actor cannot be nil", executor.with_actor, executor, nil)
    t.raises("scope cannot be nil", executor.with_scope, executor, nil)
    t.raises("Actor expected", executor.with_actor, executor, {})
    t.raises("Scope expected", executor.with_scope, executor, security.new_actor("x"))
    local spawner = process.with_context{}
    t.raises("actor cannot be nil", spawner.with_actor, spawner, nil)
    t.raises("Scope expected", spawner.with_scope, spawner, "x")
end)

case("S-41 an actor keeps id and meta", function(t)
    local actor = security.new_actor("ann", {a = {b = {1, 2}}, [1] = "lost"})
    t.eq(actor:id(), "ann")
    local meta = actor:meta()
    t.eq(meta.a.b[2], 2)
    t.eq(meta[1], nil)
    meta.a = nil
    t.eq(actor:meta().a.b[1], 1)
    t.eq(next(security.new_actor("bob"):meta()), nil)
end)

case("S-41 a policy judges by itself", function(t)
    local may_open = assert(security.policy("suite:may_open"))
    local ann = security.new_actor("ann")
    t.eq(may_open:id(), "suite:may_open")
    t.eq(tostring(may_open), "security.Policy{suite:may_open}")
    t.eq(may_open:evaluate(ann, "contract.open", "x"), "allow")
    t.eq(may_open:evaluate(ann, "contract.call", "send"), "undefined")
    t.eq(may_open:evaluate(ann, "contract.get", "x", {a = 1}), "allow")
    t.raises("Actor expected", may_open.evaluate, may_open, "ann", "contract.get", "x")
    t.raises("string expected", may_open.evaluate, may_open, ann, "contract.get")
end)

case("S-41 a scope holds each policy once, and never changes", function(t)
    local may_open = assert(security.policy("suite:may_open"))
    local may_send = assert(security.policy("suite:may_send"))
    local empty, ann = security.new_scope(), security.new_actor("ann")
    local one = empty:with(may_open)
    local both = one:with(may_send):with(may_open)
    t.eq(#empty:policies(), 0)
    t.eq(#both:policies(), 2)
    t.eq(one:evaluate(ann, "contract.call", "send"), "undefined")
    t.eq(both:evaluate(ann, "contract.call", "send"), "allow")
    for _, ref in ipairs({may_open, "suite:may_open", {ns = "suite", name = "may_open"}}) do
        t.eq(one:contains(ref), true)
        t.eq(empty:contains(ref), false)
        local rest = both:without(ref)
        t.eq(#rest:policies(), 1)
        t.eq(rest:policies()[1]:id(), "suite:may_send")
        t.eq(#empty:without(ref):policies(), 0)
    end
    t.eq(#both:policies(), 2)
    t.raises("policy, id or {ns, name} expected", one.contains, one, 5)
    t.raises("policy, id or {ns, name} expected", one.without, one, {ns = "suite"})
    t.eq(#security.new_scope({may_open, "suite:may_send", 7}):policies(), 1)
end)

-- The callee of such an actor could not tell who it is, and a scope alone binds nobody.
case("S-2 an actor whose meta nobody could read is not made", function(t)
    t.raises("the actor's meta", security.new_actor, "eve", {["role\0"] = "x"})
    t.raises("the actor's meta", security.new_actor, "eve", {a = {["\0"] = 1}})
    t.eq(security.new_actor("ann", {a = "\0", ["\xff"] = "\xfe"}):meta().a, "\0")
end)

case("S-40 wrong arguments raise", function(t)
    t.raises("string expected", security.can, nil, "x")
    t.raises("string expected", security.can, "x", {})
    t.raises("table expected", security.can, "x", "y", 3)
    t.raises("string expected", security.new_actor)
    t.raises("table expected", security.new_actor, "x", 1)
    t.raises("table expected", security.new_scope, 1)
end)

return case.entry
