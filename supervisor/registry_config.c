#include "supervisor/registry_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"

#define MAX_SLOTS       65536
#define MAX_GROUP_LIMIT 100000000
#define MAX_LIMIT_BYTES ((int64_t)1 << 40)

__attribute__((format(printf, 4, 5))) static void complain(struct problems *problems,
                                                           const struct entry *entry,
                                                           const char *path,
                                                           const char *fmt, ...)
{
    struct problem_at at;
    va_list args;

    if (problems == NULL)
        return;
    at = entry_at(entry, path);
    va_start(args, fmt);
    problems_vadd(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL, fmt, args);
    va_end(args);
}

int64_t entry_duration_ms(const struct entry *entry, const char *path, int64_t fallback,
                          bool zero_means_default, struct problems *problems)
{
    const struct value *value = value_get_path(entry_fields(entry), path);
    char why[DURATION_ERROR_BYTES];
    int64_t ns;

    if (value == NULL || value->type == VALUE_NIL)
        return fallback;
    if (value->type == VALUE_INT && value->as.integer == 0)
        return zero_means_default ? fallback : 0;
    if (value->type != VALUE_STRING) {
        complain(
            problems, entry, path,
            "%s must be a duration with a unit; write for example \"500ms\", \"10s\" "
            "or \"1m30s\"",
            path);
        return fallback;
    }
    if (!duration_parse(value->as.string.data, value->as.string.n, &ns, why)) {
        complain(problems, entry, path,
                 "%s: %s; write for example \"500ms\" or \"1m30s\"", path, why);
        return fallback;
    }
    if (ns < 0) {
        complain(problems, entry, path, "%s must not be negative", path);
        return fallback;
    }
    if (ns == 0 && zero_means_default)
        return fallback;
    return ns / 1000000 + (ns % 1000000 != 0);
}

int64_t entry_integer(const struct entry *entry, const char *path, int64_t fallback,
                      int64_t least, int64_t most, struct problems *problems)
{
    const struct value *value = value_get_path(entry_fields(entry), path);
    int64_t number;

    if (value == NULL || value->type == VALUE_NIL)
        return fallback;
    if (value->type == VALUE_FLOAT && value->as.real == floor(value->as.real) &&
        fabs(value->as.real) < 1e15) {
        number = (int64_t)value->as.real;
    } else if (value->type == VALUE_INT) {
        number = value->as.integer;
    } else {
        complain(problems, entry, path, "%s must be an integer", path);
        return fallback;
    }
    if (number < least || number > most) {
        complain(problems, entry, path, "%s is %lld; it must be between %lld and %lld",
                 path, (long long)number, (long long)least, (long long)most);
        return fallback;
    }
    return number;
}

static bool entry_bool(const struct entry *entry, const char *path, bool fallback,
                       struct problems *problems)
{
    const struct value *value = value_get_path(entry_fields(entry), path);

    if (value == NULL || value->type == VALUE_NIL)
        return fallback;
    if (value->type == VALUE_BOOL)
        return value->as.boolean;
    complain(problems, entry, path, "%s must be true or false", path);
    return fallback;
}

/* A text that is one of two: is it the second? The first is the default. */
static bool entry_is_second(const struct entry *entry, const char *path,
                            const char *first, const char *second,
                            struct problems *problems)
{
    const struct value *value = value_get_path(entry_fields(entry), path);
    const char *text = value_text(value);

    if (value == NULL || value->type == VALUE_NIL ||
        (text != NULL && strcmp(text, first) == 0))
        return false;
    if (text != NULL && strcmp(text, second) == 0)
        return true;
    complain(problems, entry, path, "unknown %s: %s; it must be %s or %s", path,
             text == NULL ? "(not a text)" : text, first, second);
    return false;
}

static double entry_real(const struct entry *entry, const char *path, double fallback,
                         double least, double most, struct problems *problems)
{
    const struct value *value = value_get_path(entry_fields(entry), path);
    double number;

    if (value == NULL || value->type == VALUE_NIL)
        return fallback;
    if (value->type != VALUE_INT && value->type != VALUE_FLOAT) {
        complain(problems, entry, path, "%s must be a number", path);
        return fallback;
    }
    number = value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
    if (number == 0)
        return fallback; /* LIFE-01: a zero is as good as nothing */
    if (!(number >= least && number <= most)) {
        complain(problems, entry, path, "%s must be between %g and %g", path, least,
                 most);
        return fallback;
    }
    return number;
}

/* A block that must be a map if it is there. */
static const struct value *entry_block(const struct entry *entry, const char *key,
                                       struct problems *problems)
{
    const struct value *block = value_get_path(entry_fields(entry), key);

    if (block == NULL || block->type == VALUE_NIL)
        return NULL;
    if (block->type == VALUE_MAP)
        return block;
    complain(problems, entry, key, "%s must be a map of fields", key);
    return NULL;
}

/* ---- pool ------------------------------------------------------------------------ */

static bool read_pool_type(const struct entry *entry, enum pool_type *out,
                           struct problems *problems)
{
    static const char *const names[] = {[POOL_INLINE] = "inline",
                                        [POOL_LAZY] = "lazy",
                                        [POOL_STATIC] = "static",
                                        [POOL_ADAPTIVE] = "adaptive"};
    const struct value *type = value_get_path(entry_fields(entry), "pool.type");
    const char *name = value_text(type);

    if (type == NULL || type->type == VALUE_NIL || (name != NULL && name[0] == '\0'))
        return false;
    for (size_t i = 0; name != NULL && i < N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum pool_type)i;
            return true;
        }
    complain(problems, entry, "pool.type",
             "unknown pool type: %s; it must be inline, lazy, static or adaptive",
             name == NULL ? "(not a text)" : name);
    return false;
}

struct pool_sizes {
    int64_t workers, size, max_size;
};

static void resolve_pool(struct pool_config *out, bool typed,
                         const struct pool_sizes *sizes)
{
    if (!typed)
        out->type = sizes->workers > 0    ? POOL_STATIC
                    : sizes->max_size > 0 ? POOL_LAZY
                    : sizes->size > 0     ? POOL_STATIC
                                          : POOL_LAZY;
    switch (out->type) {
    case POOL_INLINE:
        out->n_workers = out->max_size = 1;
        break;
    case POOL_STATIC:
        out->n_workers = (uint32_t)(sizes->workers > 0 ? sizes->workers
                                    : sizes->size > 0  ? sizes->size
                                                       : 8);
        out->max_size = out->n_workers;
        break;
    default:
        out->max_size = (uint32_t)(sizes->max_size > 0 ? sizes->max_size
                                   : typed             ? 16
                                                       : 100);
        out->n_workers = (uint32_t)(sizes->size > 0              ? sizes->size
                                    : out->type == POOL_ADAPTIVE ? 1
                                                                 : 0);
        if (out->n_workers > out->max_size)
            out->n_workers = out->max_size;
    }
}

/* What bounds the programs of a worker; 0 and absent: pool_setup.c has the defaults. */
static void read_limits(const struct entry *entry, const char *block,
                        struct limits_config *out, struct problems *problems)
{
    char path[40];

    snprintf(path, sizeof(path), "%s.vm_actors", block);
    out->vm_actors = entry_integer(entry, path, 0, 0, INT32_MAX, problems);
    snprintf(path, sizeof(path), "%s.vm_max_bytes", block);
    out->vm_max_bytes = entry_integer(entry, path, 0, 0, MAX_LIMIT_BYTES, problems);
    snprintf(path, sizeof(path), "%s.mailbox_max_bytes", block);
    out->mailbox_max_bytes =
        entry_integer(entry, path, 0, 0, MAX_LIMIT_BYTES, problems);
}

void pool_config_read(const struct entry *entry, struct pool_config *out,
                      struct problems *problems)
{
    struct pool_sizes sizes = {
        .workers = entry_integer(entry, "pool.workers", 0, 0, MAX_SLOTS, problems),
        .size = entry_integer(entry, "pool.size", 0, 0, MAX_SLOTS, problems),
        .max_size = entry_integer(entry, "pool.max_size", 0, 0, MAX_SLOTS, problems),
    };
    bool typed;

    *out = (struct pool_config){.type = POOL_LAZY};
    out->is_default = entry_block(entry, "pool", problems) == NULL;
    typed = read_pool_type(entry, &out->type, problems);
    resolve_pool(out, typed, &sizes);
    out->buffer =
        (uint32_t)entry_integer(entry, "pool.buffer", 0, 0, 10000000, problems);
    if (out->buffer == 0)
        out->buffer = out->max_size * 64;
    out->warm_start = entry_bool(entry, "pool.warm_start", false, problems);
    out->idle_timeout_ms =
        entry_duration_ms(entry, "pool.idle_timeout", 30000, true, problems);
    out->linger_ms = entry_duration_ms(entry, "pool.linger", 30000, false, problems);
    out->n_processes =
        (uint32_t)entry_integer(entry, "pool.processes", 0, 0, 1000, problems);
    out->process_per_slot =
        entry_is_second(entry, "pool.isolation", "none", "process", problems);
    read_limits(entry, "pool", &out->limits, problems);
}

/* ---- lifecycle ------------------------------------------------------------------- */

static void add_requirement(struct lifecycle_config *out, char *id)
{
    for (size_t i = 0; i < out->n_requires; i++)
        if (strcmp(out->requires[i], id) == 0) {
            free(id);
            return;
        }
    out->requires =
        xrealloc(out->requires, (out->n_requires + 1) * sizeof(*out->requires));
    out->requires[out->n_requires++] = id;
}

static void read_requirements(const struct entry *entry, const char *path,
                              struct lifecycle_config *out, struct problems *problems)
{
    const struct value *list = value_get_path(entry_fields(entry), path);

    if (list == NULL || list->type == VALUE_NIL)
        return;
    if (list->type != VALUE_LIST) {
        complain(problems, entry, path, "%s must be a list of entry ids", path);
        return;
    }
    for (size_t i = 0; i < list->as.list.n; i++) {
        char *id = entry_resolve(entry, &list->as.list.items[i]);

        if (id == NULL)
            complain(problems, entry, path,
                     "item %zu of %s is no entry id; write namespace:name", i + 1,
                     path);
        else
            add_requirement(out, id);
    }
}

void lifecycle_config_read(const struct entry *entry, struct lifecycle_config *out,
                           struct problems *problems)
{
    *out = (struct lifecycle_config){0};
    out->present = entry_block(entry, "lifecycle", problems) != NULL;
    out->auto_start = entry_bool(entry, "lifecycle.auto_start", false, problems);
    out->optional =
        entry_is_second(entry, "lifecycle.startup", "required", "optional", problems);
    out->start_timeout_ms =
        entry_duration_ms(entry, "lifecycle.start_timeout", 10000, true, problems);
    out->stop_timeout_ms =
        entry_duration_ms(entry, "lifecycle.stop_timeout", 10000, true, problems);
    out->stable_threshold_ms =
        entry_duration_ms(entry, "lifecycle.stable_threshold", 5000, true, problems);
    entry_block(entry, "lifecycle.restart", problems);
    out->initial_delay_ms = entry_duration_ms(entry, "lifecycle.restart.initial_delay",
                                              1000, true, problems);
    out->max_delay_ms =
        entry_duration_ms(entry, "lifecycle.restart.max_delay", 90000, true, problems);
    out->backoff_factor =
        entry_real(entry, "lifecycle.restart.backoff_factor", 2.0, 1, 1000, problems);
    out->jitter = entry_real(entry, "lifecycle.restart.jitter", 0.1, 0, 1, problems);
    out->max_attempts = (uint32_t)entry_integer(entry, "lifecycle.restart.max_attempts",
                                                0, 0, 1000000000, problems);
    read_requirements(entry, "lifecycle.requires", out, problems);
    read_requirements(entry, "lifecycle.depends_on", out, problems);
}

void lifecycle_config_finish(struct lifecycle_config *config)
{
    for (size_t i = 0; i < config->n_requires; i++)
        free(config->requires[i]);
    free(config->requires);
    *config = (struct lifecycle_config){0};
}

/* ---- host ------------------------------------------------------------------------ */

/* PH-1 has a text of its own for each of the three. */
static uint32_t host_number(const struct entry *entry, const char *path,
                            const char *what, uint32_t fallback,
                            struct problems *problems)
{
    int64_t number = entry_integer(entry, path, 0, INT64_MIN, 100000000, problems);

    if (number < 0) {
        complain(problems, entry, path, "%s must be greater than 0", what);
        return fallback;
    }
    return number == 0 ? fallback : (uint32_t)number;
}

void host_config_read(const struct entry *entry, struct host_config *out,
                      struct problems *problems)
{
    *out = (struct host_config){0};
    entry_block(entry, "host", problems);
    out->n_workers = host_number(entry, "host.workers", "workers", 0, problems);
    out->queue_size =
        host_number(entry, "host.queue_size", "queue size", 1024, problems);
    out->local_queue_size =
        host_number(entry, "host.local_queue_size", "local queue size", 256, problems);
    out->hide_logs = entry_bool(entry, "hide_logs", false, problems);
    read_limits(entry, "host", &out->limits, problems);
}

/* ---- scope of groups ------------------------------------------------------------- */

void group_scope_config_read(const struct entry *entry, struct group_scope_config *out,
                             struct problems *problems)
{
    *out = (struct group_scope_config){
        .max_groups =
            (size_t)entry_integer(entry, "max_groups", 0, 0, MAX_GROUP_LIMIT, problems),
        .max_members = (size_t)entry_integer(entry, "max_members_per_group", 0, 0,
                                             MAX_GROUP_LIMIT, problems),
        .broadcast_timeout_ms =
            entry_duration_ms(entry, "broadcast_timeout", 5000, true, problems)};
}
