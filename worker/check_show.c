#include "worker/check_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

#include "worker/check_type.h"

#define SHOW_DEPTH 3

struct shown {
    char *out;
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct shown *shown,
                                                      const char *fmt, ...)
{
    size_t room = TYPE_NAME_BYTES - shown->n;
    va_list args;
    int n;

    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it starts above */
    n = vsnprintf(shown->out + shown->n, room, fmt, args);
    va_end(args);
    shown->n += n > 0 && (size_t)n < room ? (size_t)n : room - 1;
}

// NOLINTBEGIN(misc-no-recursion): SHOW_DEPTH levels

static void show(struct shown *shown, const struct type *type, int depth);

static void show_list(struct shown *shown, const struct type *const *items, uint32_t n,
                      const char *between, int depth)
{
    for (uint32_t i = 0; i < n && shown->n + 1 < TYPE_NAME_BYTES; i++) {
        if (i != 0)
            put(shown, "%s", between);
        show(shown, items[i], depth);
    }
}

static void show_union(struct shown *shown, const struct type *type, int depth)
{
    uint32_t n = type->as.of.n, n_shown = 0;
    bool optional = false;

    for (uint32_t i = 0; i < n; i++)
        optional |= type->as.of.items[i]->sort == SORT_NIL;
    for (uint32_t i = 0; i < n && shown->n + 1 < TYPE_NAME_BYTES; i++) {
        if (optional && n == 2 && type->as.of.items[i]->sort == SORT_NIL)
            continue;
        if (n_shown++ != 0)
            put(shown, " | ");
        show(shown, type->as.of.items[i], depth);
    }
    if (optional && n == 2)
        put(shown, "?");
}

static void show_fields(struct shown *shown, const struct type *type, int depth)
{
    put(shown, "{");
    for (uint32_t i = 0; i < type->as.fields.n && shown->n + 1 < TYPE_NAME_BYTES; i++) {
        const struct type_field *field = &type->as.fields.items[i];

        put(shown, "%s%.*s%s", i != 0 ? ", " : "", (int)field->n_bytes, field->name,
            field->optional ? "?: " : ": ");
        show(shown, field->type, depth);
    }
    put(shown, "}");
}

static void show_fun(struct shown *shown, const struct type_fun *fun, int depth)
{
    put(shown, "(");
    show_list(shown, fun->params, fun->n_params, ", ", depth);
    put(shown, ") -> ");
    if (!fun->has_rets) {
        put(shown, "any");
    } else if (fun->n_rets == 1) {
        show(shown, fun->rets[0], depth);
    } else {
        put(shown, "(");
        show_list(shown, fun->rets, fun->n_rets, ", ", depth);
        put(shown, ")");
    }
}

static const char *name_of_sort(enum type_sort sort)
{
    static const char *const names[] = {
        [SORT_ANY] = "any",           [SORT_NEVER] = "never",
        [SORT_NIL] = "nil",           [SORT_TRUE] = "true",
        [SORT_FALSE] = "false",       [SORT_BOOLEAN] = "boolean",
        [SORT_INTEGER] = "integer",   [SORT_NUMBER] = "number",
        [SORT_FRACTION] = "number",   [SORT_STRING] = "string",
        [SORT_THREAD] = "thread",     [SORT_TABLE] = "table",
        [SORT_LITERAL] = "table",     [SORT_VALUE] = "type",
        [SORT_USERDATA] = "userdata", [SORT_FUNCTION] = "function",
    };

    return sort < N_ELEMENTS(names) ? names[sort] : NULL;
}

/* One that has no parts; false: it has. */
static bool show_simple(struct shown *shown, const struct type *type)
{
    const char *name = type->name != NULL ? type->name : name_of_sort(type->sort);

    if (name != NULL)
        put(shown, "%s", name);
    else if (type->sort == SORT_REF)
        put(shown, "%.*s", (int)type->as.text.n, type->as.text.data);
    else if (type->sort == SORT_TEXT)
        put(shown, "\"%.*s\"", (int)type->as.text.n, type->as.text.data);
    else if (type->sort == SORT_EXACT)
        put(shown, "%.14g", type->as.number);
    else
        return false;
    return true;
}

static void show_array(struct shown *shown, const struct type *type, int depth)
{
    put(shown, "{");
    show(shown, type->as.val, depth);
    put(shown, "}");
}

static void show_map(struct shown *shown, const struct type *type, int depth)
{
    put(shown, "{[");
    show(shown, type->as.key, depth);
    put(shown, "]: ");
    show(shown, type->as.val, depth);
    put(shown, "}");
}

static void show_parts(struct shown *shown, const struct type *type, int depth)
{
    switch (type->sort) {
    case SORT_ARRAY:
        show_array(shown, type, depth);
        break;
    case SORT_MAP:
        show_map(shown, type, depth);
        break;
    case SORT_RECORD:
        show_fields(shown, type, depth);
        break;
    case SORT_FUN:
        show_fun(shown, type->as.fun, depth);
        break;
    case SORT_UNION:
        show_union(shown, type, depth);
        break;
    default:
        show_list(shown, type->as.of.items, type->as.of.n, " & ", depth);
    }
}

static void show(struct shown *shown, const struct type *type, int depth)
{
    if (type == NULL)
        type = PLAIN(ANY);
    if (show_simple(shown, type))
        return;
    if (depth == 0)
        put(shown, "...");
    else
        show_parts(shown, type, depth - 1);
}

// NOLINTEND(misc-no-recursion)

const char *type_show(const struct type *type, char out[TYPE_NAME_BYTES])
{
    struct shown shown = {out, 0};

    out[0] = '\0';
    show(&shown, type, SHOW_DEPTH);
    if (shown.n == TYPE_NAME_BYTES - 1)
        memcpy(out + TYPE_NAME_BYTES - 4, "...", 4);
    for (char *c = out; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return out;
}
