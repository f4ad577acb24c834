#include "worker/modules/json_validate.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/flat.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/schema.h"
#include "common/value.h"

#include "proto/flat_codec.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/text_at.h"

#define MESSAGE_BYTES 1000

/* ---- compiled schemas, the one used last in front -------------------------------- */

struct kept_schema {
    struct list node;
    struct schema *schema;
    size_t key_bytes;
    char key[]; /* its text, or its table as the codec writes it */
};

struct kept_schemas {
    struct list all;
    struct map by_key;
    unsigned n;
};

static void drop(struct kept_schemas *kept, struct kept_schema *row)
{
    map_remove(&kept->by_key, row->key, row->key_bytes);
    list_remove(&row->node);
    schema_destroy(row->schema);
    free(row);
    kept->n--;
}

static int collected(lua_State *L)
{
    struct kept_schemas *kept = lua_touserdata(L, 1);
    struct list *node;

    while ((node = list_first(&kept->all)) != NULL)
        drop(kept, container_of(node, struct kept_schema, node));
    map_finish(&kept->by_key);
    return 0;
}

static struct kept_schema *find(struct kept_schemas *kept, struct bytes key)
{
    struct kept_schema *row = map_find(&kept->by_key, (const char *)key.data, key.n);

    if (row != NULL) {
        list_remove(&row->node);
        list_prepend(&kept->all, &row->node);
    }
    return row;
}

/* Takes schema. NULL: no memory. */
static struct kept_schema *keep(struct kept_schemas *kept, struct bytes key,
                                struct schema *schema)
{
    struct kept_schema *row = malloc(sizeof(*row) + key.n);

    if (row == NULL) {
        schema_destroy(schema);
        return NULL;
    }
    if (kept->n == JSON_VALIDATE_KEPT)
        drop(kept, container_of(kept->all.prev, struct kept_schema, node));
    *row = (struct kept_schema){.schema = schema, .key_bytes = key.n};
    memcpy(row->key, key.data, key.n);
    list_init(&row->node);
    list_prepend(&kept->all, &row->node);
    map_put(&kept->by_key, row->key, key.n, row);
    kept->n++;
    return row;
}

/* ---- the schema ------------------------------------------------------------------ */

static struct schema *compile(struct bytes key, bool is_text, struct err *err)
{
    struct value definition = {0};
    struct schema *schema = NULL;

    if (is_text)
        definition = value_bytes(key.data, key.n);
    if (is_text || value_decode(key.data, key.n, NULL, &definition, err) == 0)
        schema = schema_create(&definition, err);
    value_finish(&definition);
    return schema;
}

/* The compiled schema of that key, perhaps kept from before; NULL and err. */
static struct schema *get_schema(struct kept_schemas *kept, struct bytes key,
                                 bool is_text, struct err *err)
{
    struct kept_schema *row = find(kept, key);
    struct schema *schema;

    if (row != NULL)
        return row->schema;
    schema = compile(key, is_text, err);
    if (schema == NULL) {
        err_wrap(err, "invalid schema");
        return NULL;
    }
    row = keep(kept, key, schema);
    if (row == NULL)
        err_set(err, ERR_UNAVAILABLE, "no memory for the schema");
    return row == NULL ? NULL : row->schema;
}

/* ---- the answer: nothing may be held while Lua allocates ------------------------- */

static int refuse(lua_State *L, const struct err *err)
{
    lua_pushboolean(L, 0);
    errors_push_struct(L, err);
    return 2;
}

static int refuse_argument(lua_State *L, const char *what)
{
    struct err err;

    err_set(&err, ERR_INVALID, "%s", what);
    return refuse(L, &err);
}

static int refuse_data(lua_State *L, const struct schema_report *report)
{
    char message[MESSAGE_BYTES];
    uint8_t details[SCHEMA_REPORT_BYTES];
    struct error_view view = {.kind = bytes_of_text(err_kind_name(ERR_INVALID)),
                              .retryable = RETRY_NO};
    struct value map = value_map();
    struct buf buf;

    value_put(&map, "errors", schema_report_to_value(report));
    buf_init(&buf, sizeof(details));
    if (value_encode(&buf, &map)) {
        view.details = (struct bytes){details, buf_len(&buf)};
        memcpy(details, buf_head(&buf), buf_len(&buf));
    }
    buf_finish(&buf);
    value_finish(&map);
    view.message.data = (const uint8_t *)message;
    view.message.n = schema_report_format(report, message, sizeof(message));
    lua_pushboolean(L, 0);
    errors_push_view(L, &view);
    return 2;
}

/* ---- the functions --------------------------------------------------------------- */

/* The schema at 1 and the data at 2, or the data's JSON text. */
struct question {
    bool data_is_text;
    struct buf schema, data;
    struct value tree;
    struct flat flat;
};

static struct schema *read_schema(lua_State *L, struct question *q, struct err *err)
{
    struct kept_schemas *kept = lua_touserdata(L, lua_upvalueindex(1));

    if (lua_type(L, 1) == LUA_TSTRING)
        return get_schema(kept, text_at(L, 1), true, err);
    if (codec_encode_value(L, 1, &q->schema, NULL, err) == -1)
        return NULL;
    return get_schema(kept, buf_bytes(&q->schema), false, err);
}

static int read_data(lua_State *L, struct question *q, struct err *err)
{
    const char *text;
    bool graph;
    size_t n;

    if (!q->data_is_text) {
        if (codec_encode_value(L, 2, &q->data, &graph, err) == -1)
            return -1;
        return flat_decode(buf_bytes(&q->data), &q->flat, err);
    }
    text = lua_tolstring(L, 2, &n);
    if (value_read_json(text, n, &q->tree, err) == -1)
        return -1;
    if (flat_add_value(&q->flat, &q->tree) == -1)
        return err_set(err, ERR_LIMIT_EXCEEDED, "the data is too large to be checked");
    return 0;
}

/* 1 valid, 0 not (report), -1 no answer (err). */
static int judge(lua_State *L, bool data_is_text, struct schema_report *report,
                 struct err *err)
{
    struct question q = {.data_is_text = data_is_text};
    struct schema *schema;
    int verdict = -1;

    buf_init(&q.schema, 0);
    buf_init(&q.data, 0);
    flat_init(&q.flat);
    schema = read_schema(L, &q, err);
    if (schema != NULL && read_data(L, &q, err) == 0)
        verdict = schema_check(schema, &q.flat, report);
    flat_finish(&q.flat);
    value_finish(&q.tree);
    buf_finish(&q.data);
    buf_finish(&q.schema);
    return verdict;
}

static int validate(lua_State *L, bool data_is_text)
{
    struct schema_report report;
    struct err err = {0};
    int verdict;

    if (lua_isnoneornil(L, 1))
        return refuse_argument(L, "schema is required");
    if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TTABLE)
        return refuse_argument(L, "schema must be a string or table");
    if (lua_isnoneornil(L, 2))
        return refuse_argument(L, "data is required");
    if (data_is_text && lua_type(L, 2) != LUA_TSTRING)
        return refuse_argument(L, "data must be a JSON string");
    verdict = judge(L, data_is_text, &report, &err);
    if (verdict == 0)
        return refuse_data(L, &report);
    if (verdict == -1)
        return refuse(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int validate_value(lua_State *L)
{
    return validate(L, false);
}

static int validate_string(lua_State *L)
{
    return validate(L, true);
}

void json_validate_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"validate", validate_value},
                                         {"validate_string", validate_string},
                                         {NULL, NULL}};
    struct kept_schemas *kept = lua_newuserdatauv(L, sizeof(*kept), 0);

    kept->n = 0;
    list_init(&kept->all);
    map_init(&kept->by_key);
    object_set_collector(L, collected);
    luaL_setfuncs(L, functions, 1);
}
