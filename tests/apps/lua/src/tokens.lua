-- Token stores (S-50 to S-54).
local case = require("case")

local function store(name)
    return assert(security.token_store("suite:" .. (name or "signed_tokens")))
end

local function ann()
    return security.new_actor("ann", {level = 3})
end

case("S-51 S-53 a token brings back actor and scope", function(t)
    local tokens = store()
    local token, err = tokens:create(ann(), security.new_scope())
    t.eq(err, nil)
    t.eq(#token, 44 + 1 + 44)
    t.ok(token:match("^[%w_-]+=%.[%w_-]+=$"), "its form")
    local actor, scope, problem = tokens:validate(token)
    t.eq(problem, nil)
    t.eq(actor:id(), "ann")
    t.eq(actor:meta().level, 3)
    t.eq(#scope:policies(), 0)
    t.eq(tokens:close(), true)
end)

case("S-51 without a key the token is one part", function(t)
    local token = assert(store("plain_tokens"):create(ann(), security.new_scope()))
    t.eq(#token, 12)
    t.eq(store("plain_tokens"):validate(token):id(), "ann")
end)

case("S-52 without a key the first part of a signed token is none", function(t)
    local signed, plain = store(), store("plain_tokens")
    local token = assert(signed:create(ann(), security.new_scope()))
    local actor, scope, err = plain:validate(token:match("^[^.]+"))
    t.eq(actor, nil)
    t.fails("Internal", "validate token: token not found", scope, err)
    t.eq(signed:validate(token):id(), "ann")
end)

case("A14 a changed signature isn't valid but can be revoked", function(t)
    local tokens = store()
    local token = assert(tokens:create(ann(), security.new_scope()))
    local forged = token:sub(1, -2) .. "x"
    local actor, scope, err = tokens:validate(forged)
    t.eq(actor, nil)
    t.fails("Internal", "validate token: invalid token format", scope, err)
    t.eq(err:retryable(), false)
    t.eq(tokens:revoke(forged), true)
    actor, scope, err = tokens:validate(token)
    t.fails("Internal", "validate token: token not found", scope, err)
    t.fails("Internal", "revoke token: token not found", tokens:revoke(token))
end)

case("S-54 what is no token", function(t)
    local tokens = store()
    for _, text in ipairs{"", "abc", "a.b.c", ".", "abc.def"} do
        local _, none, err = tokens:validate(text)
        t.fails("Internal", "validate token: invalid token format", none, err)
    end
    t.fails("Internal", "revoke token: invalid token format", tokens:revoke(""))
    t.fails("Internal", "revoke token: invalid token format", tokens:revoke("abc"))
    t.fails("Internal", "revoke token: token not found", tokens:revoke("abc.def"))
    local _, none, err = store("plain_tokens"):validate("abc")
    t.fails("Internal", "validate token: token not found", none, err)
    _, none, err = store("plain_tokens"):validate(("x"):rep(5000))
    t.fails("Internal", "validate token: invalid token format", none, err)
end)

case("S-53 expiration", function(t)
    local tokens = store()
    local function lives(expiration)
        return assert(tokens:create(ann(), security.new_scope(),
            {expiration = expiration, meta = {why = "test"}}))
    end
    t.eq(tokens:validate(lives("7d")):id(), "ann")
    t.eq(tokens:validate(lives("1d12h")):id(), "ann")
    t.eq(tokens:validate(lives(0)):id(), "ann")
    t.eq(tokens:validate(lives(60000)):id(), "ann")
    t.eq(tokens:validate(lives(60000.5)):id(), "ann")
    local short = {lives("10ms"), lives("1us"), lives(0.25)}
    time.sleep("20ms")
    for _, token in ipairs(short) do
        local _, none, err = tokens:validate(token)
        t.fails("Internal", "validate token: token not found", none, err)
    end
    for _, bad in ipairs{"soon", "", "d", "7d!", -1, true} do
        t.fails("Invalid", "invalid expiration format",
            tokens:create(ann(), security.new_scope(), {expiration = bad}))
    end
end)

case("S-53 wrong arguments raise", function(t)
    local tokens = store()
    t.raises("Actor expected", tokens.create, tokens, {}, security.new_scope())
    t.raises("Scope expected", tokens.create, tokens, ann(), {})
    t.raises("table expected", tokens.create, tokens, ann(), security.new_scope(), 1)
    t.raises("string expected", tokens.validate, tokens, nil)
end)

case("S-54 a closed store", function(t)
    local tokens = store()
    t.eq(tokens:close(), true)
    t.eq(tokens:close(), true)
    t.fails("Internal", "token store is closed",
        tokens:create(ann(), security.new_scope()))
    local actor, scope, err = tokens:validate("x")
    t.eq(actor, nil)
    t.fails("Internal", "token store is closed", scope, err)
    t.fails("Internal", "token store is closed", tokens:revoke("x"))
end)

case("S-53 the end of the frame closes", function(t)
    t.eq(funcs.call("suite:fn_keeps_store"), "first")
    t.eq(funcs.call("suite:fn_keeps_store"), "token store is closed")
end)

case("S-54 what can't be acquired", function(t)
    t.fails("Invalid", "token store id is required", security.token_store(""))
    t.fails("Internal", "acquire token store: token store not found",
        security.token_store("suite:none"))
    t.fails("Internal", "resource is not a token store",
        security.token_store("suite:host"))
    t.fails("Internal", "create token: resource is not a key-value store",
        store("wrong_tokens"):create(ann(), security.new_scope()))
end)

case("S-50 a full backing store", function(t)
    local tokens = store("few_tokens")
    assert(tokens:create(ann(), security.new_scope()))
    t.fails("Internal", "create token: failed to store token",
        tokens:create(ann(), security.new_scope()))
end)

return case.entry
