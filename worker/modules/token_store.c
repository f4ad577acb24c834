#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/err.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/context.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_security.h"
#include "worker/modules/token_text.h"
#include "worker/object.h"
#include "worker/text_at.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

/*
 * A token store as its entry described it when it was acquired (S-50). Closed by hand,
 * or by the end of the frame: pid is that of the run which acquired it.
 * Uservalues: the entry's id, the backing store's, the key or nil.
 */
struct token_store {
    uint64_t pid;
    int64_t expiration_ms;
    uint32_t length;
    bool closed;
};

enum { UV_ID = 1, UV_STORE, UV_KEY };

static const struct object_class store_class = {"TokenStore"};

/* ---- failures -------------------------------------------------------------------- */

/* Ends a method with n_nils times nil and an Error. */
static int fail(lua_State *L, int n_nils, enum err_kind kind, const char *prefix,
                const char *text)
{
    for (int i = 0; i < n_nils; i++)
        lua_pushnil(L);
    errors_push(L, kind, RETRY_NO, "%s%s", prefix, text);
    return n_nils + 1;
}

/* S-54: what the answer of a backing store comes to; the Error is on top. */
static const char *cause_of(lua_State *L, const char *otherwise)
{
    const char *kind = errors_kind(L, -1, NULL);

    if (strcmp(kind, err_kind_name(ERR_NOT_FOUND)) == 0)
        return "failed to acquire backing store";
    if (strcmp(kind, err_kind_name(ERR_INVALID)) == 0)
        return "resource is not a key-value store";
    return otherwise;
}

/* ---- acquiring ------------------------------------------------------------------- */

static int acquired(lua_State *L, int status, lua_KContext ctx)
{
    struct token_store *store;
    int answer;

    (void)status, (void)ctx;
    ask_result(L);
    answer = lua_gettop(L) - 1;
    if (!lua_istable(L, answer)) {
        bool unknown = strcmp(errors_kind(L, -1, NULL), "NotFound") == 0;

        return errors_return(L, ERR_INTERNAL, "%s",
                             unknown ? "acquire token store: token store not found"
                                     : "resource is not a token store");
    }
    store = lua_newuserdatauv(L, sizeof(*store), 3);
    *store = (struct token_store){.pid = actor_current(L)->pid};
    object_bless(L, &store_class);
    lua_getfield(L, answer, "expiration_ms");
    store->expiration_ms = (int64_t)lua_tointeger(L, -1);
    lua_getfield(L, answer, "token_length");
    store->length = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, UV_ID);
    lua_getfield(L, answer, "store");
    lua_setiuservalue(L, -2, UV_STORE);
    lua_getfield(L, answer, "token_key");
    lua_setiuservalue(L, -2, UV_KEY);
    lua_pushnil(L);
    return 2;
}

int token_store_acquire(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);

    if (id[0] == '\0')
        return errors_return(L, ERR_INVALID, "token store id is required");
    if (!identity_allows(L, "security.token_store.get", id))
        return luaL_error(L, "not allowed to access token store: %s", id);
    lua_settop(L, 1);
    return ask_system(L, "@tokens.store", 1, 1, 0, acquired);
}

/* ---- what the methods share ------------------------------------------------------ */

static struct token_store *self(lua_State *L)
{
    return object_check(L, 1, &store_class);
}

static bool is_closed(lua_State *L, const struct token_store *store)
{
    return store->closed || store->pid != actor_current(L)->pid;
}

/* The check's resource is the token store's id. */
static bool is_allowed(lua_State *L, const char *action, const char *key,
                       const char *text)
{
    bool allowed;

    lua_getiuservalue(L, 1, UV_ID);
    allowed = identity_allows_text(L, action, lua_tostring(L, -1), key, text);
    lua_pop(L, 1);
    return allowed;
}

/* ---- create ---------------------------------------------------------------------- */

/* A duration that may begin with days ("7d", "1d12h"), rounded up: what is shorter than
 * a millisecond must not become 0, which means the store's own. */
static bool parse_expiration(const char *text, size_t n, int64_t *ms_out)
{
    char why[DURATION_ERROR_BYTES];
    int64_t ns = 0, days = 0;
    size_t at = 0;

    while (at < n && at < 6 && text[at] >= '0' && text[at] <= '9')
        days = days * 10 + (text[at++] - '0');
    if (at == 0 || at == n || text[at] != 'd')
        at = 0, days = 0;
    else
        at++;
    if (at < n && !duration_parse(text + at, n - at, &ns, why))
        return false;
    *ms_out = days * DAY_MS + ns / 1000000 + (ns % 1000000 != 0);
    return n != 0 && ns >= 0;
}

/* Reads opts.expiration of the table at idx; false: unreadable. Absent or 0 leaves
 * *ms alone. */
static bool read_expiration(lua_State *L, int idx, int64_t *ms)
{
    int64_t given = 0;
    bool readable = true;
    size_t n;

    switch (lua_getfield(L, idx, "expiration")) {
    case LUA_TNIL:
        break;
    case LUA_TNUMBER:
        readable = lua_tonumber(L, -1) >= 0 && lua_tonumber(L, -1) < 1e15;
        given = readable ? (int64_t)ceil(lua_tonumber(L, -1)) : 0;
        break;
    case LUA_TSTRING:
        lua_tolstring(L, -1, &n);
        readable = parse_expiration(lua_tostring(L, -1), n, &given);
        break;
    default:
        readable = false;
    }
    lua_pop(L, 1);
    if (given != 0)
        *ms = given;
    return readable;
}

static void set_integer(lua_State *L, const char *key, int64_t number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, key);
}

/* Pushes the record of S-52: actor, scope and options are arguments 2 to 4. What was
 * signed says so: see validated(). */
static void push_record(lua_State *L, int64_t expiration_ms, bool is_signed)
{
    int64_t now_ms = clock_wall_ns() / 1000000;

    lua_createtable(L, 0, 7);
    lua_pushboolean(L, is_signed);
    lua_setfield(L, -2, "signed");
    security_push_actor_id(L, 2);
    lua_setfield(L, -2, "actor_id");
    security_push_actor_meta(L, 2);
    lua_setfield(L, -2, "actor_meta");
    security_push_scope_ids(L, 3);
    lua_setfield(L, -2, "scope_policies");
    set_integer(L, "created", now_ms);
    set_integer(L, "expires", now_ms + expiration_ms);
    lua_newtable(L);
    if (lua_istable(L, 4) && lua_getfield(L, 4, "meta") == LUA_TTABLE)
        context_merge(L, -2, -1);
    if (lua_istable(L, 4))
        lua_pop(L, 1);
    lua_setfield(L, -2, "meta");
}

/* The token's text is at 5. */
static int created(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (errors_test(L, -1))
        return fail(L, 1, ERR_INTERNAL,
                    "create token: ", cause_of(L, "failed to store token"));
    lua_pushvalue(L, 5);
    lua_pushnil(L);
    return 2;
}

static int store_create(lua_State *L)
{
    struct token_store *store = self(L);
    int64_t expiration_ms = store->expiration_ms;
    char token[TOKEN_TEXT_MAX];
    size_t n, n_first;
    const char *actor;

    if (is_closed(L, store))
        return errors_return(L, ERR_INTERNAL, "token store is closed");
    lua_settop(L, 4);
    actor = security_push_actor_id(L, 2);
    security_push_scope_ids(L, 3);
    if (!lua_isnil(L, 4))
        luaL_checktype(L, 4, LUA_TTABLE);
    if (!is_allowed(L, "security.token.create", "actor", actor))
        return errors_return(L, ERR_INVALID, "not allowed to create token");
    if (lua_istable(L, 4) && !read_expiration(L, 4, &expiration_ms))
        return errors_return(L, ERR_INVALID, "invalid expiration format");
    lua_settop(L, 4);
    n = token_make(token, store->length, text_push_uservalue(L, 1, UV_KEY), &n_first);
    lua_settop(L, 4);
    if (n == 0)
        return errors_return(L, ERR_INTERNAL, "create token: failed to create token");
    lua_pushlstring(L, token, n);
    lua_getiuservalue(L, 1, UV_STORE);
    lua_pushlstring(L, token, n_first);
    push_record(L, expiration_ms, n != n_first);
    lua_pushinteger(L, expiration_ms);
    return ask_system(L, "@store.set", 6, 4, 0, created);
}

/* ---- validate -------------------------------------------------------------------- */

/* The record is on top: pushes actor and scope; false when it is none of ours. */
static bool push_identity(lua_State *L)
{
    int record = lua_gettop(L);

    if (!lua_istable(L, record) || lua_getfield(L, record, "actor_id") != LUA_TSTRING)
        return false;
    lua_getfield(L, record, "actor_meta");
    security_make_actor(L);
    if (lua_getfield(L, record, "scope_policies") != LUA_TTABLE)
        return false;
    security_make_scope(L);
    return true;
}

/* The key of another store over the same backing store signed the token: its first
 * part alone, which is no secret of that store's users, must not do for this one. */
static bool is_of_keyed_store(lua_State *L, int record)
{
    bool is_signed;

    if (!lua_istable(L, record))
        return false;
    lua_getfield(L, record, "signed");
    is_signed = lua_toboolean(L, -1) && text_push_uservalue(L, 1, UV_KEY).n == 0;
    lua_settop(L, record);
    return is_signed;
}

static int validated(lua_State *L, int status, lua_KContext ctx)
{
    const char *cause = "token not found";

    (void)status, (void)ctx;
    ask_result(L);
    if (errors_test(L, -1)) {
        cause = cause_of(L, "failed to retrieve token");
    } else {
        lua_pop(L, 1);
        if (!is_of_keyed_store(L, lua_gettop(L)) && push_identity(L)) {
            lua_pushnil(L);
            return 3;
        }
    }
    return fail(L, 2, ERR_INTERNAL, "validate token: ", cause);
}

/* Leaves the store's id and the token's first part on top; false: the text is no token
 * of this store. */
static bool push_place(lua_State *L, bool checks_signature)
{
    struct bytes token = text_at(L, 2), first;
    struct bytes key = text_push_uservalue(L, 1, UV_KEY);

    if (!token_split(token, key, &first) ||
        (checks_signature && !token_is_genuine(token, first, key)))
        return false;
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, UV_STORE);
    lua_pushlstring(L, (const char *)first.data, first.n);
    return true;
}

static int store_validate(lua_State *L)
{
    const struct token_store *store = self(L);
    const char *token = luaL_checkstring(L, 2);

    if (is_closed(L, store))
        return fail(L, 2, ERR_INTERNAL, "", "token store is closed");
    if (!is_allowed(L, "security.token.validate", "token", token))
        return fail(L, 2, ERR_INVALID, "", "not allowed to validate token");
    if (!push_place(L, true))
        return fail(L, 2, ERR_INTERNAL, "validate token: ", "invalid token format");
    return ask_system(L, "@store.get", 3, 2, 0, validated);
}

/* ---- revoke and close ------------------------------------------------------------ */

static int revoked(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (errors_test(L, -1))
        return fail(L, 1, ERR_INTERNAL,
                    "revoke token: ", cause_of(L, "failed to delete token"));
    if (!lua_toboolean(L, -2))
        return fail(L, 1, ERR_INTERNAL, "revoke token: ", "token not found");
    return 2;
}

/* S-54: the shape is looked at, the signature isn't. */
static int store_revoke(lua_State *L)
{
    const struct token_store *store = self(L);
    const char *token = luaL_checkstring(L, 2);

    if (is_closed(L, store))
        return errors_return(L, ERR_INTERNAL, "token store is closed");
    if (!is_allowed(L, "security.token.revoke", "token", token))
        return errors_return(L, ERR_INVALID, "not allowed to revoke token");
    if (!push_place(L, false))
        return fail(L, 1, ERR_INTERNAL, "revoke token: ", "invalid token format");
    return ask_system(L, "@store.delete", 3, 2, 0, revoked);
}

static int store_close(lua_State *L)
{
    self(L)->closed = true;
    lua_pushboolean(L, 1);
    return 1;
}

static int store_tostring(lua_State *L)
{
    self(L);
    lua_getiuservalue(L, 1, UV_ID);
    lua_pushfstring(L, "security.TokenStore{%s}", lua_tostring(L, -1));
    return 1;
}

void token_store_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"close", store_close},
                                       {"create", store_create},
                                       {"revoke", store_revoke},
                                       {"validate", store_validate},
                                       {NULL, NULL}};

    object_define(L, &store_class, methods, store_tostring);
}
