#include "worker/object.h"

#include "common/buf.h"

bool object_define_events(lua_State *L, const struct object_class *class,
                          const luaL_Reg *methods, const luaL_Reg *events)
{
    bool is_made = lua_rawgetp(L, LUA_REGISTRYINDEX, class) != LUA_TNIL;

    lua_pop(L, 1);
    if (is_made)
        return false;
    lua_createtable(L, 0, 4);
    lua_newtable(L);
    if (methods != NULL)
        luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    luaL_setfuncs(L, events, 0);
    lua_pushstring(L, class->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, class);
    return true;
}

bool object_define(lua_State *L, const struct object_class *class,
                   const luaL_Reg *methods, lua_CFunction to_string)
{
    const luaL_Reg events[] = {{to_string != NULL ? "__tostring" : NULL, to_string},
                               {NULL, NULL}};

    return object_define_events(L, class, methods, events);
}

void object_push_methods(lua_State *L, const struct object_class *class)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
}

void object_bless(lua_State *L, const struct object_class *class)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    lua_setmetatable(L, -2);
}

void *object_test(lua_State *L, int idx, const struct object_class *class)
{
    void *object = lua_touserdata(L, idx);
    int same;

    if (object == NULL || !lua_getmetatable(L, idx))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? object : NULL;
}

void *object_check(lua_State *L, int idx, const struct object_class *class)
{
    void *object = object_test(L, idx, class);

    luaL_argexpected(L, object != NULL, idx, class->name);
    return object;
}

void object_set_collector(lua_State *L, lua_CFunction collect)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
}

static int free_buf(lua_State *L)
{
    buf_finish(lua_touserdata(L, 1));
    return 0;
}

struct buf *object_push_buf(lua_State *L)
{
    static const struct object_class class = {"buffer"};
    static const luaL_Reg events[] = {{"__gc", free_buf}, {NULL, NULL}};
    struct buf *buf = lua_newuserdatauv(L, sizeof(*buf), 0);

    buf_init(buf, 0);
    object_define_events(L, &class, NULL, events);
    object_bless(L, &class);
    return buf;
}
