-- Listeners, variadic functions, methods in tables and optional callbacks.
type Listener = (name: string, ...any) -> boolean?
type Handle = {stop: (self: Handle) -> (), active: boolean}
type Emitter = {
    on: (self: Emitter, name: string, listener: Listener) -> Handle,
    emit: (self: Emitter, name: string, ...any) -> integer,
    listeners: {[string]: {Listener}},
}

local Emitter = {}
Emitter.__index = Emitter

local function new(): Emitter
    local self: Emitter = {listeners = {}}
    setmetatable(self, Emitter)
    return self
end

function Emitter:on(name: string, listener: Listener): Handle
    local list = self.listeners[name]
    if list == nil then
        list = {}
        self.listeners[name] = list
    end
    list[#list + 1] = listener
    local handle: Handle = {
        active = true,
        stop = function(handle: Handle)
            handle.active = false
            for i = #list, 1, -1 do
                if list[i] == listener then table.remove(list, i) end
            end
        end,
    }
    return handle
end

function Emitter:once(name: string, listener: Listener): Handle
    local handle: Handle?
    handle = self:on(name, function(...)
        if handle then handle:stop() end
        return listener(...)
    end)
    return handle!
end

function Emitter:emit(name: string, ...: any): integer
    local n = 0
    for _, listener in ipairs({table.unpack(self.listeners[name] or {})}) do
        n = n + 1
        if listener(name, ...) == false then break end
    end
    return n
end

local function join(separator: string, ...: string | number): string
    local parts: {string} = {}
    for i = 1, select("#", ...) do
        parts[i] = tostring((select(i, ...)))
    end
    return table.concat(parts, separator)
end

local function selftest(): string
    local emitter = new()
    local seen: {string} = {}
    local handle: Handle = emitter:on("x", function(name, a, b)
        seen[#seen + 1] = join("/", name, a, b or 0)
        return true
    end)
    local typed: Emitter = emitter
    typed:once("x", function(name: string) seen[#seen + 1] = "once" end)
    typed:emit("x", 1)
    local n = typed:emit("x", 2, 3)
    handle:stop()
    assert(handle.active == false and typed:emit("x") == 0)
    return table.concat(seen, " ") .. " " .. n
end

return {new = new, selftest = selftest}
