-- A repository with errors as objects, and assertions that narrow.
type User = {id: string, name: string, email: string?, roles: {string}}
type Patch = {name?: string, email?: string, roles?: {string}}

local store: {[string]: User} = {}
local M = {}

function M.create(id: string, name: string): User
    if store[id] then
        return nil, errors.new({message = "user exists", kind = errors.ALREADY_EXISTS})
    end
    local user: User = {id = id, name = name, roles = {}}
    store[id] = user
    return user
end

function M.find(id: string): User?
    return store[id]
end

function M.get(id: string): (User, error?)
    local user = store[id]
    if not user then
        return nil, errors.new({message = "no user " .. id, kind = errors.NOT_FOUND})
    end
    return user, nil
end

function M.must_get(id: string): User
    local user = M.find(id)
    assert(user, "no user " .. id)
    return user
end

function M.must_get2(id: string): User
    return assert(M.find(id), "no user " .. id)
end

function M.update(id: string, patch: Patch): User
    local user, err = M.get(id)
    if err ~= nil then
        return nil, errors.wrap(err, "update")
    end
    user.name = patch.name or user.name
    if patch.email then user.email = patch.email:lower() end
    for _, role in ipairs(patch.roles or {}) do
        user.roles[#user.roles + 1] = role
    end
    return user
end

function M.domain(id: string): string?
    local user = M.find(id)
    local email = user and user.email
    if not email then return nil end
    return email:match("@(.+)$")
end

function M.has_role(user: User?, role: string): boolean
    if user == nil then return false end
    for _, one in ipairs(user.roles) do
        if one == role then return true end
    end
    return false
end

function M.rename(id: string, name: string): boolean
    local ok, err = pcall(function()
        local user = M.must_get(id)
        user.name = name
    end)
    if not ok then
        return false, tostring(err)
    end
    return true
end

function M.selftest(): string
    assert(M.create("1", "Ann"))
    local again, err = M.create("1", "Bob")
    assert(again == nil and err:kind() == errors.ALREADY_EXISTS)
    local user = assert(M.update("1", {email = "A@B.C", roles = {"admin"}}))
    local none, why = M.update("2", {})
    local ok = M.rename("2", "x")
    return user.name .. " " .. (M.domain("1") or "-") .. " " .. tostring(why) .. " " ..
        tostring(M.has_role(M.find("1"), "admin")) .. tostring(ok) .. tostring(none) ..
        M.must_get2("1").name
end

return M
