#include "supervisor/interpolate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"

#include "supervisor/entry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/yaml_scalar.h"

#define PATH_BYTES 256

/* Of what is resolved: a short text may name a long variable many times. */
#define MAX_TEXT_BYTES  ((size_t)1024 * 1024)
#define MAX_ENTRY_BYTES ((size_t)16 * 1024 * 1024)

/* ---- all texts of a tree --------------------------------------------------------- */

struct level {
    struct value *container;
    size_t next;
    size_t n_path; /* length of the container's own path */
};

struct walk {
    struct level levels[VALUE_MAX_DEPTH];
    size_t depth;
    char path[PATH_BYTES];
};

static void walk_enter(struct walk *walk, struct value *container)
{
    if (walk->depth < VALUE_MAX_DEPTH)
        walk->levels[walk->depth++] = (struct level){container, 0, strlen(walk->path)};
}

static void walk_start(struct walk *walk, struct value *root)
{
    walk->depth = 0;
    walk->path[0] = '\0';
    walk_enter(walk, root);
}

/* The next child of the container on top, NULL at its end; its path is written. */
static struct value *walk_child(struct walk *walk, struct level *level)
{
    size_t i = level->next++, n = level->n_path, room = PATH_BYTES - n;

    if (level->container->type == VALUE_LIST && i < level->container->as.list.n) {
        snprintf(walk->path + n, room, "[%zu]", i);
        return &level->container->as.list.items[i];
    }
    if (level->container->type == VALUE_MAP && i < level->container->as.map.n) {
        struct value_pair *pair = &level->container->as.map.pairs[i];

        snprintf(walk->path + n, room, "%s%s", n == 0 ? "" : ".", pair->key);
        return &pair->value;
    }
    return NULL;
}

static struct value *walk_next_text(struct walk *walk)
{
    while (walk->depth > 0) {
        struct value *child = walk_child(walk, &walk->levels[walk->depth - 1]);

        if (child == NULL)
            walk->depth--;
        else if (child->type == VALUE_LIST || child->type == VALUE_MAP)
            walk_enter(walk, child);
        else if (child->type == VALUE_STRING && strcmp(walk->path, "source") != 0)
            return child;
    }
    return NULL;
}

static bool has_dollar(const struct value *text)
{
    return memmem(text->as.string.data, text->as.string.n, "${", 2) != NULL;
}

/* Does data hold a text with "${"? The top-level field "source" never counts: it is
 * somebody's program. */
static bool is_needed(const struct value *data)
{
    struct value *text, root = *data; /* walked, not changed */
    struct walk walk;

    walk_start(&walk, &root);
    while ((text = walk_next_text(&walk)) != NULL)
        if (has_dollar(text))
            return true;
    return false;
}

/* ---- one text -------------------------------------------------------------------- */

struct placeholder {
    char *name;
    const char *fallback; /* NULL: none */
    size_t n_fallback;
    size_t n_bytes; /* of all of it */
};

static bool is_short_name(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(text[i] >= 'A' && text[i] <= 'Z') &&
            !(text[i] >= '0' && text[i] <= '9') && text[i] != '_')
            return false;
    return n > 0;
}

/* Is text, which starts with "${", a placeholder? */
static bool read_placeholder(const char *text, size_t n, struct placeholder *out)
{
    const char *end = memchr(text, '}', n), *name = text + 2, *bar;
    bool has_scheme = n > 6 && memcmp(name, "env:", 4) == 0;
    size_t n_name;

    if (end == NULL)
        return false;
    name += has_scheme ? 4 : 0;
    if (name > end)
        return false;
    bar = memchr(name, '|', (size_t)(end - name));
    n_name = (size_t)((bar != NULL ? bar : end) - name);
    if (!has_scheme && (bar == NULL || !is_short_name(name, n_name)))
        return false;
    out->name = xstrndup(name, n_name);
    out->fallback = bar != NULL ? bar + 1 : NULL;
    out->n_fallback = bar != NULL ? (size_t)(end - bar) - 1 : 0;
    out->n_bytes = (size_t)(end - text) + 1;
    return true;
}

struct resolver {
    const struct env_lookup *lookup;
    const struct snapshot *state;
    const char *space;
    size_t n_bytes_left; /* of MAX_ENTRY_BYTES */
};

static char *look_up(const struct resolver *resolver, const char *name,
                     enum value_type *type_out, struct err *err)
{
    const struct env_lookup *lookup = resolver->lookup;

    if (lookup == NULL || lookup->get == NULL) {
        err_set(err, ERR_NOT_FOUND, "environment variable not found");
        return NULL;
    }
    return lookup->get(lookup->context, resolver->state, name, resolver->space,
                       type_out, err);
}

/* The placeholder's text (owned) and the type that it has when it stands alone. */
static char *resolve(const struct resolver *resolver, const struct placeholder *holder,
                     enum value_type *type_out, struct err *err)
{
    char *text;

    *type_out = VALUE_NIL;
    text = look_up(resolver, holder->name, type_out, err);
    if (*type_out == VALUE_NIL && holder->fallback != NULL)
        *type_out = yaml_type_scalar(holder->fallback, holder->n_fallback).type;
    if (text != NULL)
        return text;
    if (err->kind == ERR_NOT_FOUND && holder->fallback != NULL)
        return xstrndup(holder->fallback, holder->n_fallback);
    if (err->kind == ERR_NOT_FOUND)
        err_set(err, ERR_NOT_FOUND,
                "${env:%.100s} has no value: no such variable, or it is empty",
                holder->name);
    else
        err_wrap(err, "${env:%.100s}", holder->name);
    return NULL;
}

/* text as a value of that type if it can be one, else as text. */
static struct value typed(const char *text, enum value_type type)
{
    struct value value = yaml_type_scalar(text, strlen(text));

    if (type == VALUE_FLOAT && value.type == VALUE_INT)
        return value_float((double)value.as.integer);
    if (value.type == type && type != VALUE_STRING && type != VALUE_NIL)
        return value;
    return value_string(text);
}

static int fail_size(struct err *err)
{
    return err_set(err, ERR_INVALID, "the text gets longer than %zu bytes",
                   MAX_TEXT_BYTES);
}

static int append_placeholder(const struct resolver *resolver,
                              const struct placeholder *holder, struct buf *out,
                              struct err *err)
{
    enum value_type type;
    char *text = resolve(resolver, holder, &type, err);
    bool fits;

    if (text == NULL)
        return -1;
    fits = buf_append_text(out, text);
    free(text);
    return fits ? 0 : fail_size(err);
}

/* Writes the text with everything in its place; out is bounded. */
static int expand(const struct resolver *resolver, const char *text, size_t n,
                  struct buf *out, struct err *err)
{
    struct placeholder holder;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0;) {
        const char *at = text + i;
        size_t n_left = n - i;

        if (n_left >= 3 && memcmp(at, "$${", 3) == 0) {
            rc = buf_append(out, "${", 2) ? 0 : fail_size(err);
            i += 3;
        } else if (n_left >= 2 && memcmp(at, "${", 2) == 0 &&
                   read_placeholder(at, n_left, &holder)) {
            rc = append_placeholder(resolver, &holder, out, err);
            i += holder.n_bytes;
            free(holder.name);
        } else {
            rc = buf_append(out, at, 1) ? 0 : fail_size(err);
            i++;
        }
    }
    return rc;
}

/* *text_out is nil when the text isn't one placeholder and nothing else. */
static int resolve_alone(const struct resolver *resolver, const struct value *text,
                         struct value *text_out, struct err *err)
{
    const char *data = text->as.string.data;
    struct placeholder holder;
    enum value_type type;
    char *whole;
    int rc = 0;

    *text_out = (struct value){0};
    if (text->as.string.n <= 2 || memcmp(data, "${", 2) != 0 ||
        !read_placeholder(data, text->as.string.n, &holder))
        return 0;
    if (holder.n_bytes == text->as.string.n) {
        whole = resolve(resolver, &holder, &type, err);
        if (whole != NULL)
            *text_out = typed(whole, type);
        rc = whole != NULL ? 0 : -1;
        free(whole);
    }
    free(holder.name);
    return rc;
}

static int resolve_text(const struct resolver *resolver, const struct value *text,
                        struct value *text_out, struct err *err)
{
    struct buf out;
    int rc = resolve_alone(resolver, text, text_out, err);

    if (rc == -1 || text_out->type != VALUE_NIL)
        return rc;
    buf_init(&out, MAX_TEXT_BYTES);
    rc = expand(resolver, text->as.string.data, text->as.string.n, &out, err);
    if (rc == 0)
        *text_out = value_bytes(buf_head(&out), buf_len(&out));
    buf_finish(&out);
    return rc;
}

static int replace(struct value *text, struct resolver *resolver, struct err *err)
{
    struct value result;
    size_t n;

    if (resolve_text(resolver, text, &result, err) == -1)
        return -1;
    n = result.type == VALUE_STRING ? result.as.string.n : 0;
    if (n > resolver->n_bytes_left) {
        value_finish(&result);
        return err_set(err, ERR_INVALID,
                       "the texts of the entry get longer than %zu bytes",
                       MAX_ENTRY_BYTES);
    }
    resolver->n_bytes_left -= n;
    value_finish(text);
    *text = result;
    return 0;
}

/* Replaces all placeholders in data; on failure path_out says where. */
static int interpolate(struct value *data, struct resolver *resolver,
                       char path_out[PATH_BYTES], struct err *err)
{
    struct value *text;
    struct walk walk;

    walk_start(&walk, data);
    while ((text = walk_next_text(&walk)) != NULL) {
        if (!has_dollar(text) || replace(text, resolver, err) == 0)
            continue;
        snprintf(path_out, PATH_BYTES, "%s", walk.path);
        return -1;
    }
    return 0;
}

/* ---- entries --------------------------------------------------------------------- */

/* Variables say what placeholders mean and hold none themselves; plain data and what
 * this build has no handler for is decoded by nobody. */
static bool is_decoded(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_SUPPORTED) != 0 &&
           (entry->type->flags & KIND_PLAIN) == 0 &&
           strcmp(entry->kind, "env.variable") != 0;
}

bool interpolate_entry(struct entry *entry, const struct env_lookup *lookup,
                       const struct snapshot *state, struct problems *problems)
{
    char path[PATH_BYTES], *space;
    struct resolver resolver;
    struct value fields;
    struct problem_at at;
    struct err err = {0};
    bool ok;

    if (!is_decoded(entry) || !is_needed(&entry->data))
        return true;
    fields = value_copy(&entry->data);
    space = xstrndup(entry->id, entry->namespace_bytes);
    resolver = (struct resolver){lookup, state, space, MAX_ENTRY_BYTES};
    ok = interpolate(&fields, &resolver, path, &err) == 0;
    if (ok) {
        value_finish(&entry->decoded);
        entry->decoded = fields;
    } else {
        value_finish(&fields);
        at = entry_at(entry, path);
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "declare an env.variable of that name and give it a value, or "
                     "write ${env:NAME|default}",
                     "%s: %s", path, err.text);
    }
    free(space);
    return ok;
}
