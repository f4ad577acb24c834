-- Types that name themselves, local functions that call each other, varargs of results.
type Tree<K, V> = {key: K, value: V, left: Tree<K, V>?, right: Tree<K, V>?}
type Visit = (key: string, value: number, depth: integer) -> boolean?

local function insert(tree: Tree<string, number>?, key: string, value: number): Tree<string, number>
    if not tree then
        return {key = key, value = value}
    end
    if key < tree.key then
        tree.left = insert(tree.left, key, value)
    elseif key > tree.key then
        tree.right = insert(tree.right, key, value)
    else
        tree.value = value
    end
    return tree
end

local function find(tree: Tree<string, number>?, key: string): number?
    local node = tree
    while node do
        if node.key == key then return node.value end
        node = key < node.key and node.left or node.right
    end
    return nil
end

local function walk(tree: Tree<string, number>?, visit: Visit, depth: integer?): boolean
    if tree == nil then return true end
    local d = depth or 0
    if not walk(tree.left, visit, d + 1) then return false end
    if visit(tree.key, tree.value, d) == false then return false end
    return walk(tree.right, visit, d + 1)
end

local function depth(tree: Tree<string, number>?): integer
    if not tree then return 0 end
    return 1 + math.max(depth(tree.left), depth(tree.right))
end

local is_even, is_odd
function is_even(n: integer): boolean
    if n == 0 then return true end
    return is_odd(n - 1)
end
function is_odd(n: integer): boolean
    if n == 0 then return false end
    return is_even(n - 1)
end

local function min_max(first: number, ...: number): (number, number)
    local low, high = first, first
    for _, n in ipairs({...}) do
        if n < low then low = n elseif n > high then high = n end
    end
    return low, high
end

local function selftest(): string
    local tree: Tree<string, number>? = nil
    for i, key in ipairs({"m", "c", "x", "a"}) do
        tree = insert(tree, key, i)
    end
    local keys: {string} = {}
    walk(tree, function(key) keys[#keys + 1] = key end)
    local stopped = walk(tree, function(key, value, depth) return key ~= "c" end)
    local low, high = min_max(3, 1, 2)
    return table.concat(keys) .. depth(tree) .. tostring(find(tree, "x")) ..
        tostring(find(tree, "q")) .. tostring(is_even(4)) .. low .. high .. tostring(stopped)
end

return {selftest = selftest}
