#include "supervisor/registry_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/nearest.h"

#define LUA          (KIND_SUPPORTED | KIND_LUA)
#define LUA_FUNCTION (LUA | KIND_METHOD | KIND_CALLABLE | KIND_POOL)
#define LUA_PROCESS  (LUA | KIND_METHOD | KIND_PROCESS)
#define INTERCEPTOR  (LUA | KIND_METHOD | KIND_POOL | KIND_INTERCEPTOR)

/* clang-format off */
static const struct kind kinds[] = { /* sorted by name */
    {"cloudstorage.s3", KIND_SERVICE},
    {"config.aws", 0},
    {"contract.binding", KIND_SUPPORTED},
    {"contract.definition", KIND_SUPPORTED},
    {"db.cdc.postgres", KIND_SERVICE},
    {"db.sql.mysql", KIND_SERVICE},
    {"db.sql.postgres", KIND_SERVICE},
    {"db.sql.sqlite", KIND_SERVICE},
    {"env.storage.file", KIND_SUPPORTED},
    {"env.storage.memory", KIND_SUPPORTED},
    {"env.storage.os", KIND_SUPPORTED},
    {"env.storage.router", KIND_SUPPORTED},
    {"env.storage.static", KIND_SUPPORTED},
    {"env.variable", KIND_SUPPORTED},
    {"exec.docker", 0},
    {"exec.native", 0},
    {"fs.directory", 0},
    {"fs.embed", KIND_SUPPORTED | KIND_PLAIN},
    {"function.exec", KIND_CALLABLE | KIND_POOL},
    {"function.lua", LUA_FUNCTION},
    {"function.lua.bc", LUA_FUNCTION | KIND_BYTECODE},
    {"function.wasm", KIND_CALLABLE},
    {"function.wat", KIND_CALLABLE},
    {"http.endpoint", 0},
    {"http.router", 0},
    {"http.service", KIND_SERVICE},
    {"http.static", 0},
    {"interceptor.lua", INTERCEPTOR},
    {"interceptor.lua.bc", INTERCEPTOR | KIND_BYTECODE},
    {"library.lua", LUA},
    {"library.lua.bc", LUA | KIND_BYTECODE},
    {"module.lua", LUA | KIND_CALLABLE | KIND_POOL},
    {"network", 0},
    {"network.i2p", 0},
    {"network.socks5", 0},
    {"network.tailscale", 0},
    {"ns.definition", KIND_SUPPORTED | KIND_PLAIN},
    {"ns.dependency", KIND_SUPPORTED | KIND_PLAIN},
    {"ns.requirement", KIND_SUPPORTED | KIND_PLAIN},
    {"pg.scope", KIND_SUPPORTED | KIND_SERVICE},
    {"process.host", KIND_SUPPORTED | KIND_HOST | KIND_SERVICE},
    {"process.lua", LUA_PROCESS},
    {"process.lua.bc", LUA_PROCESS | KIND_BYTECODE},
    {"process.service", KIND_SUPPORTED | KIND_SERVICE},
    {"process.wasm", KIND_PROCESS},
    {"queue.consumer", KIND_SERVICE},
    {"queue.driver.amqp", KIND_SERVICE},
    {"queue.driver.memory", KIND_SERVICE},
    {"queue.driver.sqlite", KIND_SERVICE},
    {"queue.driver.sqs", KIND_SERVICE},
    {"queue.queue", 0},
    {"registry.entry", KIND_SUPPORTED | KIND_PLAIN},
    {"security.policy", KIND_SUPPORTED},
    {"security.policy.expr", KIND_SUPPORTED},
    {"security.token_store", KIND_SUPPORTED},
    {"store.kv.crdt", KIND_SERVICE},
    {"store.kv.raft", KIND_SERVICE},
    {"store.memory", KIND_SUPPORTED | KIND_SERVICE},
    {"store.sql", KIND_SERVICE},
    {"template.jet", 0},
    {"template.set", 0},
    {"temporal.client", KIND_SERVICE},
    {"temporal.worker", KIND_SERVICE},
    {"terminal.host", KIND_SUPPORTED | KIND_HOST | KIND_SERVICE},
    {"workflow.lua", KIND_LUA | KIND_METHOD},
    {"workflow.lua.bc", 0},
};

static const char *const modules[] = { /* sorted */
    "base64", "cdc", "channel", "cloudstorage", "compress", "contract", "coroutine",
    "crypto", "ctx", "env", "errors", "eval_runner", "events", "excel", "exec", "expr",
    "fs", "funcs", "hash", "html", "http", "http_client", "hub", "io", "json", "loader",
    "logger", "math", "metrics", "os", "payload", "pg", "process", "queue", "registry",
    "security", "sql", "store", "stream", "string", "system", "table", "templates",
    "text", "time", "treesitter", "tty", "uuid", "websocket", "workflow", "yaml",
};

static const char *const built_modules[] = { /* sorted; those that workers have */
    "base64", "channel", "contract", "coroutine", "ctx", "env", "errors", "events",
    "expr", "funcs", "hash", "io", "json", "logger", "math", "metrics", "os", "payload",
    "pg", "process", "registry", "security", "string", "system", "table", "time",
    "uuid",
};

static const char *const global_modules[] = { /* sorted; those that need no listing */
    "channel", "coroutine", "errors", "math", "os", "payload", "process", "string",
    "table",
};
/* clang-format on */

static int compare_kind(const void *name, const void *row)
{
    return strcmp(name, ((const struct kind *)row)->name);
}

const struct kind *kind_find(const char *name)
{
    return bsearch(name, kinds, N_ELEMENTS(kinds), sizeof(kinds[0]), compare_kind);
}

static int compare_module(const void *name, const void *row)
{
    return strcmp(name, *(const char *const *)row);
}

bool module_is_known(const char *name)
{
    return bsearch(name, modules, N_ELEMENTS(modules), sizeof(modules[0]),
                   compare_module) != NULL;
}

bool module_is_supported(const char *name)
{
    return bsearch(name, built_modules, N_ELEMENTS(built_modules),
                   sizeof(built_modules[0]), compare_module) != NULL;
}

bool module_is_always_there(const char *name)
{
    return bsearch(name, global_modules, N_ELEMENTS(global_modules),
                   sizeof(global_modules[0]), compare_module) != NULL;
}

const char *kind_nearest(const char *name)
{
    const char *names[N_ELEMENTS(kinds)];

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
        names[i] = kinds[i].name;
    return nearest_find(name, names, N_ELEMENTS(kinds));
}

const char *module_nearest(const char *name)
{
    return nearest_find(name, modules, N_ELEMENTS(modules));
}
