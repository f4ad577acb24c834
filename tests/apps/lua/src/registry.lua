local case = require("case")

local function ids(entries)
    local list = {}
    for i, entry in ipairs(entries) do list[i] = entry.id end
    return table.concat(list, " ")
end

local function entry(id, fields)
    local one = {id = id, kind = "registry.entry", meta = {made = "here"}}
    for k, v in pairs(fields or {}) do one[k] = v end
    return one
end

local function apply(changes)
    local version, err = changes:apply()
    return assert(version, err)
end

case("REG-30 an entry is a fresh table of its data", function(t)
    local one, err = registry.get("suite:widget")
    t.eq(err, nil)
    t.eq(one.id, "suite:widget")
    t.eq(one.kind, "registry.entry")
    t.eq(one.meta.size, 3)
    t.list(one.meta.tags, {"red", "round"})
    t.eq(one.data.list[2], 2.5)
    t.eq(one.data.list[3].deep, true)
    one.meta.size = 99
    t.eq(registry.get("suite:widget").meta.size, 3)
    t.eq(next(registry.get("suite:host").meta), nil, "meta of an entry without")
end)

case("REG-31 get and find fail as they should", function(t)
    t.fails("NotFound", "entry not found: suite:nothing", registry.get("suite:nothing"))
    t.raises("string expected", registry.get, {})
    t.raises("table expected", registry.find, "x")
end)

case("REG-31 parse_id splits at the colon", function(t)
    local id = registry.parse_id("a.b:c")
    t.eq(id.ns, "a.b")
    t.eq(id.name, "c")
    id = registry.parse_id("bare")
    t.eq(id.ns, "")
    t.eq(id.name, "bare")
end)

case("REG-32 find takes all criteria together", function(t)
    t.eq(ids(registry.find{[".kind"] = "registry.entry", ["meta.type"] = "widget"}),
        "suite:widget")
    t.eq(ids(registry.find{[".name"] = "wid*", [".ns"] = "suite"}), "suite:widget")
    t.eq(ids(registry.find{["meta.graph.rule"] = "strict"}), "suite:widget")
    t.eq(ids(registry.find{["~meta.type"] = "^ga.ge"}), "suite:gadget")
    t.eq(ids(registry.find{["*meta.tags"] = "oun"}), "suite:widget")
    t.eq(ids(registry.find{["$meta.type"] = "dget"}), "suite:gadget suite:widget")
    t.eq(#registry.find{["meta.size"] = "3"}, 0, "text against number")
    t.eq(#registry.find{["meta.type"] = "none"}, 0)
    t.eq(#registry.find{1, 2, 3}, #registry.find{}, "keys that are no text")
end)

case("REG-33 a snapshot is frozen, its entries are fresh", function(t)
    local snap = registry.snapshot()
    local n = #snap:entries()
    apply(snap:changes():create(entry("frozen:one")))
    t.eq(#snap:entries(), n)
    t.fails("NotFound", "entry not found: frozen:one", snap:get("frozen:one"))
    t.eq(#snap:find{[".ns"] = "frozen"}, 0)
    t.eq(#snap:namespace("frozen"), 0)
    local later = registry.snapshot()
    t.eq(#later:entries(), n + 1)
    t.eq(ids(later:namespace("frozen")), "frozen:one")
    t.eq(ids(later:find{[".ns"] = "frozen"}), "frozen:one")
    later:get("frozen:one").meta.made = "changed"
    t.eq(later:get("frozen:one").meta.made, "here")
    t.eq(#later:namespace("froze"), 0, "a prefix of the namespace")
end)

case("REG-33 objects show what they are", function(t)
    local snap = registry.snapshot()
    local v = tostring(snap:version():id())
    t.eq(type(snap), "userdata")
    t.eq(getmetatable(snap), false)
    t.eq(tostring(snap), "registry.Snapshot{version=v" .. v .. "}")
    t.eq(tostring(snap:version()), "registry.Version{v" .. v .. "}")
    t.eq(snap:version():string(), "v" .. v)
    t.eq(math.type(snap:version():id()), "integer")
    t.eq(tostring(registry.history()), "registry.History{}")
    t.eq(tostring(snap:changes():delete("a:b")), "registry.Changes{ops=1}")
end)

case("REG-34 changes are made, changed and deleted", function(t)
    local snap = registry.snapshot()
    local before = registry.current_version():id()
    local v1, err = snap:changes():create(entry("life:one", {data = {n = 1}})):apply()
    t.eq(err, nil)
    t.eq(v1:id(), before + 1)
    t.eq(v1:previous():id(), before)
    local v2 = apply(snap:changes():update{id = {ns = "life", name = "one"},
        kind = "registry.entry", data = {n = 2}})
    t.eq(registry.get("life:one").data.n, 2)
    t.eq(registry.get("life:one").meta.made, nil, "meta is replaced")
    t.eq(v1:next():id(), v2:id())
    apply(snap:changes():delete{ns = "life", name = "one"})
    t.fails("NotFound", "entry not found", registry.get("life:one"))
end)

case("REG-34 a function is callable as soon as apply returns", function(t)
    local source = "return {main = function(a) return a * 2 end}"
    apply(registry.snapshot():changes():create{id = "born:double",
        kind = "function.lua", data = {source = source, method = "main",
        pool = {type = "inline"}}})
    t.eq(funcs.call("born:double", 21), 42)
end)

case("REG-34 data loses what isn't plain", function(t)
    local data = {list = {1, nil, 3, x = "lost"}, map = {[-1] = "minus", [true] = 1},
        f = print, err = errors.new("text"), empty = {}}
    apply(registry.snapshot():changes():create(entry("plain:one", {data = data,
        meta = {"dropped", kept = {1, 2}}})))
    local one = registry.get("plain:one")
    t.eq(one.data.list[1], 1)
    t.eq(one.data.list[2], nil)
    t.eq(one.data.list[3], 3)
    t.eq(one.data.list.x, nil)
    t.eq(one.data.map["-1"], "minus")
    t.eq(one.data.map["true"], 1)
    t.ok(string.find(one.data.f, "^function"))
    t.eq(one.data.err, "text")
    t.eq(next(one.data.empty), nil)
    t.eq(one.meta[1], nil)
    t.list(one.meta.kept, {1, 2})
end)

case("REG-34 operations can be looked at, changing them changes nothing", function(t)
    local changes = registry.snapshot():changes()
    t.eq(changes:create(entry("ops:one")), changes)
    changes:delete("ops:two")
    changes:ops()[1].entry.id = "ops:changed"
    local ops = changes:ops()
    t.eq(#ops, 2)
    t.eq(ops[1].kind, "entry.create")
    t.eq(ops[1].entry.id, "ops:one")
    t.eq(ops[2].kind, "entry.delete")
    t.eq(ops[2].entry.id, "ops:two")
end)

case("REG-34 what can't be a change is refused at once", function(t)
    local changes = registry.snapshot():changes()
    for _, id in ipairs{5, "", {}, {ns = "a"}, {name = "b"}, {ns = "a", name = ""}} do
        t.fails("Invalid", "entry must have valid id field",
            changes:create{id = id, kind = "x"})
    end
    t.fails("Invalid", "entry must have kind field", changes:update{id = "a:b"})
    t.fails("Invalid", "id requires ns and name fields", changes:delete{ns = "a"})
    t.fails("Invalid", "invalid ID format", changes:delete(5))
    t.raises("table expected", changes.create, changes, "a:b")
    t.fails("Invalid", "no changes to apply", changes:apply())
    local deep = {}
    for _ = 1, 100 do deep = {deep} end
    t.fails("Invalid", "nested too deeply", changes:create(entry("a:b", {data = deep})))
    t.eq(#changes:ops(), 0)
end)

case("REG-21 REG-34 a failed apply is Internal and changes nothing", function(t)
    local function changes() return registry.snapshot():changes() end
    local before = registry.current_version():id()
    local err = t.fails("Internal",
        "failed to apply changes: invalid operation: entry already exists",
        changes():create(entry("suite:widget")):apply())
    t.eq(err:retryable(), false)
    t.eq("failed to apply changes: " .. err:details().cause, err:message()) -- REG-20
    t.fails("Internal", "entry does not exist",
        changes():update(entry("suite:nothing")):apply())
    t.fails("Internal", "cannot delete non-existent entry",
        changes():delete("suite:nothing"):apply())
    t.fails("Internal", "cannot change entry kind",
        changes():update{id = "suite:widget", kind = "ns.definition"}:apply())
    t.fails("Internal", "failed to apply changes: ", changes():create{id = "half:one",
        kind = "function.lua", data = {source = "return {", method = "main"}}:apply())
    t.eq(registry.current_version():id(), before)
    t.eq(#registry.find{[".ns"] = "half"}, 0)
end)

case("REG-33 versions and history agree", function(t)
    apply(registry.snapshot():changes():create(entry("past:one")))
    local history, versions = registry.history(), registry.versions()
    t.eq(versions[1]:id(), 0)
    for i = 2, #versions do t.ok(versions[i]:id() > versions[i - 1]:id(), "ascending") end
    t.eq(#history:versions(), #versions)
    t.ok(history:get_version(0) == versions[1], "the same version")
    t.eq(versions[1]:previous(), nil)
    t.fails("Invalid", "invalid version ID", history:get_version(-1))
    t.fails("NotFound", "version not found", history:get_version(9999))
    t.eq(#history:snapshot_at(versions[1]):namespace("past"), 0)
    local now = registry.current_version()
    t.eq(#registry.snapshot_at(now:id()):namespace("past"), 1)
    t.fails("Invalid", "invalid version ID", registry.snapshot_at(0))
    t.fails("NotFound", "version not found", registry.snapshot_at(9999))
end)

case("REG-22 apply_version goes back and forth", function(t)
    local function there() return #registry.find{[".ns"] = "switch"} end
    local old = registry.current_version()
    local new = apply(registry.snapshot():changes():create(entry("switch:one")))
    t.eq(registry.apply_version(old), true)
    t.eq(there(), 0)
    t.ok(registry.current_version() == old, "the present version")
    t.eq(registry.apply_version(new), true)
    t.eq(there(), 1)
    local done, err = registry.apply_version(new:id())
    t.eq(done, false)
    t.fails("Invalid", "expected version object", done, err)
end)

case("REG-31 build_delta tells what leads from one list to the other", function(t)
    local from = {entry("d:kept"), entry("d:gone"), entry("d:new", {data = {a = 1, b = 2}})}
    local to = {entry("d:born"), entry("d:kept"), entry("d:new", {data = {a = 1, b = 3}}),
        "no entry", {id = "d:nokind"}}
    local delta = registry.build_delta(from, to)
    local list = {}
    for i, op in ipairs(delta) do list[i] = op.kind .. " " .. op.entry.id end
    t.list(list, {"entry.create d:born", "entry.update d:new", "entry.delete d:gone"})
    t.eq(#registry.build_delta(from, from), 0)
end)

case("REG-31 frozen tables are entries, ids and lists like others", function(t)
    local one = table.freeze(entry("f:one", {data = table.freeze({n = 1})}))
    local id = table.freeze({ns = "f", name = "two"})
    local ops = registry.snapshot():changes():create(one):delete(id):ops()
    t.eq(ops[1].entry.id, "f:one")
    t.eq(ops[1].entry.data.n, 1)
    t.eq(ops[2].entry.id, "f:two")
    t.eq(#registry.build_delta({}, table.freeze({one})), 1)
end)

return case.entry
