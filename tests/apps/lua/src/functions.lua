local case = require("case")

local function call(name, ...)
    return funcs.call("suite:fn_" .. name, ...)
end

local function good(name, ...)
    local value, err = call(name, ...)
    if err then error(name .. ": " .. tostring(err), 2) end
    return value
end

local function topic_within(topic, d)
    local limit = time.after(d)
    local ch = process.listen(topic)
    local got = channel.select{ch:case_receive(), limit:case_receive()}
    if got.channel == limit then return nil end
    return got.value or true
end

-- Does the callee end, which sleeps for longer than that?
local function ends_within(pid, d)
    local limit = time.after(d)
    while process.send(pid, "are you there") do
        local got = channel.select{limit:case_receive(), default = true}
        if got.channel == limit then return false end
        time.sleep("5ms")
    end
    return true
end

case("F-3 module locals live on between calls of one slot", function(t)
    t.eq(good("count"), 1)
    t.eq(good("count"), 2)
    t.eq(good("count"), 3)
end)

case("F-3 a chunk that raises or lacks the method fails each call", function(t)
    local value, err = call("bad_file")
    t.fails("Internal", "failed to execute script", value, err)
    t.eq(err:retryable(), false)
    t.fails("NotFound", "method \"missing\" not found in module", call("no_method"))
    t.eq(good("returns_function", 4), 8)
end)

case("F-3 a slot is used again after an error and after a cancel", function(t)
    for _ = 1, 3 do
        t.fails("Internal", "boom", call("raise_text"))
    end
    t.eq(good("echo", 1), 1)
    t.fails("Timeout", "", funcs.new():with_options{timeout = 20}:call("suite:fn_one", "1h"))
    t.eq(funcs.call("suite:fn_one", "1ms"), "1ms")
end)

case("F-4 PM-6a the result comes at once, coroutines linger on", function(t)
    local lingered = process.listen("lingered")
    t.eq(good("linger", process.pid()), "early")
    t.ok(channel.select{lingered:case_receive(), default = true}.default, "not yet")
    t.ok(topic_within("lingered", "15s"), "lingered")
end)

case("F-10 the module is read-only and complete", function(t)
    for _, name in ipairs{"call", "async", "new"} do
        t.eq(type(funcs[name]), "function", name)
    end
    t.raises("", function() funcs.call = 1 end)
end)

case("F-11 targets are checked", function(t)
    t.fails("Invalid", "function ID required", funcs.call(""))
    t.fails("Invalid", "namespace required in function ID", funcs.call("name"))
    t.fails("Invalid", "namespace required in function ID", funcs.call(":name"))
    t.fails("Invalid", "name required in function ID", funcs.call("ns:"))
    t.raises("bad argument #1", funcs.call, {})
    t.raises("bad argument #1", funcs.call, 5)
    t.raises("bad argument #1", funcs.call)
end)

case("F-12 an unknown target, at once or through the future", function(t)
    t.fails("NotFound", "no handler registered for target", funcs.call("no:such"))
    local future, err = funcs.async("no:such")
    t.eq(err, nil)
    local value, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(value:kind(), "NotFound")
    t.fails("NotFound", "no handler registered for target", funcs.call("suite:case"))
end)

case("F-13 executors never change; context merges", function(t)
    local base = funcs.new():with_context{a = 1, b = 1}
    local more = base:with_context{b = 2, c = 3, [1] = "skipped"}
    t.eq(base:call("suite:fn_context", "b"), 1)
    t.eq(more:call("suite:fn_context", "b"), 2)
    t.eq(more:call("suite:fn_context", "a"), 1)
    t.fails("NotFound", "key not found: c", base:call("suite:fn_context", "c"))
    t.raises("", function() base:with_context(1) end)
    t.raises("", function() base:with_options("x") end)
end)

case("F-14 F-30 context passes on to nested calls and spawned processes", function(t)
    local with = funcs.new():with_context{tenant = "t1"}
    t.eq(with:call("suite:fn_nested", "suite:fn_context", "tenant"), "t1")
    t.eq(with:call("suite:fn_spawn_context", "tenant"), "t1")
end)

case("F-16 F-17 a future that succeeds", function(t)
    local future = assert(funcs.async("suite:fn_sleep", "200ms"))
    t.ok(future:response() == future:channel())
    t.eq(future:is_complete(), false)
    t.eq(future:is_canceled(), false)
    t.eq(select("#", future:result()), 2)
    t.eq((future:result()), nil)
    t.eq(select(2, future:error()), false)
    local payload, ok = future:response():receive()
    t.eq(payload:data(), "200ms")
    t.eq(ok, true)
    payload, ok = future:response():receive()
    t.eq(payload, nil)
    t.eq(ok, false)
    t.eq(future:is_complete(), true)
    t.eq(future:result():data(), "200ms")
end)

case("F-17 a future that fails keeps the kind", function(t)
    local future = assert(funcs.async("suite:fn_fail_error"))
    local err, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(err:kind(), "Conflict")
    local value, same = future:result()
    t.fails("Conflict", "m", value, same)
    local again, has = future:error()
    t.eq(has, true)
    t.eq(again:kind(), "Conflict")
end)

case("F-17 a future without a result", function(t)
    local future = assert(funcs.async("suite:fn_nothing"))
    local payload, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(payload:data(), nil)
end)

case("F-18 cancel closes the channel and stops the callee", function(t)
    local future = assert(funcs.async("suite:fn_tell", process.pid(), "1m"))
    local callee = t.ok(topic_within("started", "15s"))
    t.eq(future:cancel(), true)
    t.eq(future:cancel(), true)
    t.eq(future:is_canceled(), true)
    local value, ok = future:response():receive()
    t.eq(value, nil)
    t.eq(ok, false)
    t.fails("Canceled", "canceled", future:result())
    t.ok(ends_within(callee, "15s"))
    t.eq(topic_within("finished", "1ms"), nil)
end)

case("F-18 cancelling what is complete undoes nothing", function(t)
    local future = assert(funcs.async("suite:fn_echo", 5))
    while not future:is_complete() do time.sleep("5ms") end
    future:cancel()
    local value, ok = future:response():receive()
    t.eq(ok, true)
    t.eq(value:data(), 5)
end)

case("F-19 payload objects of futures", function(t)
    local payload = funcs.async("suite:fn_echo", {1}):response():receive()
    t.eq(payload:get_format(), "lua/any")
    t.eq(tostring(payload), "payload{format=lua/any}")
    t.eq(payload:data()[1], 1)
    t.eq(payload:data()[1], 1)
end)

case("F-20 arguments keep their places, nil included", function(t)
    local got = good("pack", nil, 2, nil)
    t.eq(got.n, 3)
    t.eq(got[1], nil)
    t.eq(got[2], 2)
    t.eq(good("pack").n, 0)
end)

case("F-20 F-22 the callee can't change the caller's tables", function(t)
    local mine = {x = "mine"}
    local got = good("change", mine)
    t.eq(got.x, "changed")
    t.eq(mine.x, "mine")
end)

case("F-21 results and errors", function(t)
    local value, err = call("nothing")
    t.eq(value, nil)
    t.eq(err, nil)
    value, err = call("two", false, nil)
    t.eq(value, false)
    t.eq(err, nil)
    value, err = call("two", 1, {})
    t.eq(value, 1)
    t.eq(err, nil)
    value, err = call("two", 1, 2)
    t.eq(value, 1)
    t.eq(err, nil)
    value, err = call("fail_text")
    t.fails("Internal", "text", value, err)
    t.eq(err:message(), "text")
    t.eq(err:retryable(), false)
    value, err = call("fail_error")
    t.fails("Conflict", "m", value, err)
    t.eq(err:retryable(), true)
    t.eq(err:details().a, 1)
    t.fails("Internal", "no kind", call("fail_plain"))
end)

case("F-21 raised values", function(t)
    local value, err = call("raise_text")
    t.fails("Internal", "boom", value, err)
    t.eq(err:retryable(), nil)
    t.ok(string.find(tostring(err), "^suite:fn_raise_text:%d+: boom"), tostring(err))
    value, err = call("raise_error")
    t.fails("RateLimited", "typed", value, err)
    t.eq(err:retryable(), true)
    t.fails("Internal", "T", call("raise_table"))
    t.fails("Internal", "attempt to index", call("fault"))
    t.fails("Internal", "in coroutine", call("fail_in_coroutine"))
end)

case("F-21 errors pass unchanged through nested calls", function(t)
    local value, err = call("nested", "suite:fn_nested", "suite:fn_fail_error")
    t.fails("Conflict", "m", value, err)
    t.eq(err:retryable(), true)
    t.eq(err:details().a, 1)
end)

case("F-21 an error has the stack of whom it comes to", function(t)
    local function asks(name, ...)
        local value, err = funcs.call("suite:fn_" .. name, ...)
        return value, err
    end
    local here = "suite:functions:%d+: in %a+ 'asks'"
    local _, err = asks("fail_error")
    t.ok(string.find(err:stack(), here), err:stack())
    _, err = asks("nested", "suite:fn_fail_error")
    t.ok(string.find(err:stack(), here), err:stack())
    t.eq(string.find(err:stack(), "fn_nested", 1, true), nil)
    local future = assert(funcs.async("suite:fn_fault"))
    err = future:response():receive()
    t.ok(string.find(err:stack(), "suite:functions:%d+: in "), err:stack())
    t.ok(string.find(select(2, future:result()):stack(), "suite:functions:%d+: in "))
end)

case("F-22 values arrive as their kind", function(t)
    local types = good("types", {i = 3, f = 3.0, s = "\0\xff", t = {}, b = true})
    t.eq(types.i, "integer")
    t.eq(types.f, "float")
    t.eq(types.s, "string")
    t.eq(types.t, "table")
    t.eq(types.b, "boolean")
    local shared = {}
    local got = good("echo", {a = shared, b = shared, f = print,
        e = errors.new{message = "e", kind = errors.TIMEOUT}})
    t.ok(got.a == got.b)
    t.eq(got.f, nil)
    t.eq(got.e:kind(), "Timeout")
end)

case("F-23 context values become plain data", function(t)
    local all = funcs.new():with_context{n = 3, f = 1.5, s = "x", b = false,
        list = {1, 2, x = "lost"}, map = {[true] = 1, k = 2}, fn = print}
        :call("suite:fn_context_all")
    t.eq(all.n, 3)
    t.eq(all.f, 1.5)
    t.eq(all.b, false)
    t.list(all.list, {1, 2})
    t.eq(all.list.x, nil)
    t.eq(all.map.k, 2)
    t.eq(all.map["true"], 1)
    t.eq(type(all.fn), "string")
end)

case("F-31 ctx tells what is missing", function(t)
    t.fails("Invalid", "empty key", ctx.get(""))
    t.fails("NotFound", "key not found: nothing", ctx.get("nothing"))
    t.eq(type(ctx.all()), "table")
    t.eq(ctx.set, nil)
end)

case("F-32 a function has an id and a pid of its entry", function(t)
    local who = good("who")
    t.eq(who.id, "suite:fn_who")
    t.ok(string.find(who.pid, "^{suite:fn_who|0x%x%x%x%x%x+}$"), who.pid)
    t.fails("NotFound", "not found", process.send(who.pid, "t"))
end)

case("F-33 a cancelled frame takes its callees along", function(t)
    local future = assert(funcs.async("suite:fn_tell_nested", process.pid(), "1m"))
    local callee = t.ok(topic_within("started", "15s"))
    future:cancel()
    t.ok(ends_within(callee, "15s"))
    t.eq(topic_within("finished", "1ms"), nil)
end)

case("F-33 a process that ends cancels its calls", function(t)
    local pid = assert(process.spawn("suite:caller", "suite:host", process.pid()))
    local callee = t.ok(topic_within("started", "15s"))
    process.terminate(pid)
    t.ok(ends_within(callee, "15s"))
    t.eq(topic_within("finished", "1ms"), nil)
end)

case("F-33 un-awaited async calls outlive the function that made them", function(t)
    t.eq(good("async_left", process.pid()), "left")
    t.ok(topic_within("finished", "15s"))
end)

case("F-33 a cancel interrupts pure computation, pcall or not", function(t)
    for _, name in ipairs{"spin", "spin_pcall"} do
        local exec = funcs.new():with_options{timeout = "30ms"}
        t.fails("Timeout", "", exec:call("suite:fn_" .. name))
        local future = assert(funcs.async("suite:fn_" .. name))
        time.sleep("5ms")
        future:cancel()
    end
    t.eq(good("spin_neighbour", 1), 1)
end)

case("F-33 what waits in a queue is never started when cancelled", function(t)
    local busy = assert(funcs.async("suite:fn_one_tell", process.pid(), "1m"))
    t.ok(topic_within("started", "15s"))
    local queued = assert(funcs.async("suite:fn_one_tell", process.pid(), "1ms"))
    queued:cancel()
    busy:cancel()
    t.eq(good("one_tell", process.pid(), "1ms"), "told") -- whose turn comes after it
    t.ok(topic_within("started", "15s"))
    t.eq(topic_within("started", "1ms"), nil)
end)

case("F-34 a deadline covers queueing and the run", function(t)
    local exec = funcs.new():with_options{timeout = 30}
    local started = time.now()
    local value, err = exec:call("suite:fn_sleep", "1m")
    t.fails("Timeout", "function execution timed out after 30ms", value, err)
    t.eq(err:retryable(), true)
    t.ok(time.now():sub(started):milliseconds() < 15000, "in time")
    local busy = assert(funcs.async("suite:fn_one", "1m"))
    t.fails("Timeout", "", exec:call("suite:fn_one", "1ms"))
    busy:cancel()
    t.eq(funcs.new():with_options{timeout = "0s"}:call("suite:fn_sleep", "40ms"), "40ms")
    t.eq(funcs.new():with_options{timeout = "nonsense"}:call("suite:fn_echo", 1), 1)
end)

case("F-34 nested calls inherit the earlier deadline", function(t)
    local exec = funcs.new():with_options{timeout = "50ms"}
    local started = time.now()
    t.fails("Timeout", "", exec:call("suite:fn_tell_nested", process.pid(), "1m"))
    t.ok(time.now():sub(started):milliseconds() < 15000, "in time")
    local callee = topic_within("started", "1ms") -- if it came so far in time
    t.ok(callee == nil or ends_within(callee, "15s"))
    t.eq(topic_within("finished", "1ms"), nil)
end)

case("F-42 five slow calls without a pool run at once", function(t)
    local futures = {}
    for i = 1, 5 do
        futures[i] = assert(funcs.async("suite:fn_tell", process.pid(), "1m"))
    end
    for _ = 1, 5 do t.ok(topic_within("started", "15s")) end
    for i = 1, 5 do futures[i]:cancel() end
end)

case("F-43 an inline function runs in its caller, calls one after the other", function(t)
    t.eq(good("inline_count"), 1)
    t.eq(good("inline_count"), 2)
end)

case("F-44 one slot serves one call at a time, in order", function(t)
    local started, futures = time.now(), {}
    for i = 1, 5 do futures[i] = assert(funcs.async("suite:fn_one", "10ms")) end
    for i = 1, 5 do t.ok(futures[i]:response():receive()) end
    t.ok(time.now():sub(started):milliseconds() >= 50, "one after the other")
end)

case("F-48 a full queue makes callers wait, never fail", function(t)
    local futures = {}
    for i = 1, 40 do futures[i] = assert(funcs.async("suite:fn_narrow", i)) end
    local sum = 0
    for i = 1, 40 do
        local value = futures[i]:response():receive()
        t.eq(type(value:data()), "number")
        sum = sum + value:data()
    end
    t.eq(sum, 820)
end)

case("F-48 inline functions may call themselves", function(t)
    t.eq(good("deep", 5), 5)
end)

return case.entry
