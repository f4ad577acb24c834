-- peer_tarantool -- calls of a Lua function through Tarantool's own net.box.
--
--     tarantool peer_tarantool.lua serve SOCKET      (leaves a snapshot in the folder)
--     tarantool peer_tarantool.lua call SOCKET OUTSTANDING SECONDS
--
-- Two processes on a Unix socket, no third between them. Each outstanding call is a fiber
-- that calls `add` with two integers and checks the sum. Prints one line of JSON; the
-- first fifth of the time is warm-up.

local fiber = require('fiber')
local netbox = require('net.box')

local role, socket, outstanding, seconds = ...

local function serve()
    box.cfg{listen = socket, log_level = 'error', wal_mode = 'none',
            memtx_memory = 32 * 1024 * 1024}
    rawset(_G, 'add', function(a, b) return a + b end)
    box.schema.user.grant('guest', 'execute', 'universe', nil, {if_not_exists = true})
    print('ready')
    io.stdout:flush()
end

local function percentile(samples, share)
    return samples[math.floor(#samples * share) + 1] or 0
end

local function caller(connection, state)
    local n = 2 ^ 32
    while not state.is_over do
        local before = state.clock()
        local sum = connection:call('add', {n, 1})
        n = n + 1
        if sum ~= n then error('wrong sum') end
        if state.is_warm then
            state.n = state.n + 1
            state.samples[state.n] = state.clock() - before
        end
    end
end

local function call()
    local clock = require('clock')
    local state = {n = 0, samples = {}, clock = clock.monotonic}
    local connection = netbox.connect('unix/:' .. socket, {wait_connected = true})
    for _ = 1, tonumber(outstanding) do
        fiber.create(caller, connection, state)
    end
    fiber.sleep(seconds * 0.2)
    local began = clock.monotonic()
    state.is_warm = true
    fiber.sleep(seconds * 0.8)
    state.is_warm = false
    state.is_over = true
    local took = clock.monotonic() - began
    table.sort(state.samples)
    print(string.format('{"calls_per_s": %.0f, "p50_us": %.2f, "p99_us": %.2f}',
        state.n / took, percentile(state.samples, 0.5) * 1e6,
        percentile(state.samples, 0.99) * 1e6))
    os.exit(0)
end

if role == 'serve' then serve() else call() end
