#include "supervisor/pool_setup.h"

#include <string.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry_kinds.h"

#include "tests/unit/unit.h"

#define CPUS                                                                           \
    UINT32_MAX /* stands for "as many processes as CPUs, at most the slots"            \
                */

/* F-41, F-42, PH-1 */
static const struct {
    const char *kind, *data;
    enum pool_kind want;
    uint32_t n_slots, n_slots_max, n_processes, buffer;
} cases[] = {
    {"function.lua", "{}", POOL_KIND_LAZY, 0, 100, CPUS, 6400},
    {"function.lua", "{\"pool\": {\"type\": \"inline\"}}", POOL_KIND_INLINE, 0, 0, 0,
     0},
    {"function.lua", "{\"pool\": {\"workers\": 3}}", POOL_KIND_STATIC, 3, 3, CPUS, 192},
    {"function.lua", "{\"pool\": {\"size\": 2}}", POOL_KIND_STATIC, 2, 2, CPUS, 128},
    {"function.lua", "{\"pool\": {\"max_size\": 5}}", POOL_KIND_LAZY, 0, 5, CPUS, 320},
    {"function.lua",
     "{\"pool\": {\"type\": \"static\", \"workers\": 8, \"buffer\": 512}}",
     POOL_KIND_STATIC, 8, 8, CPUS, 512},
    {"function.lua", "{\"pool\": {\"type\": \"static\"}}", POOL_KIND_STATIC, 8, 8, CPUS,
     512},
    {"function.lua", "{\"pool\": {\"type\": \"lazy\"}}", POOL_KIND_LAZY, 0, 16, CPUS,
     1024},
    {"function.lua", "{\"pool\": {\"type\": \"adaptive\", \"max_size\": 4}}",
     POOL_KIND_ADAPTIVE, 1, 4, CPUS, 256},
    {"function.lua",
     "{\"pool\": {\"type\": \"static\", \"workers\": 4, \"isolation\": \"process\"}}",
     POOL_KIND_STATIC, 4, 4, 4, 256},
    {"function.lua",
     "{\"pool\": {\"type\": \"static\", \"workers\": 4, \"processes\": 3}}",
     POOL_KIND_STATIC, 4, 4, 3, 256},
    {"interceptor.lua", "{}", POOL_KIND_LAZY, 0, 100, CPUS, 6400},
    {"interceptor.lua", "{\"pool\": {\"type\": \"inline\"}}", POOL_KIND_STATIC, 1024,
     1024, 1, 65536},
    {"process.host", "{\"host\": {\"workers\": 1}}", POOL_KIND_HOST, UINT32_MAX,
     UINT32_MAX, 1, 65536},
    {"terminal.host", "{}", POOL_KIND_TERMINAL, UINT32_MAX, UINT32_MAX, 1, 65536},
};

static struct entry *make_entry(const char *kind, const char *json)
{
    struct value data = {0};
    struct err err = {0};
    struct entry *entry;

    ck_assert_msg(value_read_json(json, strlen(json), &data, &err) == 0, "%s",
                  err.text);
    entry = entry_create("app:f", 5, kind, value_map(), data);
    entry->type = kind_find(kind);
    return entry;
}

static uint32_t wanted_processes(uint32_t n, uint32_t n_slots_max)
{
    if (n != CPUS)
        return n;
    return count_cpus() < n_slots_max ? count_cpus() : n_slots_max;
}

START_TEST(pool_setup_follows_the_entry)
{
    struct entry *entry = make_entry(cases[_i].kind, cases[_i].data);
    struct value settings_map;
    struct pool_spec spec;
    struct buf settings;

    buf_init(&settings, 0);
    ck_assert(pool_spec_of_entry(NULL, entry, &spec, &settings));
    ck_assert_int_eq(spec.kind, cases[_i].want);
    ck_assert_str_eq(spec.entry, "app:f");
    if (spec.kind != POOL_KIND_INLINE) {
        ck_assert_uint_eq(spec.n_slots, cases[_i].n_slots);
        ck_assert_uint_eq(spec.n_slots_max, cases[_i].n_slots_max);
        ck_assert_uint_eq(spec.n_processes, wanted_processes(cases[_i].n_processes,
                                                             cases[_i].n_slots_max));
        ck_assert_uint_eq(spec.buffer, cases[_i].buffer);
    }
    ck_assert_int_eq(
        value_decode(spec.settings.data, spec.settings.n, NULL, &settings_map, NULL),
        0);
    ck_assert_str_eq(value_get_text(&settings_map, "entry"), "app:f");
    ck_assert_ptr_nonnull(value_get_text(&settings_map, "role"));
    value_finish(&settings_map);
    buf_finish(&settings);
    entry_unref(entry);
}
END_TEST

START_TEST(pool_setup_leaves_other_kinds_alone)
{
    static const char *const kinds[] = {"process.lua", "library.lua", "registry.entry",
                                        "process.service"};
    struct entry *entry = make_entry(kinds[_i], "{}");
    struct pool_spec spec;
    struct buf settings;

    buf_init(&settings, 0);
    ck_assert(!pool_spec_of_entry(NULL, entry, &spec, &settings));
    buf_finish(&settings);
    entry_unref(entry);
}
END_TEST

/* Beyond what 32 bits hold, by 1.2 s. */
START_TEST(pool_setup_takes_an_idle_timeout_of_any_length)
{
    struct entry *entry =
        make_entry("function.lua", "{\"pool\": {\"idle_timeout\": \"1193h2m48.5s\"}}");
    struct pool_spec spec;
    struct buf settings;

    buf_init(&settings, 0);
    ck_assert(pool_spec_of_entry(NULL, entry, &spec, &settings));
    ck_assert_uint_eq(spec.idle_timeout_ms, 4294968500);
    buf_finish(&settings);
    entry_unref(entry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, pool_setup_follows_the_entry, 0, N_ELEMENTS(cases));
    tcase_add_loop_test(tc, pool_setup_leaves_other_kinds_alone, 0, 4);
    tcase_add_test(tc, pool_setup_takes_an_idle_timeout_of_any_length);
}

int main(void)
{
    return unit_main("pool_setup", fill);
}
