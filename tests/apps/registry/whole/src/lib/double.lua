local function main(n)
  return 2 * n
end
return { main = main }
