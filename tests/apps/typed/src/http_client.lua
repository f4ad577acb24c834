-- What modules give is unknown: retries, decoding, checks of its shape.
type Headers = {[string]: string}
type Request = {method?: "GET" | "POST" | "PUT", url: string, headers?: Headers, body?: string}
type Response = {status: integer, headers: Headers, body: string}
type Fetch = (request: Request) -> (Response?, string?)
type Options = {attempts: integer?, backoff: number?, retry_on: ((r: Response) -> boolean)?}

local json = require("json")

local function encode_query(params: {[string]: string | number | boolean}): string
    local parts: {string} = {}
    for key, value in pairs(params) do
        local text = type(value) == "string" and value or tostring(value)
        text = text:gsub("[^%w]", function(c: string): string
            return ("%%%02X"):format(c:byte())
        end)
        parts[#parts + 1] = key .. "=" .. text
    end
    table.sort(parts)
    return table.concat(parts, "&")
end

local function with_retries(fetch: Fetch, options: Options?): Fetch
    local opts: Options = options or {}
    local attempts = opts.attempts or 3
    local retry_on = opts.retry_on or function(r: Response): boolean return r.status >= 500 end
    return function(request)
        local last: string? = nil
        for attempt = 1, attempts do
            local response, err = fetch(request)
            if response and not retry_on(response) then
                return response
            end
            last = err or ("status " .. (response and response.status or 0))
            if attempt == attempts then break end
        end
        return nil, last
    end
end

local function decode(response: Response): {[string]: any}
    local kind = response.headers["content-type"]
    if not kind or not kind:find("json", 1, true) then
        return nil, "not json: " .. (kind or "no content type")
    end
    local data, err = json.decode(response.body)
    if err then return nil, err end
    if type(data) ~= "table" then return nil, "object expected" end
    return data
end

local function get_json(fetch: Fetch, url: string, params: {[string]: any}?): {[string]: any}
    local full = url
    if params and next(params) then full = full .. "?" .. encode_query(params) end
    local response, err = with_retries(fetch, {attempts = 2})({url = full, method = "GET"})
    if not response then return nil, "GET " .. full .. ": " .. tostring(err) end
    if response.status ~= 200 then return nil, "status " .. response.status end
    return decode(response)
end

local function selftest(): string
    local n = 0
    local fetch: Fetch = function(request)
        n = n + 1
        if n == 1 then return nil, "reset" end
        return {status = 200, headers = {["content-type"] = "application/json"},
            body = '{"url": "' .. request.url .. '"}'}
    end
    local data = assert(get_json(fetch, "http://x", {q = "a b", n = 1}))
    local none, err = get_json(function() return nil, "down" end, "http://y")
    return data.url .. " " .. n .. " " .. tostring(none) .. " " .. err
end

return {get_json = get_json, selftest = selftest}
