/*
 * text_at -- Lua's strings as bytes. They live as long as the string does.
 */
#ifndef TROUPE_WORKER_TEXT_AT_H
#define TROUPE_WORKER_TEXT_AT_H

#include <lua.h>

#include "common/buf.h"

/* None when it is neither a string nor a number; a number becomes a string. */
static inline struct bytes text_at(lua_State *L, int idx)
{
    struct bytes text;

    text.data = (const uint8_t *)lua_tolstring(L, idx, &text.n);
    return text;
}

/* Pushes a uservalue of the userdata at idx; its bytes, or none if it is no string. */
static inline struct bytes text_push_uservalue(lua_State *L, int idx, int n)
{
    if (lua_getiuservalue(L, idx, n) != LUA_TSTRING)
        return (struct bytes){NULL, 0};
    return text_at(L, -1);
}

#endif
