#include "worker/compile.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/check.h"
#include "worker/erase.h"
#include "worker/type_tree.h"

/* Containers around a declaration in the answer, and on its way to workers. */
#define LEVELS_AROUND 6

/* Of type errors in an error's text: whoever passes it on puts words in front of it. */
#define SENTENCE_MOST_BYTES 340

/*
 * Every chunk gets the environment of the actor that runs it as its argument. The line
 * goes in front of the first one, so that no line number moves.
 */
static const char prologue[] = "local _ENV = ...; ";

struct reader {
    const struct erased *source;
    int part;
};

static const char *read_part(lua_State *L, void *context, size_t *n_out)
{
    struct reader *reader = context;

    (void)L;
    switch (reader->part++) {
    case 0:
        *n_out = sizeof(prologue) - 1;
        return prologue;
    case 1:
        *n_out = reader->source->n_bytes;
        return reader->source->text;
    default:
        *n_out = 0;
        return NULL;
    }
}

static int append(lua_State *L, const void *data, size_t n, void *context)
{
    (void)L;
    return buf_append(context, data, n) ? 0 : 1;
}

/* `app:x:3: message` as Lua says it, taken apart. */
static void read_lua_error(const char *text, const char *id, struct erase_error *error)
{
    size_t n = strlen(id);

    *error = (struct erase_error){.kind = ERR_INVALID};
    if (strncmp(text, id, n) == 0 && text[n] == ':') {
        error->line = atoi(text + n + 1);
        text = strchr(text + n + 1, ':');
        text = text != NULL ? text + 1 + (text[1] == ' ') : "";
    }
    snprintf(error->message, sizeof(error->message), "%s", text);
}

/* Lines are kept whole: apps see them in every error message. */
static int compile_plain(const struct erased *source, const char *id, struct buf *out,
                         struct erase_error *error)
{
    lua_State *L = luaL_newstate();
    struct reader reader = {source, 0};
    char name[300];
    int status;

    if (L == NULL) {
        *error = (struct erase_error){.kind = ERR_UNAVAILABLE, .message = "no memory"};
        return -1;
    }
    snprintf(name, sizeof(name), "=%s", id);
    status = lua_load(L, read_part, &reader, name, "t");
    if (status != LUA_OK)
        read_lua_error(lua_tostring(L, -1), id, error);
    else if (lua_dump(L, append, out, 0) != 0)
        *error = (struct erase_error){.kind = ERR_UNAVAILABLE, .message = "no memory"};
    else
        *error = (struct erase_error){0};
    lua_close(L);
    return error->kind == ERR_UNKNOWN ? 0 : -1;
}

static void put_place(struct value *map, int line, int col, const char *problem)
{
    value_put(map, "line", value_int(line));
    value_put(map, "column", value_int(col));
    value_put(map, "problem", value_string(problem));
}

/* Makes result the fields of an Error; takes the details. */
static void fail(enum err_kind kind, const struct buf *text, struct value details,
                 struct value *result, struct err *err)
{
    err_set(err, kind, "%.*s", (int)buf_len(text), (const char *)buf_head(text));
    *result = value_map();
    value_put(result, "kind", value_string(err_kind_name(kind)));
    value_put(result, "message", value_bytes(buf_head(text), buf_len(text)));
    value_put(result, "retryable", value_bool(false));
    value_put(result, "details", details);
}

static void describe(const struct erase_error *error, const struct value *source,
                     const char *id, struct value *result, struct err *err)
{
    struct value details = value_map();
    struct buf text;

    buf_init(&text, 0);
    erase_render_error(error, source->as.string.data, source->as.string.n, id, &text);
    put_place(&details, error->line, error->col, error->message);
    fail(error->kind, &text, details, result, err);
    buf_finish(&text);
}

/* `type errors in ID: L:C message; …`, and each of them in details.problems. */
static void describe_types(const struct check_report *report, const char *id,
                           struct value *result, struct err *err)
{
    const struct check_error *first = &report->errors[0];
    struct value details = value_map(), problems = value_list();
    struct buf text;
    size_t n_told = 0;

    buf_init(&text, 0);
    buf_printf(&text, "type errors in %s:", id);
    for (size_t i = 0; i < report->n; i++) {
        const struct check_error *error = &report->errors[i];
        struct value row = value_map();

        if (i == 0 || (n_told == i &&
                       buf_len(&text) + strlen(error->message) < SENTENCE_MOST_BYTES)) {
            buf_printf(&text, "%s %d:%d %s", i != 0 ? ";" : "", error->line, error->col,
                       error->message);
            n_told++;
        }
        put_place(&row, error->line, error->col, error->message);
        value_append(&problems, row);
    }
    if (report->n_all > n_told)
        buf_printf(&text, "; and %zu more", report->n_all - n_told);
    put_place(&details, first->line, first->col, first->message);
    value_put(&details, "problems", problems);
    value_put(&details, "n_problems", value_int((int64_t)report->n_all));
    fail(ERR_INVALID, &text, details, result, err);
    buf_finish(&text);
}

static int check_source(const struct value *source, const char *id, bool imports,
                        struct value *result, struct err *err)
{
    struct check_report report;
    int failed = -1;

    if (check_types(source->as.string.data, source->as.string.n, imports, &report) ==
        -1)
        return err_set(err, ERR_UNAVAILABLE, "no memory to check types");
    if (report.n == 0)
        failed = 0;
    else
        describe_types(&report, id, result, err);
    check_report_finish(&report);
    return failed;
}

/* Can it be sent? A type may be nested deeper than any message. */
static bool is_sendable(const struct value *declaration)
{
    struct value list = value_list(), again = {0};
    struct buf buf;
    bool good;

    buf_init(&buf, 0);
    value_append(&list, value_copy(declaration));
    for (int i = 0; i < LEVELS_AROUND; i++) {
        struct value outer = value_list();

        value_append(&outer, list);
        list = outer;
    }
    good = value_encode(&buf, &list) &&
           value_decode(buf_head(&buf), buf_len(&buf), NULL, &again, NULL) == 0;
    value_finish(&again);
    value_finish(&list);
    buf_finish(&buf);
    return good;
}

static struct value read_types(const struct erased *erased, const char *source)
{
    struct value types = value_list();

    for (size_t i = 0; i < erased->n_types; i++) {
        const struct erased_type *at = &erased->types[i];
        struct value declaration = type_tree_read(source + at->from, at->to - at->from);

        if (declaration.type == VALUE_MAP && is_sendable(&declaration))
            value_append(&types, declaration);
        else
            value_finish(&declaration);
    }
    return types;
}

static bool has_flag(const struct value *args, size_t i)
{
    const struct value *items = args->as.list.items;

    return args->as.list.n > i && items[i].type == VALUE_BOOL && items[i].as.boolean;
}

int compile_source(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err)
{
    const struct value *items = args->as.list.items;
    struct erased erased = {0};
    struct erase_error error;
    struct buf bytecode;
    const char *id;
    int failed;

    (void)rt;
    if (args->as.list.n < 3 || args->as.list.n > 6 || value_text(&items[0]) == NULL ||
        items[2].type != VALUE_STRING)
        return err_set(err, ERR_INVALID,
                       "@compile takes id, kind, source, types, strict and imports");
    id = value_text(&items[0]);
    buf_init(&bytecode, 0);
    failed =
        erase_types_at(items[2].as.string.data, items[2].as.string.n, &erased, &error);
    if (failed == 0)
        failed = compile_plain(&erased, id, &bytecode, &error);
    if (failed == -1) {
        describe(&error, &items[2], id, result, err);
    } else if (has_flag(args, 4) &&
               check_source(&items[2], id, has_flag(args, 5), result, err) == -1) {
        failed = -1;
    } else {
        *result = value_map();
        value_put(result, "bytecode",
                  value_bytes(buf_head(&bytecode), buf_len(&bytecode)));
        value_put(result, "uses_G", value_bool(erased.uses_G));
        if (has_flag(args, 3))
            value_put(result, "types", read_types(&erased, items[2].as.string.data));
    }
    erased_finish(&erased);
    buf_finish(&bytecode);
    return failed;
}
