#include "supervisor/registry_query.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/value.h"

#include "supervisor/registry.h"

#include "tests/unit/unit.h"

static struct value of_json(const char *text)
{
    struct value value = {0};
    struct err err;

    ck_assert_msg(value_read_json(text, strlen(text), &value, &err) == 0, "%s: %s",
                  text, err.text);
    return value;
}

static const struct {
    const char *id, *kind, *meta;
} entries[] = {
    /* sorted by id */
    {"app.api:get", "http.endpoint", "{\"type\": \"api\", \"graph.rule\": \"true\"}"},
    {"app:a", "registry.entry",
     "{\"type\": \"handler\", \"n\": 5, \"tags\": [\"red\", \"blue\"], \"on\": true}"},
    {"app:b", "registry.entry",
     "{\"type\": \"handler2\", \"n\": 5.5, \"tags\": [\"blue\"], \"on\": \"true\"}"},
    {"lib:a", "library.lua", "{\"title\": \"A Library\"}"},
};

static const struct {
    const char *filter, *want; /* last letters of ids */
} cases[] = {
    {"{}", "get app:a app:b lib:a "},
    {"{\".kind\": \"registry.entry\"}", "app:a app:b "},
    {"{\".kind\": \"*.lua\"}", "lib:a "},
    {"{\".kind\": \"reg*entry\"}", "app:a app:b "},
    {"{\".kind\": \"reg*\", \".name\": \"b\"}", "app:b "},
    {"{\".ns\": \"app\"}", "app:a app:b "},
    {"{\".ns\": \"app*\"}", "get app:a app:b "},
    {"{\".name\": \"a\"}", "app:a lib:a "},
    {"{\".id\": \"lib:a\"}", "lib:a "},
    {"{\".kind\": 5, \".nonsense\": \"x\"}", "get app:a app:b lib:a "},
    {"{\"meta.type\": \"handler\"}", "app:a "},
    {"{\"meta.graph.rule\": \"true\"}", "get "},
    {"{\"meta.on\": true}", "app:a "},
    {"{\"meta.on\": \"true\"}", "app:b "},
    {"{\"meta.n\": 5}", "app:a "},
    {"{\"meta.n\": 5.0}", "app:a "},
    {"{\"meta.gone\": \"x\"}", ""},
    {"{\"meta.tags\": [\"blue\"]}", "app:a app:b "},
    {"{\"meta.tags\": [\"blue\", \"red\"]}", "app:a "},
    {"{\"~meta.type\": \"ler[0-9]$\"}", "app:b "},
    {"{\"~meta.type\": \"(\"}", "get app:a app:b lib:a "},
    {"{\"~meta.type\": 5}", "get app:a app:b lib:a "},
    {"{\"~meta.tags\": \"blue\"}", ""},
    {"{\"*meta.type\": \"andl\"}", "app:a app:b "},
    {"{\"*meta.tags\": \"re\"}", "app:a "},
    {"{\"^meta.type\": \"hand\"}", "app:a app:b "},
    {"{\"$meta.type\": \"2\"}", "app:b "},
    {"{\"^meta.type\": \"handlerxxxxx\"}", ""},
    /* bare keys: our reading of them */
    {"{\"kind\": \"registry.entry\"}", "app:a app:b "},
    {"{\"type\": \"handler\"}", "app:a "},
    {"{\"~type\": \"^api$\"}", "get "},
    {"{\"meta\": {\"meta.type\": \"api\"}}", "get "},
    {"{\"meta\": {\"type\": \"api\"}}", "get "},
    {"{\"kind\": \"registry.entry\", \"meta\": {\"type\": \"handler2\"}}", "app:b "},
    {"[1]", "get app:a app:b lib:a "},
};

static void note(void *context, const struct entry *entry)
{
    char *text = context;
    const char *end = entry->id + strlen(entry->id);

    strcat(text, strncmp(entry->id, "app.", 4) == 0 ? end - 3 : entry->id);
    strcat(text, " ");
}

START_TEST(registry_find_follows_its_filter) /* REG-32 */
{
    struct entry *items[N_ELEMENTS(entries)];
    struct snapshot state = {.entries = items, .n = N_ELEMENTS(entries)};
    struct value filter = of_json(cases[_i].filter);
    struct query *query;
    char got[100] = "";

    log_set_level(LOG_OFF);
    for (size_t i = 0; i < N_ELEMENTS(entries); i++)
        items[i] = entry_create(entries[i].id, strlen(entries[i].id), entries[i].kind,
                                of_json(entries[i].meta), (struct value){0});
    query = query_create(&filter);
    query_run(query, &state, note, got);
    ck_assert_msg(strcmp(got, cases[_i].want) == 0, "%s: %s", cases[_i].filter, got);
    query_destroy(query);
    value_finish(&filter);
    for (size_t i = 0; i < N_ELEMENTS(entries); i++)
        entry_unref(items[i]);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, registry_find_follows_its_filter, 0, N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("registry_query", fill);
}
