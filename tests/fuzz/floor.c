#include "tests/fuzz/floor.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/config.h"
#include "supervisor/entry.h"
#include "supervisor/env.h"
#include "supervisor/interceptors.h"
#include "supervisor/modules.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/registry_load.h"
#include "supervisor/worker.h"

#define INPUTS_PER_LIFE 200

static struct supervisor sup;
static struct worker *peers[FLOOR_N_WORKERS];
static unsigned n_inputs;

static char *quiet_worker(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[n > 0 ? n : 0] = '\0';
    *strrchr(self, '/') = '\0';
    return xasprintf("%s/../unit/fake_worker", self);
}

static void add_pool(const char *entry, enum pool_kind kind, enum pool_use use)
{
    static const uint8_t empty_map[] = {0x80};
    struct pool_spec spec = {.entry = entry,
                             .kind = kind,
                             .use = use,
                             .n_slots_max = 2,
                             .n_processes = 1,
                             .buffer = 4,
                             .idle_timeout_ms = 1000,
                             .settings = {empty_map, 1}};

    pools_add(sup.pools, &spec);
}

/* Calls to it, and what stands around them; code is never run here. */
static void add_entries(void)
{
    static const char *const ids[] = {"app:l", "app:i", "app:p"};
    static const char *const kinds[] = {"function.lua", "interceptor.lua",
                                        "process.lua"};
    struct operation operations[N_ELEMENTS(ids)];
    struct changeset *changeset;

    for (size_t i = 0; i < N_ELEMENTS(ids); i++) {
        struct value data = value_map();

        value_put(&data, "source", value_string("return {}"));
        value_put(&data, "method", value_string("main"));
        operations[i] = (struct operation){
            .op = CHANGE_CREATE,
            .entry = entry_create(ids[i], strlen(ids[i]), kinds[i], value_map(), data)};
    }
    changeset = registry_prepare(sup.registry, operations, N_ELEMENTS(ids), NULL, NULL);
    if (changeset == NULL || registry_commit(sup.registry, changeset, NULL, NULL) == -1)
        abort();
    for (size_t i = 0; i < N_ELEMENTS(ids); i++)
        entry_unref(operations[i].entry);
    interceptors_load(sup.interceptors);
}

/* Where the loop runs, they may end. */
static void on_dead(void *context, struct worker *worker, const char *reason)
{
    (void)context, (void)reason;
    for (size_t i = 0; i < N_ELEMENTS(peers); i++)
        if (peers[i] == worker)
            peers[i] = NULL;
}

static void open_all(void)
{
    static const struct worker_owner owner = {.on_dead = on_dead};
    static const struct load_options nothing_to_load;
    struct worker_spec spec = {.role = "pool",
                               .entry = "app:mute",
                               .n_slots = 2,
                               .extra_fd = -1,
                               .owner = &owner};

    memset(&sup, 0, sizeof(sup));
    log_set_level(LOG_OFF);
    sup.loop = ev_default_loop(EVFLAG_AUTO);
    sup.config = config_create();
    sup.registry = registry_create();
    sup.env = env_create(sup.registry);
    modules_create(&sup, &nothing_to_load, quiet_worker());
    add_entries();
    add_pool("app:f", POOL_KIND_INLINE, POOL_FOR_CALLS);
    add_pool("app:l", POOL_KIND_LAZY, POOL_FOR_CALLS);
    add_pool("app:i", POOL_KIND_LAZY, POOL_FOR_INTERCEPTION);
    add_pool("app:h", POOL_KIND_HOST, POOL_FOR_CALLS);
    for (size_t i = 0; i < N_ELEMENTS(peers); i++) {
        peers[i] = worker_start(sup.workers, &spec, NULL);
        if (peers[i] == NULL)
            abort();
        peers[i]->state = WORKER_READY;
    }
}

static void close_all(void)
{
    modules_destroy(&sup);
    env_destroy(sup.env);
    registry_destroy(sup.registry);
    config_destroy(sup.config);
    ev_loop_destroy(sup.loop);
}

static bool all_live(void)
{
    for (size_t i = 0; i < N_ELEMENTS(peers); i++)
        if (peers[i] == NULL)
            return false;
    return true;
}

struct supervisor *floor_take(void)
{
    if (n_inputs++ % INPUTS_PER_LIFE == 0 || !all_live()) {
        if (sup.loop != NULL)
            close_all();
        open_all();
    }
    return &sup;
}

struct worker *floor_worker(unsigned i)
{
    return peers[i % FLOOR_N_WORKERS];
}
