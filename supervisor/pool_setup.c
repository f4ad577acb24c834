#include "supervisor/pool_setup.h"

#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "common/log.h"
#include "common/min.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/call_options.h"
#include "supervisor/code.h"
#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"

#define HOST_QUEUE         65536u /* spawns that wait for a process to be ready */
#define VM_ACTORS          500
#define VM_MAX_BYTES       (INT64_C(64) * 1024 * 1024)
#define MAILBOX_MAX_BYTES  (INT64_C(64) * 1024 * 1024)
#define MAX_PROCESSES      512u  /* of one pool, of the 1023 there can be */
#define POOL_BUFFER_FACTOR 64u   /* places in the queue for each slot */
#define SHARED_SLOTS       1024u /* of an interceptor with an inline pool */

unsigned count_cpus(void)
{
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == -1)
        return 1;
    return (unsigned)CPU_COUNT(&cpus);
}

/* ---- settings for SETUP ---------------------------------------------------------- */

static struct value limit(int64_t given, int64_t fallback)
{
    return value_int(given != 0 ? given : fallback);
}

static struct value common_settings(const struct config *app, const struct entry *entry,
                                    const char *role,
                                    const struct limits_config *limits)
{
    struct value map = value_map();

    value_put(&map, "role", value_string(role));
    value_put(&map, "entry", value_string(entry->id));
    value_put(&map, "kind", value_string(entry->kind));
    value_put(&map, "log_level", value_int(log_level()));
    value_put(&map, "strict_mode",
              value_bool(app != NULL && config_get_bool(app, "security.strict_mode")));
    value_put(&map, "contract_validation",
              value_string(app == NULL ? "enforce"
                                       : config_get_text(app, "contract.validation")));
    value_put(&map, "vm_actors", limit(limits->vm_actors, VM_ACTORS));
    value_put(&map, "vm_max_bytes", limit(limits->vm_max_bytes, VM_MAX_BYTES));
    value_put(&map, "mailbox_max_bytes",
              limit(limits->mailbox_max_bytes, MAILBOX_MAX_BYTES));
    return map;
}

static void encode_settings(struct buf *settings, struct value *map,
                            struct pool_spec *spec)
{
    value_encode(settings, map);
    value_finish(map);
    spec->settings = buf_bytes(settings);
}

/* ---- functions ------------------------------------------------------------------- */

static enum pool_kind kind_of(enum pool_type type)
{
    switch (type) {
    case POOL_INLINE:
        return POOL_KIND_INLINE;
    case POOL_STATIC:
        return POOL_KIND_STATIC;
    case POOL_ADAPTIVE:
        return POOL_KIND_ADAPTIVE;
    default:
        return POOL_KIND_LAZY;
    }
}

static uint32_t count_processes(const struct pool_config *config, uint32_t n_slots_max)
{
    uint32_t n = config->n_processes != 0 ? config->n_processes : count_cpus();

    if (config->process_per_slot)
        n = n_slots_max;
    return min_u32(min_u32(n, n_slots_max), MAX_PROCESSES);
}

/* The first slots of an adaptive pool; of a lazy one only when it is to be warm. */
static uint32_t first_slots(const struct pool_config *config, uint32_t n_slots_max)
{
    uint32_t n = min_u32(config->n_workers, n_slots_max);

    if (config->type == POOL_ADAPTIVE && n == 0)
        n = 1;
    if (config->type == POOL_LAZY && n == 0 && config->warm_start)
        n = 1;
    return n;
}

/* How many of the first slots are in one process. */
static uint32_t first_slots_of_process(const struct pool_spec *spec)
{
    uint32_t each = (spec->n_slots_max + spec->n_processes - 1) / spec->n_processes;
    uint32_t n = min_u32(spec->n_slots, spec->n_processes);

    if (spec->kind == POOL_KIND_LAZY)
        return min_u32(spec->n_slots, each);
    return n == 0 ? 0 : (spec->n_slots + n - 1) / n;
}

static enum pool_use use_of(unsigned flags)
{
    if ((flags & KIND_INTERCEPTOR) != 0)
        return POOL_FOR_INTERCEPTION;
    return (flags & KIND_METHOD) != 0 ? POOL_FOR_CALLS : POOL_FOR_METHODS;
}

/* Nobody's process is a natural place for a handler, and what it keeps is for all
 * calls: one process, one instance, any number of calls side by side. */
static void share_instance(struct pool_spec *spec, struct value *settings)
{
    spec->kind = POOL_KIND_STATIC;
    spec->n_slots = spec->n_slots_max = SHARED_SLOTS;
    spec->n_processes = 1;
    spec->buffer = SHARED_SLOTS * POOL_BUFFER_FACTOR;
    value_put(settings, "shared", value_bool(true));
    value_put(settings, "slots", value_int(SHARED_SLOTS));
    value_put(settings, "vm_actors", value_int(INT32_MAX));
    if (value_get_int(settings, "warm", 0) != 0)
        value_put(settings, "warm", value_int(1));
}

static void spec_of_function(const struct config *app, const struct entry *entry,
                             struct pool_spec *spec, struct buf *settings)
{
    struct pool_config config;
    struct value map;
    uint32_t n_max;

    pool_config_read(entry, &config, NULL);
    map = common_settings(app, entry, "pool", &config.limits);
    n_max = config.type == POOL_STATIC ? config.n_workers : config.max_size;
    n_max = n_max != 0 ? n_max : 1;
    *spec = (struct pool_spec){
        .entry = entry->id,
        .kind = kind_of(config.type),
        .use = use_of(entry->type->flags),
        .n_slots = first_slots(&config, n_max),
        .n_slots_max = n_max,
        .n_processes = count_processes(&config, n_max),
        .buffer = config.buffer != 0 ? config.buffer : n_max * POOL_BUFFER_FACTOR,
        .idle_timeout_ms = (uint64_t)config.idle_timeout_ms};
    value_put(
        &map, "slots",
        value_int((spec->n_slots_max + spec->n_processes - 1) / spec->n_processes));
    value_put(&map, "warm",
              value_int(config.warm_start ? first_slots_of_process(spec) : 0));
    if (spec->use == POOL_FOR_INTERCEPTION && config.type == POOL_INLINE)
        share_instance(spec, &map);
    encode_settings(settings, &map, spec);
}

/* ---- hosts ----------------------------------------------------------------------- */

static void spec_of_host(const struct config *app, const struct entry *entry,
                         struct pool_spec *spec, struct buf *settings)
{
    bool is_terminal = strcmp(entry->kind, "terminal.host") == 0;
    struct host_config config;
    uint32_t n_cpus = count_cpus();
    struct value map;

    host_config_read(entry, &config, NULL);
    map =
        common_settings(app, entry, is_terminal ? "terminal" : "host", &config.limits);
    *spec = (struct pool_spec){
        .entry = entry->id,
        .kind = is_terminal ? POOL_KIND_TERMINAL : POOL_KIND_HOST,
        .n_slots = UINT32_MAX,
        .n_slots_max = UINT32_MAX,
        .n_processes =
            config.n_workers != 0 ? min_u32(config.n_workers, n_cpus) : n_cpus,
        .buffer = HOST_QUEUE};
    if (is_terminal)
        spec->n_processes = 1;
    value_put(&map, "slots", value_int(0));
    value_put(&map, "queue_size", value_int(config.queue_size));
    value_put(&map, "hide_logs", value_bool(config.hide_logs));
    encode_settings(settings, &map, spec);
}

bool pool_spec_of_entry(const struct config *app, const struct entry *entry,
                        struct pool_spec *spec_out, struct buf *settings)
{
    unsigned flags = entry->type != NULL ? entry->type->flags : 0;

    if ((flags & KIND_SUPPORTED) == 0)
        return false;
    if ((flags & KIND_HOST) != 0)
        spec_of_host(app, entry, spec_out, settings);
    else if ((flags & (KIND_CALLABLE | KIND_INTERCEPTOR)) != 0 &&
             (flags & KIND_LUA) != 0)
        spec_of_function(app, entry, spec_out, settings);
    else
        return false;
    return true;
}

/* ---- in step with the registry --------------------------------------------------- */

static bool is_host_entry(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_HOST) != 0;
}

struct pool *pool_add_entry(struct supervisor *sup, const struct entry *entry)
{
    struct call_options options;
    struct pool *pool = NULL;
    struct pool_spec spec;
    struct buf settings;

    buf_init(&settings, 0);
    call_options_read(&options, value_get(&entry->meta, "options"));
    if (pool_spec_of_entry(sup->config, entry, &spec, &settings)) {
        spec.options = &options;
        pool = pools_add(sup->pools, &spec);
    }
    call_options_finish(&options);
    buf_finish(&settings);
    return pool;
}

/* The settings of a process that must show that its code can be loaded. */
static void encode_probe(struct buf *out, struct bytes settings)
{
    struct value map = {0};
    struct err err;

    if (value_decode(settings.data, settings.n, NULL, &map, &err) == 0)
        value_put(&map, "probe", value_bool(true));
    value_encode(out, &map);
    value_finish(&map);
}

/* Callers that are used to a warm pool shouldn't find a cold one. */
static void keep_warm(struct supervisor *sup, struct pool_spec *spec)
{
    struct pool *old = pools_find(sup->pools, spec->entry, strlen(spec->entry));
    struct pool_figures figures;

    if (spec->kind != POOL_KIND_LAZY || spec->n_slots != 0 || old == NULL)
        return;
    pool_get_figures(old, &figures);
    if (figures.n_ready != 0)
        spec->n_slots = 1;
}

struct pool *pool_stage_entry(struct supervisor *sup, const struct entry *entry,
                              struct snapshot *view)
{
    struct call_options options;
    struct pool *pool = NULL;
    struct pool_spec spec;
    struct buf settings, probe;

    if (is_host_entry(entry))
        return NULL;
    buf_init(&settings, 0);
    buf_init(&probe, 0);
    call_options_read(&options, value_get(&entry->meta, "options"));
    if (pool_spec_of_entry(sup->config, entry, &spec, &settings)) {
        encode_probe(&probe, spec.settings);
        spec.probe = buf_bytes(&probe);
        spec.options = &options;
        keep_warm(sup, &spec);
        pool = pools_stage(sup->pools, &spec, view);
    }
    call_options_finish(&options);
    buf_finish(&settings);
    buf_finish(&probe);
    return pool;
}

void pools_follow(struct supervisor *sup, const struct changeset *changeset,
                  struct snapshot *before)
{
    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];

        if (change->before != NULL)
            code_forget(sup->code, change->before);
        if (change->after == NULL ||
            (change->before != NULL &&
             strcmp(change->before->kind, change->after->kind) != 0))
            pools_remove(sup->pools, change->of_id, before);
        if (change->after != NULL && is_host_entry(change->after))
            pool_add_entry(sup, change->after);
    }
}

void pools_load(struct supervisor *sup)
{
    const struct snapshot *state = registry_state(sup->registry);

    for (size_t i = 0; i < state->n; i++)
        pool_add_entry(sup, state->entries[i]);
}
