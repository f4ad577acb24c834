local ctx = require("ctx")

return {
    main = function(mail)
        local sender = ctx.get("sender")
        if mail.subject == "lost" then
            return {by = "pigeon"} -- no number: less than what was promised
        end
        return {number = 1, by = "pigeon of " .. sender, to = mail.to}
    end,
}
