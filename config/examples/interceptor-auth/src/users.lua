local function list()
    return {"Ann", "Bob"}
end

local function delete(name)
    return name .. " is gone"
end

return {list = list, delete = delete}
