#include "worker/modules/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/mem.h"

#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/object.h"
#include "worker/text_at.h"

/* To ask whether something is an Error allocates nothing, which the codec relies on. */
static const struct object_class error_class = {"error"};

/* text = kind, NUL, message, NUL, details. The stack is user value 1, if there is
 * one. */
struct error {
    enum err_retry retryable;
    size_t kind_n, message_n, details_n;
    char text[];
};

static const char *error_kind(const struct error *e)
{
    return e->text;
}

static const char *error_message(const struct error *e)
{
    return e->text + e->kind_n + 1;
}

static const char *error_details(const struct error *e)
{
    return e->text + e->kind_n + 1 + e->message_n + 1;
}

static const struct error *error_check(lua_State *L)
{
    return object_check(L, 1, &error_class);
}

static int error_get_kind(lua_State *L)
{
    const struct error *e = error_check(L);

    lua_pushlstring(L, error_kind(e), e->kind_n);
    return 1;
}

static int error_get_message(lua_State *L)
{
    const struct error *e = error_check(L);

    lua_pushlstring(L, error_message(e), e->message_n);
    return 1;
}

static int error_get_retryable(lua_State *L)
{
    const struct error *e = error_check(L);

    if (e->retryable == RETRY_UNKNOWN)
        lua_pushnil(L);
    else
        lua_pushboolean(L, e->retryable == RETRY_YES);
    return 1;
}

static int error_get_details(lua_State *L)
{
    const struct error *e = error_check(L);

    if (e->details_n == 0 || codec_decode_value(L, (const uint8_t *)error_details(e),
                                                e->details_n, true, NULL) == -1)
        lua_pushnil(L);
    return 1;
}

static int error_get_stack(lua_State *L)
{
    error_check(L);
    if (lua_getiuservalue(L, 1, 1) != LUA_TSTRING)
        lua_pushliteral(L, "");
    return 1;
}

static int error_concat(lua_State *L)
{
    for (int i = 1; i <= 2; i++) {
        if (!lua_isstring(L, i) && !errors_test(L, i))
            return luaL_error(L, "attempt to concatenate a %s value",
                              luaL_typename(L, i));
        luaL_tolstring(L, i, NULL);
    }
    lua_concat(L, 2);
    return 1;
}

static const luaL_Reg error_methods[] = {
    {"kind", error_get_kind},           {"message", error_get_message},
    {"retryable", error_get_retryable}, {"details", error_get_details},
    {"stack", error_get_stack},         {NULL, NULL},
};

/* The class is made on first use, so that a module may return errors before `errors` is
 * opened. */
static void bless(lua_State *L)
{
    static const luaL_Reg events[] = {
        {"__tostring", error_get_message}, {"__concat", error_concat}, {NULL, NULL}};

    object_define_events(L, &error_class, error_methods, events);
    object_bless(L, &error_class);
}

/* Pushes an Error with room for its texts, which the caller fills. */
static struct error *error_create(lua_State *L, size_t kind_n, size_t message_n,
                                  size_t details_n, bool with_stack)
{
    size_t n_bytes = sizeof(struct error) + kind_n + 1 + message_n + 1 + details_n;
    struct error *e = lua_newuserdatauv(L, n_bytes, with_stack ? 1 : 0);

    *e = (struct error){
        .kind_n = kind_n,
        .message_n = message_n,
        .details_n = details_n,
    };
    e->text[kind_n] = '\0';
    e->text[kind_n + 1 + message_n] = '\0';
    bless(L);
    return e;
}

static void push_view(lua_State *L, const struct error_view *view, bool with_stack)
{
    struct error *e =
        error_create(L, view->kind.n, view->message.n, view->details.n, with_stack);

    e->retryable = view->retryable;
    if (view->kind.n != 0)
        memcpy(e->text, view->kind.data, view->kind.n);
    if (view->message.n != 0)
        memcpy(e->text + view->kind.n + 1, view->message.data, view->message.n);
    if (view->details.n != 0)
        memcpy(e->text + view->kind.n + 1 + view->message.n + 1, view->details.data,
               view->details.n);
}

void errors_push_view(lua_State *L, const struct error_view *view)
{
    push_view(L, view, false);
}

static void vpush(lua_State *L, enum err_kind kind, enum err_retry retryable,
                  const char *fmt, va_list args)
{
    const char *kind_text = err_kind_name(kind);
    size_t kind_n = strlen(kind_text);
    struct error *e;
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    e = error_create(L, kind_n, n < 0 ? 0 : (size_t)n, 0, false);
    e->retryable = retryable;
    memcpy(e->text, kind_text, kind_n);
    vsnprintf(e->text + kind_n + 1, e->message_n + 1, fmt, args);
}

void errors_push(lua_State *L, enum err_kind kind, enum err_retry retryable,
                 const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vpush(L, kind, retryable, fmt, args);
    va_end(args);
}

int errors_return(lua_State *L, enum err_kind kind, const char *fmt, ...)
{
    va_list args;

    lua_pushnil(L);
    va_start(args, fmt);
    vpush(L, kind, RETRY_NO, fmt, args);
    va_end(args);
    return 2;
}

void errors_push_struct(lua_State *L, const struct err *err)
{
    errors_push(L, err->kind, err->retryable, "%s", err->text);
}

int errors_return_struct(lua_State *L, const struct err *err)
{
    lua_pushnil(L);
    errors_push_struct(L, err);
    return 2;
}

bool errors_test(lua_State *L, int idx)
{
    return object_test(L, idx, &error_class) != NULL;
}

static struct bytes bytes_of(const char *data, size_t n)
{
    return (struct bytes){(const uint8_t *)data, n};
}

bool errors_view(lua_State *L, int idx, struct error_view *view_out)
{
    const struct error *e = object_test(L, idx, &error_class);

    if (e == NULL)
        return false;
    *view_out = (struct error_view){
        .kind = bytes_of(error_kind(e), e->kind_n),
        .message = bytes_of(error_message(e), e->message_n),
        .retryable = e->retryable,
        .details = bytes_of(error_details(e), e->details_n),
    };
    return true;
}

const char *errors_kind(lua_State *L, int idx, size_t *n_out)
{
    const struct error *e = lua_touserdata(L, idx);

    if (n_out != NULL)
        *n_out = e->kind_n;
    return error_kind(e);
}

const char *errors_message(lua_State *L, int idx, size_t *n_out)
{
    const struct error *e = lua_touserdata(L, idx);

    if (n_out != NULL)
        *n_out = e->message_n;
    return error_message(e);
}

enum err_retry errors_retryable(lua_State *L, int idx)
{
    return ((const struct error *)lua_touserdata(L, idx))->retryable;
}

void errors_to_struct(lua_State *L, int idx, struct err *err_out)
{
    const struct error *e = lua_touserdata(L, idx);

    err_set(err_out, err_kind_find(error_kind(e)), "%s", error_message(e));
    err_out->retryable = e->retryable;
}

/* ---- what was raised ------------------------------------------------------------- */

static int protected_tostring(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Replaces the top value by its text. A plain pcall is also what keeps a __tostring
 * that yields inside: it gets an error instead. */
static void top_to_string(lua_State *L)
{
    const char *type = luaL_typename(L, -1);

    if (lua_type(L, -1) == LUA_TSTRING)
        return;
    lua_pushcfunction(L, protected_tostring);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        lua_pushfstring(L, "(error object is a %s value)", type);
    }
}

/* The longest prefix within max that doesn't end in the middle of a UTF-8 character. */
static size_t cut_utf8(const char *text, size_t n, size_t max)
{
    if (n <= max)
        return n;
    n = max;
    while (n > max - 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void errors_push_raised(lua_State *L, int idx)
{
    struct error_view view;
    const char *text;
    size_t n;

    luaL_checkstack(L, 8, NULL);
    lua_pushvalue(L, idx);
    if (errors_view(L, -1, &view)) {
        if (view.kind.n != 0)
            return;
        view.kind = bytes_of("Internal", 8);
    } else {
        top_to_string(L);
        text = lua_tolstring(L, -1, &n);
        view = (struct error_view){
            .kind = bytes_of("Internal", 8),
            .message = bytes_of(text, cut_utf8(text, n, ERRORS_RAISED_MAX_BYTES)),
        };
    }
    errors_push_view(L, &view);
    lua_remove(L, -2);
}

/* ---- the module ------------------------------------------------------------------ */

/* The top value, which must be of that type or nil; "field must be a what"
 * otherwise. */
static bool check_field(lua_State *L, const char *field, int type, const char *what)
{
    int have = lua_type(L, -1);

    if (have == type)
        return true;
    if (have != LUA_TNIL)
        luaL_error(L, "%s must be a %s", field, what);
    return false;
}

/* Encodes the details on top of the stack, which are kept unless they are empty. Leaves
 * the buffer that owns the bytes there. */
static void view_details(lua_State *L, struct error_view *view)
{
    struct err err;
    struct buf *buf;
    bool graph;
    int details = lua_gettop(L);

    lua_pushnil(L);
    if (lua_next(L, details) == 0 && !frozen_test(L, details))
        return;
    buf = object_push_buf(L);
    if (codec_encode_value(L, details, buf, &graph, &err) == -1)
        luaL_error(L, "details: %s", err.text);
    view->details = buf_bytes(buf);
}

/* Reads the table at 1; leaves its fields on the stack, which keeps the bytes alive. */
static void view_from_table(lua_State *L, struct error_view *view)
{
    lua_getfield(L, 1, "message");
    if (!check_field(L, "message", LUA_TSTRING, "string"))
        luaL_error(L, "message field is required");
    view->message = text_at(L, -1);
    lua_getfield(L, 1, "kind");
    if (check_field(L, "kind", LUA_TSTRING, "string"))
        view->kind = text_at(L, -1);
    lua_getfield(L, 1, "retryable");
    if (check_field(L, "retryable", LUA_TBOOLEAN, "boolean"))
        view->retryable = lua_toboolean(L, -1) ? RETRY_YES : RETRY_NO;
    lua_getfield(L, 1, "details");
    if (check_field(L, "details", LUA_TTABLE, "table"))
        view_details(L, view);
}

/* Gives the Error on top its stack, with a line of context above it if there is one. */
static void set_stack(lua_State *L, const char *context)
{
    luaL_traceback(L, L, context, 1);
    lua_setiuservalue(L, -2, 1);
}

void errors_add_stack(lua_State *L)
{
    struct error_view view;

    if (!errors_view(L, -1, &view))
        return;
    push_view(L, &view, true);
    set_stack(L, NULL);
    lua_remove(L, -2);
}

static int errors_new(lua_State *L)
{
    struct error_view view = {.retryable = RETRY_UNKNOWN};
    int type = lua_type(L, 1);

    lua_settop(L, 1);
    if (type == LUA_TTABLE)
        view_from_table(L, &view);
    else if (type == LUA_TSTRING)
        view.message = text_at(L, 1);
    else
        return luaL_argerror(L, 1, "expected string or table");
    push_view(L, &view, true);
    set_stack(L, NULL);
    return 1;
}

static int errors_wrap(lua_State *L)
{
    struct error_view view = {.retryable = RETRY_UNKNOWN};

    if (lua_type(L, 1) == LUA_TSTRING)
        view.message = text_at(L, 1);
    else if (!errors_view(L, 1, &view))
        return luaL_argerror(L, 1, "expected error or string");
    luaL_checkstring(L, 2);
    push_view(L, &view, true);
    set_stack(L, lua_tostring(L, 2));
    return 1;
}

static int errors_is(lua_State *L)
{
    struct error_view view;
    size_t n;
    const char *kind = luaL_checklstring(L, 2, &n);

    lua_pushboolean(L, errors_view(L, 1, &view) && view.kind.n == n &&
                           memcmp(view.kind.data, kind, n) == 0);
    return 1;
}

/* Adds one line of luaL_traceback ("\tSOURCE:LINE: in TYPE 'NAME'") to the table on top
 * of the stack as frame number `level`. */
static void push_frame(lua_State *L, const char *line, size_t n, int level)
{
    const char *end = line + n, *in = memmem(line, n, ": in ", 5), *colon, *space;

    lua_createtable(L, 0, 5);
    lua_pushinteger(L, level);
    lua_setfield(L, -2, "level");
    if (in == NULL) {
        lua_pushlstring(L, line, n);
        lua_setfield(L, -2, "source");
        return;
    }
    colon = memrchr(line, ':', (size_t)(in - line));
    lua_pushlstring(L, line, (size_t)((colon != NULL ? colon : in) - line));
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, colon != NULL ? strtol(colon + 1, NULL, 10) : 0);
    lua_setfield(L, -2, "line");
    in += 5;
    space = memchr(in, ' ', (size_t)(end - in));
    lua_pushlstring(L, in, (size_t)((space != NULL ? space : end) - in));
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, space != NULL ? space + 1 : "",
                    space != NULL ? (size_t)(end - space - 1) : 0);
    lua_setfield(L, -2, "name");
}

static int errors_call_stack(lua_State *L)
{
    const char *line, *next;
    int level = 0;

    if (!errors_test(L, 1) || lua_getiuservalue(L, 1, 1) != LUA_TSTRING) {
        lua_pushnil(L);
        return 1;
    }
    line = lua_tostring(L, -1);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "main");
    lua_setfield(L, -2, "thread");
    lua_newtable(L);
    for (; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (line[0] == '\t') {
            push_frame(L, line + 1,
                       next != NULL ? (size_t)(next - line - 1) : strlen(line + 1),
                       level);
            lua_rawseti(L, -2, ++level);
        }
        next = next != NULL ? next + 1 : NULL;
    }
    lua_setfield(L, -2, "frames");
    return 1;
}

static const luaL_Reg functions[] = {
    {"new", errors_new}, {"wrap", errors_wrap},
    {"is", errors_is},   {"call_stack", errors_call_stack},
    {NULL, NULL},
};

static const struct {
    const char *name;
    enum err_kind kind;
} constants[] = {
    {"UNKNOWN", ERR_UNKNOWN},
    {"INVALID", ERR_INVALID},
    {"NOT_FOUND", ERR_NOT_FOUND},
    {"ALREADY_EXISTS", ERR_ALREADY_EXISTS},
    {"PERMISSION_DENIED", ERR_PERMISSION_DENIED},
    {"UNAVAILABLE", ERR_UNAVAILABLE},
    {"INTERNAL", ERR_INTERNAL},
    {"CONFLICT", ERR_CONFLICT},
    {"TIMEOUT", ERR_TIMEOUT},
    {"CANCELED", ERR_CANCELED},
    {"RATE_LIMITED", ERR_RATE_LIMITED},
};

int errors_open(lua_State *L)
{
    luaL_newlib(L, functions);
    for (size_t i = 0; i < N_ELEMENTS(constants); i++) {
        lua_pushstring(L, err_kind_name(constants[i].kind));
        lua_setfield(L, -2, constants[i].name);
    }
    return 1;
}
