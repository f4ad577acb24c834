local logger = require("logger")
local pg = require("pg")

-- events() tells of every room; monitor("kitchen") would tell of one.
local function main()
    local rooms = assert(pg.open("groups:rooms"))
    local sub = assert(rooms:events())
    local events = process.events()
    while true do
        local got = channel.select{events:case_receive(), sub:channel():case_receive()}
        if got.channel == events then return end
        local verb = got.value.kind == "member.joined" and "came to" or "left"
        logger:info("somebody " .. verb .. " the " .. got.value.path,
            {who = table.concat(got.value.data.PIDs, " ")})
    end
end

return {main = main}
