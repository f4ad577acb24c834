#include "supervisor/registry_config.h"

#include <string.h>

#include "supervisor/registry_kinds.h"

#include "tests/unit/registry_script.h"
#include "tests/unit/unit.h"

static const struct {
    const char *name, *want;
} nearest[] = {
    {"functon.lua", "function.lua"},
    {"proces.service", "process.service"},
    {"http.endpiont", "http.endpoint"},
    {"process.hosts", "process.host"},
    {"db.sqlite", "db.sql.sqlite"},
    {"zzzzzzzzzzzzzzzzzzzzz", NULL},
    {"", NULL},
};

START_TEST(kinds_name_the_nearest)
{
    const char *got = kind_nearest(nearest[_i].name);

    if (nearest[_i].want == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got, nearest[_i].want);
    ck_assert_ptr_null(kind_find(nearest[_i].name));
}
END_TEST

START_TEST(kinds_are_found)
{
    ck_assert_ptr_nonnull(kind_find("function.lua"));
    ck_assert_ptr_nonnull(kind_find("cloudstorage.s3"));
    ck_assert_ptr_nonnull(kind_find("workflow.lua.bc"));
    ck_assert(module_is_known("base64"));
    ck_assert(module_is_known("yaml"));
    ck_assert(module_is_known("string"));
    ck_assert(!module_is_known("utf8"));
    ck_assert_str_eq(module_nearest("jsn"), "json");
}
END_TEST

static const struct {
    const char *data;
    enum pool_type type;
    unsigned n_workers, max_size, buffer;
} pools[] = {
    /* F-41, F-42 */
    {"{}", POOL_LAZY, 0, 100, 6400},
    {"{'pool': {}}", POOL_LAZY, 0, 100, 6400},
    {"{'pool': {'workers': 4}}", POOL_STATIC, 4, 4, 256},
    {"{'pool': {'workers': 4, 'max_size': 9}}", POOL_STATIC, 4, 4, 256},
    {"{'pool': {'max_size': 9}}", POOL_LAZY, 0, 9, 576},
    {"{'pool': {'max_size': 9, 'size': 20}}", POOL_LAZY, 9, 9, 576},
    {"{'pool': {'size': 3}}", POOL_STATIC, 3, 3, 192},
    {"{'pool': {'type': 'static'}}", POOL_STATIC, 8, 8, 512},
    {"{'pool': {'type': 'static', 'size': 2, 'buffer': 5}}", POOL_STATIC, 2, 2, 5},
    {"{'pool': {'type': 'static', 'size': 2, 'workers': 5}}", POOL_STATIC, 5, 5, 320},
    {"{'pool': {'type': 'lazy'}}", POOL_LAZY, 0, 16, 1024},
    {"{'pool': {'type': 'lazy', 'size': 2}}", POOL_LAZY, 2, 16, 1024},
    {"{'pool': {'type': 'adaptive', 'max_size': 32}}", POOL_ADAPTIVE, 1, 32, 2048},
    {"{'pool': {'type': 'inline'}}", POOL_INLINE, 1, 1, 64},
};

START_TEST(pool_config_resolves_defaults)
{
    struct entry *entry = make("app:f", "function.lua", pools[_i].data, NULL);
    struct pool_config config;

    pool_config_read(entry, &config, NULL);
    ck_assert_int_eq(config.type, pools[_i].type);
    ck_assert_uint_eq(config.n_workers, pools[_i].n_workers);
    ck_assert_uint_eq(config.max_size, pools[_i].max_size);
    ck_assert_uint_eq(config.buffer, pools[_i].buffer);
    ck_assert_int_eq(config.idle_timeout_ms, 30000);
    entry_unref(entry);
}
END_TEST

START_TEST(lifecycle_config_resolves_defaults) /* LIFE-01 */
{
    struct entry *entry = make(
        "app:s", "process.service",
        "{'lifecycle': {'auto_start': true, 'stop_timeout': '1m30s', 'start_timeout': "
        "'0s', 'requires': ['a', 'x:b'], 'depends_on': ['x:b', {'ns': 'y', 'name': "
        "'c'}],"
        "'restart': {'initial_delay': '300ms', 'jitter': 0, 'max_attempts': 7, "
        "'backoff_factor': 3}}}",
        NULL);
    struct lifecycle_config config;

    lifecycle_config_read(entry, &config, NULL);
    ck_assert(config.present && config.auto_start && !config.optional);
    ck_assert_int_eq(config.stop_timeout_ms, 90000);
    ck_assert_int_eq(config.start_timeout_ms, 10000);
    ck_assert_int_eq(config.stable_threshold_ms, 5000);
    ck_assert_int_eq(config.initial_delay_ms, 300);
    ck_assert_int_eq(config.max_delay_ms, 90000);
    ck_assert_uint_eq(config.max_attempts, 7);
    ck_assert(config.backoff_factor == 3.0 && config.jitter == 0.1);
    ck_assert_uint_eq(config.n_requires, 3);
    ck_assert_str_eq(config.requires[0], "app:a");
    ck_assert_str_eq(config.requires[1], "x:b");
    ck_assert_str_eq(config.requires[2], "y:c");
    lifecycle_config_finish(&config);
    entry_unref(entry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, kinds_name_the_nearest, 0, N_ELEMENTS(nearest));
    tcase_add_test(tc, kinds_are_found);
    tcase_add_loop_test(tc, pool_config_resolves_defaults, 0, N_ELEMENTS(pools));
    tcase_add_test(tc, lifecycle_config_resolves_defaults);
}

int main(void)
{
    return unit_main("registry_config", fill);
}
