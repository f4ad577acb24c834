local function main(
  return 2
end
