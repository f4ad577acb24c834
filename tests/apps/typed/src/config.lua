-- Options with defaults, read from what nobody knows.
type Level = "debug" | "info" | "warn" | "error"
type Config = {
    host: string,
    port: integer,
    level: Level,
    retries: integer,
    tags: {string},
    tls?: {cert: string, key: string},
    on_error?: (text: string) -> (),
}

local LEVELS: {[string]: integer} = {debug = 1, info = 2, warn = 3, error = 4}

local defaults: Config = {
    host = "localhost",
    port = 8080,
    level = "info",
    retries = 3,
    tags = {},
}

local function read_port(value: any): integer
    local n = tonumber(value)
    if not n then
        return nil, "port is no number: " .. tostring(value)
    end
    if n < 1 or n > 65535 then
        return nil, ("port out of range: %d"):format(n)
    end
    return math.floor(n)
end

local function read_level(value: unknown): (Level?, string?)
    if type(value) ~= "string" then return nil, "level must be a string" end
    if not LEVELS[value] then return nil, "unknown level " .. value end
    return value
end

local function parse(raw: {[string]: any}): Config
    local port, err = read_port(raw.port or defaults.port)
    if err then return nil, err end
    local level: Level = defaults.level
    if raw.level ~= nil then
        local found, why = read_level(raw.level)
        if not found then return nil, why end
        level = found
    end
    local config: Config = {
        host = raw.host or defaults.host,
        port = port,
        level = level,
        retries = tonumber(raw.retries) or defaults.retries,
        tags = {},
    }
    for tag in tostring(raw.tags or ""):gmatch("[^,]+") do
        config.tags[#config.tags + 1] = tag
    end
    if type(raw.tls) == "table" then
        config.tls = {cert = raw.tls.cert, key = raw.tls.key}
    end
    if type(raw.on_error) == "function" then config.on_error = raw.on_error end
    return config
end

local function report(config: Config, text: string)
    if config.on_error then config.on_error(text) end
    local hook = config.on_error
    if hook then hook(text) end
    if not config.tls then return end
    print(config.tls.cert)
end

local function selftest(): string
    local config, err = parse({port = "99", tags = "a,b", level = "warn"})
    assert(config, err)
    local n = 0
    config.on_error = function(text) n = n + #text end
    report(config, "ab")
    local none, why = parse({port = "x"})
    assert(none == nil)
    return config.port .. " " .. #config.tags .. " " .. n .. " " .. why
end

return {parse = parse, selftest = selftest}
