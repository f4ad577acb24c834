-- What a run does that has upgraded: tells its parent who it is, then what it is told.

n_runs = (n_runs or 0) + 1

local function up(parent, ...)
    local options = process.get_options()
    process.send(parent, "up", {pid = process.pid(), entry = process.id(), n_runs = n_runs,
        n = select("#", ...), args = {...}, color = ctx.get("color"),
        trap_links = options.trap_links, upgradable = options.upgradable})
end

local does, kept, reason = {}, {}, nil

does["stop"] = function() return "stopped" end
does["raise"] = function() error("raised") end
does["again"] = function(parent) up(parent) end
does["who"] = does["again"]
does["go"] = function() end
does["drain"] = function(parent, n, inbox)
    while #kept < n do
        kept[#kept + 1] = inbox:receive():payload():data()
    end
    process.send(parent, "drained", {order = kept, reason = reason})
end

return function(parent, ...)
    local inbox, events = process.inbox(), process.events()
    up(parent, ...)
    while true do
        local got = channel.select{events:case_receive(), inbox:case_receive()}
        if got.channel == events then
            reason = got.value.reason
            if not reason then process.send(parent, "event", got.value) end
        else
            local payload = got.value:payload()
            local data = payload and payload:data()
            local todo = does[got.value:topic()]
            if not todo then kept[#kept + 1] = data
            else
                local result = todo(parent, data, inbox)
                if result then return result end
            end
        end
    end
end
