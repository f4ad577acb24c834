local function main(i)
    time.sleep("2ms")
    return i
end
return {main = main}
