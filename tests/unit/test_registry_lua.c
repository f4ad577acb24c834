#include "supervisor/registry.h"

#include <string.h>

#include "common/err.h"
#include "common/log.h"

#include "tests/unit/registry_script.h"
#include "tests/unit/unit.h"

#define LUA "'source': 'return {}', 'method': 'main'"

static const struct {
    const char *kind, *data, *want;
} lua_refused[] = {
    {"function.lua", "{'method': 'm'}", "source is required"},
    {"function.lua", "{'source': '', 'method': 'm'}", "source is required"},
    {"function.lua", "{'source': 'x'}", "method is required"},
    {"process.lua", "{'source': 'x', 'method': ''}", "method is required"},
    {"workflow.lua", "{'source': 'x'}", "method is required"},
    {"function.lua", "{" LUA ", 'modules': ['json', '']}", "module cannot be empty"},
    {"function.lua", "{" LUA ", 'modules': ['a:b']}", "module cannot have a namespace"},
    {"function.lua", "{" LUA ", 'modules': ['jsn']}", "node with ID :jsn not found"},
    {"function.lua", "{" LUA ", 'modules': ['json', 'json']}",
     "dependency from app:f to :json already exists"},
    {"function.lua", "{" LUA ", 'modules': 'json'}", "modules must be a list"},
    {"function.lua", "{" LUA ", 'imports': {'': 'app:l'}}",
     "import alias cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': ''}}", "import :name cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:'}}",
     "import :name cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:none'}}",
     "node with ID app:none not found"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'nomodule'}}",
     "node with ID :nomodule not found"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:lib', 'y': 'app:lib'}}",
     "dependency from app:f to app:lib already exists"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:f'}}",
     "adding dependency would create a cycle: app:f imports app:f"},
    {"function.lua", "{" LUA ", 'modules': ['json'], 'imports': {'json': 'app:lib'}}",
     "alias 'json' collision: :json and app:lib"},
    /* app:user imports app:lib as "lib" */
    {"function.lua", "{" LUA ", 'imports': {'u': 'app:user', 'lib': 'app:other'}}",
     "alias 'lib' collision: app:other and app:lib"},
    {"function.lua", "{" LUA ", 'pool': {'type': 'elastic'}}",
     "unknown pool type: elastic; it must be inline, lazy, static or adaptive"},
    {"function.lua", "{" LUA ", 'pool': {'workers': -1}}",
     "pool.workers is -1; it must be between 0 and 65536"},
    {"process.service", "{}", "process is required"},
    {"process.service",
     "{'process': 'p', 'host': 'h', 'lifecycle': {'stop_timeout': 5}}",
     "lifecycle.stop_timeout must be a duration with a unit; write for example "
     "\"500ms\", \"10s\" or \"1m30s\""},
    {"process.service", "{'process': 'p', 'host': 'node:control'}",
     "invalid host: node:control"},
    {"process.host", "{'host': {'workers': -2}}", "workers must be greater than 0"},
    {"http.endpoint", "{'method': 'GET', 'path': 'x', 'func': 'f'}",
     "path must start with /"},
};

static void add_libraries(struct registry *registry)
{
    struct script script = {0};

    log_set_level(LOG_OFF);
    add(&script, CHANGE_CREATE,
        make("app:lib", "library.lua", "{'source': 'return {}'}", NULL));
    add(&script, CHANGE_CREATE,
        make("app:other", "library.lua", "{'source': 'return {}'}", NULL));
    add(&script, CHANGE_CREATE,
        make("app:user", "library.lua",
             "{'source': 'x', 'modules': ['json'], 'imports': {'lib': 'app:lib'}}",
             NULL));
    must_apply(registry, &script);
}

START_TEST(registry_refuses_lua_entries)
{
    struct registry *registry = registry_create();
    struct script script = {0};
    struct err err = {0};

    add_libraries(registry);
    add(&script, CHANGE_CREATE,
        make("app:f", lua_refused[_i].kind, lua_refused[_i].data, NULL));
    ck_assert_int_eq(apply(registry, &script, &err), -1);
    ck_assert_msg(strstr(err.text, lua_refused[_i].want) != NULL, "%s", err.text);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_takes_lua_entries)
{
    static const char *const taken[] = {
        "{" LUA "}",
        "{" LUA ", 'modules': ['json', 'errors', 'time', 'process', 'channel']}",
        "{" LUA ", 'modules': [], 'imports': {}}",
        "{" LUA
        ", 'modules': ['json'], 'imports': {'u': 'app:user', 'o': 'app:other'}}",
        "{" LUA ", 'imports': {'u': {'ns': 'app', 'name': 'user'}, 'json': 'json'}}",
        "{" LUA ", 'imports': {'u': 'app:user', 'lib': 'app:lib'}}",
        "{" LUA ", 'pool': {'type': 'static', 'workers': 8, 'buffer': 512}}",
    };
    struct registry *registry = registry_create();
    struct script script = {0};

    add_libraries(registry);
    for (size_t i = 0; i < N_ELEMENTS(taken); i++) {
        add(&script, CHANGE_CREATE, make("app:f", "function.lua", taken[i], NULL));
        must_apply(registry, &script);
        drop(&script, "app:f");
        must_apply(registry, &script);
    }
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_finds_cycles_of_imports)
{
    struct registry *registry = registry_create();
    struct script script = {0};

    add_libraries(registry);
    add(&script, CHANGE_UPDATE,
        make("app:lib", "library.lua", "{'source': 'x', 'imports': {'u': 'app:user'}}",
             NULL));
    must_fail(registry, &script,
              "failed to apply changes: operation failed for entry app:lib: adding "
              "dependency would create a cycle: app:user imports app:lib");
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_keeps_what_is_imported) /* REG-23 */
{
    struct watch watch = {0};
    struct registry *registry = watched(&watch);
    struct script script = {0};

    add_libraries(registry);
    drop(&script, "app:lib");
    must_fail(
        registry, &script,
        "failed to apply changes: operation failed for entry app:lib: cannot remove "
        "node app:lib: it has incoming dependencies from node app:user");
    add(&script, CHANGE_CREATE,
        make("app:f", "function.lua", "{" LUA ", 'imports': {'u': 'app:user'}}", NULL));
    must_apply(registry, &script);
    add(&script, CHANGE_UPDATE,
        make("app:lib", "library.lua", "{'source': 'return {1}'}", NULL));
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "update app:lib, affected app:f, affected app:user, ");
    drop(&script, "app:lib");
    drop(&script, "app:user");
    drop(&script, "app:f");
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "delete app:f, delete app:user, delete app:lib, ");
    registry_destroy(registry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, registry_refuses_lua_entries, 0, N_ELEMENTS(lua_refused));
    tcase_add_test(tc, registry_takes_lua_entries);
    tcase_add_test(tc, registry_finds_cycles_of_imports);
    tcase_add_test(tc, registry_keeps_what_is_imported);
}

int main(void)
{
    return unit_main("registry_lua", fill);
}
