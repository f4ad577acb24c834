local number = 0

return {
    main = function(mail)
        number = number + 1
        return {number = number, by = "post", to = mail.to}
    end,
}
