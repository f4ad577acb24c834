#include "worker/modules/json_decode.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>
#include <lua.h>

#include "common/err.h"

#include "worker/modules/errors.h"
#include "worker/modules/json_encode.h"
#include "worker/object.h"

#define NODE_BYTES      64  /* a number in an array, with malloc's share */
#define CONTAINER_BYTES 320 /* an empty object with its buckets */
#define SLOT_BYTES      16  /* of a growing array */
#define MAX_SAFE_DIGITS 18  /* as many always fit 64 bits */

static const struct object_class tree_class = {"json.tree"};

static const char marks_key; /* its address names the table of marks */

/* ---- marks of empty objects ------------------------------------------------------ */

/* Pushes a table with weak keys. */
static void push_marks(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &marks_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &marks_key);
}

static void mark_object(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    push_marks(L);
    lua_pushvalue(L, idx);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

bool json_is_marked_object(lua_State *L, int idx)
{
    bool marked;

    idx = lua_absindex(L, idx);
    push_marks(L);
    lua_pushvalue(L, idx);
    marked = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return marked;
}

/* ---- the first pass -------------------------------------------------------------- */

struct scan {
    const char *at, *end;
    int depth, max_depth;
    size_t tree_bytes;
    bool has_long_integers;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_string(struct scan *scan)
{
    const char *start = scan->at++;

    while (scan->at < scan->end && *scan->at != '"')
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    if (scan->at < scan->end)
        scan->at++;
    scan->tree_bytes += (size_t)(scan->at - start) + NODE_BYTES;
}

/* The end of a number's text; is_integer says whether it has no point or exponent. */
static const char *find_number_end(const char *at, const char *end, bool *is_integer)
{
    *is_integer = true;
    at += *at == '-';
    while (at < end && (is_digit(*at) || strchr("+-.eE", *at) != NULL) && *at != '\0') {
        *is_integer = *is_integer && is_digit(*at);
        at++;
    }
    return at;
}

static void skip_number(struct scan *scan)
{
    bool is_integer;
    const char *end = find_number_end(scan->at, scan->end, &is_integer);

    if (is_integer && end - scan->at > MAX_SAFE_DIGITS)
        scan->has_long_integers = true;
    scan->tree_bytes += NODE_BYTES;
    scan->at = end;
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

/* A number or a word (or a byte that belongs nowhere). */
static void skip_scalar(struct scan *scan)
{
    if (*scan->at == '-' || is_digit(*scan->at)) {
        skip_number(scan);
        return;
    }
    do
        scan->at++;
    while (scan->at < scan->end && is_letter(scan->at[-1]) && is_letter(*scan->at));
}

static void scan_one(struct scan *scan)
{
    switch (*scan->at) {
    case '"':
        skip_string(scan);
        return;
    case '{':
    case '[':
        scan->tree_bytes += CONTAINER_BYTES;
        if (++scan->depth > scan->max_depth)
            scan->max_depth = scan->depth;
        break;
    case '}':
    case ']':
        scan->depth--;
        break;
    case ',':
        scan->tree_bytes += SLOT_BYTES;
        break;
    default:
        skip_scalar(scan);
        return;
    }
    scan->at++;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Stops behind the first value, or where it is clear that the text is refused. What is
 * wrong with the text otherwise is the parser's business. */
static void scan_value(struct scan *scan)
{
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
    do {
        if (scan->at == scan->end)
            return;
        scan_one(scan);
    } while (scan->depth > 0 && scan->depth <= JSON_MAX_DEPTH &&
             scan->tree_bytes <= JSON_MAX_TREE_BYTES);
}

/* ---- integers beyond 64 bits ----------------------------------------------------- */

/* Does the text of an integer lie beyond the range on its side? */
static bool is_beyond(const char *at, const char *end)
{
    const char *limit = *at == '-' ? "9223372036854775808" : "9223372036854775807";
    size_t n;

    at += *at == '-';
    n = (size_t)(end - at);
    if (n == 0 || *at == '0') /* a leading zero is an error of the text */
        return false;
    return n > strlen(limit) || (n == strlen(limit) && memcmp(at, limit, n) > 0);
}

/* Pushes a copy of the text in which such integers are replaced by the nearest one that
 * fits (they are never shorter than that). */
static const char *push_saturated(lua_State *L, const char *text, size_t *n_bytes)
{
    char *copy = lua_newuserdatauv(L, *n_bytes, 0), *out = copy;
    struct scan scan = {.at = text, .end = text + *n_bytes};

    while (scan.at < scan.end) {
        const char *start = scan.at, *nearest;
        bool is_number = *start == '-' || is_digit(*start), is_integer;

        if (*start == '"')
            skip_string(&scan);
        else if (is_number)
            scan.at = find_number_end(start, scan.end, &is_integer);
        else
            scan.at++;
        if (is_number && is_integer && is_beyond(start, scan.at)) {
            nearest = *start == '-' ? "-9223372036854775808" : "9223372036854775807";
            out = (char *)memcpy(out, nearest, strlen(nearest)) + strlen(nearest);
        } else {
            memcpy(out, start, (size_t)(scan.at - start));
            out += scan.at - start;
        }
    }
    *n_bytes = (size_t)(out - copy);
    return copy;
}

/* ---- the parser's tree as Lua values --------------------------------------------- */

struct level {
    json_t *node;
    size_t i;   /* of an array */
    void *iter; /* of an object */
};

static int tree_gc(lua_State *L)
{
    json_t **box = lua_touserdata(L, 1);

    json_decref(*box); /* NULL is fine */
    *box = NULL;
    return 0;
}

static json_t **push_tree_box(lua_State *L)
{
    static const luaL_Reg events[] = {{"__gc", tree_gc}, {NULL, NULL}};
    json_t **box = lua_newuserdatauv(L, sizeof(json_t *), 0);

    *box = NULL;
    object_define_events(L, &tree_class, NULL, events);
    object_bless(L, &tree_class);
    return box;
}

static int size_hint(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

/* Pushes a scalar, or an empty table for what has members. */
static void push_node(lua_State *L, json_t *node)
{
    switch (json_typeof(node)) {
    case JSON_OBJECT:
        lua_createtable(L, 0, size_hint(json_object_size(node)));
        if (json_object_size(node) == 0)
            mark_object(L, -1);
        break;
    case JSON_ARRAY:
        lua_createtable(L, size_hint(json_array_size(node)), 0);
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(node), json_string_length(node));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(node));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(node));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(node));
        break;
    case JSON_NULL:
        lua_pushnil(L);
        break;
    }
}

static struct level enter_node(json_t *node)
{
    return (struct level){node, 0, json_object_iter(node)};
}

/* The next member or element; NULL at the end. */
static json_t *peek_child(const struct level *level)
{
    if (json_is_array(level->node))
        return json_array_get(level->node, level->i);
    return level->iter != NULL ? json_object_iter_value(level->iter) : NULL;
}

/* Pops that child's value into the table below it. */
static void store_child(lua_State *L, struct level *level)
{
    if (json_is_array(level->node)) {
        lua_rawseti(L, -2, (lua_Integer)++level->i);
        return;
    }
    lua_pushlstring(L, json_object_iter_key(level->iter),
                    json_object_iter_key_len(level->iter));
    lua_insert(L, -2);
    lua_rawset(L, -3);
    level->iter = json_object_iter_next(level->node, level->iter);
}

static bool has_children(json_t *node)
{
    return json_object_size(node) > 0 || json_array_size(node) > 0;
}

/* Each level's table is on the Lua stack; a finished one is stored like any value. */
static void push_tree(lua_State *L, json_t *root)
{
    struct level levels[JSON_MAX_DEPTH];
    json_t *child;
    int depth = 0;

    push_node(L, root);
    if (has_children(root))
        levels[depth++] = enter_node(root);
    while (depth > 0) {
        child = peek_child(&levels[depth - 1]);
        if (child == NULL) {
            if (--depth > 0)
                store_child(L, &levels[depth - 1]);
            continue;
        }
        push_node(L, child);
        if (!has_children(child)) {
            store_child(L, &levels[depth - 1]);
            continue;
        }
        assert(depth < JSON_MAX_DEPTH); /* the first pass counted */
        levels[depth++] = enter_node(child);
    }
}

/* ---- the whole ------------------------------------------------------------------- */

/* Leaves nil and an Error where the work began. */
static bool refuse(lua_State *L, int base, enum err_kind kind, const char *problem)
{
    errors_return(L, kind, "%s", problem);
    lua_copy(L, -2, base + 1);
    lua_copy(L, -1, base + 2);
    lua_settop(L, base + 2);
    return false;
}

static bool refuse_syntax(lua_State *L, int base, const json_error_t *error)
{
    char problem[sizeof(error->text) + 64];

    snprintf(problem, sizeof(problem), "json: %s (line %d, column %d)", error->text,
             error->line, error->column);
    return refuse(L, base, ERR_INTERNAL, problem);
}

bool json_push_decoded(lua_State *L, const char *text, size_t n_bytes)
{
    static const size_t flags = JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK |
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    struct scan scan = {.at = text, .end = text + n_bytes};
    int base = lua_gettop(L);
    json_error_t error;
    json_t **box;

    luaL_checkstack(L, JSON_MAX_DEPTH + 16, "not enough stack to decode JSON");
    if (n_bytes == 0)
        return refuse(L, base, ERR_INVALID, "empty string is not valid JSON");
    scan_value(&scan);
    if (scan.max_depth > JSON_MAX_DEPTH)
        return refuse(L, base, ERR_INTERNAL, "json: maximum nesting depth exceeded");
    if (scan.tree_bytes > JSON_MAX_TREE_BYTES)
        return refuse(L, base, ERR_INTERNAL, "json: text is too large");
    n_bytes = (size_t)(scan.at - text);
    if (scan.has_long_integers)
        text = push_saturated(L, text, &n_bytes);
    box = push_tree_box(L);
    *box = json_loadb(text, n_bytes, flags, &error);
    if (*box == NULL)
        return refuse_syntax(L, base, &error);
    push_tree(L, *box);
    json_decref(*box);
    *box = NULL;
    lua_copy(L, -1, base + 1);
    lua_settop(L, base + 1);
    return true;
}
