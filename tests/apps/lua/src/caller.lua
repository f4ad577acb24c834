local function main(parent)
    return funcs.call("suite:fn_tell", parent, "100ms")
end
return {main = main}
