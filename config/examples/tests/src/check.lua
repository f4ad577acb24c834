local check = {}

-- Level 2: the error names the test's line, not this one.
function check.equal(got: any, wanted: any)
    if got ~= wanted then
        error(string.format("wanted %s, got %s", tostring(wanted), tostring(got)), 2)
    end
end

function check.raises(text: string, fn: (...any) -> any, ...: any)
    local ok, err = pcall(fn, ...)
    if ok then
        error("nothing was raised", 2)
    elseif not tostring(err):find(text, 1, true) then
        error("wanted an error with '" .. text .. "', got: " .. tostring(err), 2)
    end
end

return check
