local function main(parent)
    return funcs.call("suite:fn_tell", parent, "1m")
end
return {main = main}
