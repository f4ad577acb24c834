/* registry_script -- entries of JSON, and changes of a registry in a line each. */
#ifndef TROUPE_TESTS_REGISTRY_SCRIPT_H
#define TROUPE_TESTS_REGISTRY_SCRIPT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/registry.h"

#include "tests/unit/unit.h"

/* An entry of JSON data (quotes as '), meta may be NULL. */
static inline struct entry *make(const char *id, const char *kind, const char *data,
                                 const char *meta)
{
    struct value values[2] = {{0}};
    const char *texts[2] = {data, meta};

    for (int i = 0; i < 2; i++) {
        char *json = texts[i] == NULL ? NULL : xstrdup(texts[i]);
        struct err err;

        for (char *at = json; at != NULL && *at != '\0'; at++)
            if (*at == '\'')
                *at = '"';
        if (json != NULL)
            ck_assert_msg(value_read_json(json, strlen(json), &values[i], &err) == 0,
                          "%s: %s", texts[i], err.text);
        free(json);
    }
    return entry_create(id, strlen(id), kind, values[1], values[0]);
}

struct script {
    struct operation operations[16];
    size_t n;
};

static inline void add(struct script *script, enum change_op op, struct entry *entry)
{
    script->operations[script->n++] = (struct operation){.op = op, .entry = entry};
}

static inline void drop(struct script *script, const char *id)
{
    script->operations[script->n++] = (struct operation){.op = CHANGE_DELETE, .id = id};
}

/* Prepares and commits; -1 with err. The script is empty afterwards. */
static inline int apply(struct registry *registry, struct script *script,
                        struct err *err)
{
    struct changeset *set =
        registry_prepare(registry, script->operations, script->n, NULL, err);

    for (size_t i = 0; i < script->n; i++)
        entry_unref(script->operations[i].entry);
    script->n = 0;
    return set == NULL ? -1 : registry_commit(registry, set, NULL, err);
}

static inline void must_apply(struct registry *registry, struct script *script)
{
    struct err err = {0};

    ck_assert_msg(apply(registry, script, &err) == 0, "%s", err.text);
}

static inline void must_fail(struct registry *registry, struct script *script,
                             const char *want)
{
    uint64_t version = registry_version(registry);
    struct err err = {0};

    ck_assert_int_eq(apply(registry, script, &err), -1);
    ck_assert_str_eq(err.text, want);
    ck_assert_int_eq(err.kind, ERR_INTERNAL);
    ck_assert_uint_eq(registry_version(registry), version);
}

struct watch {
    char text[400];
};

static inline void on_changed(void *context, const struct changeset *set)
{
    struct watch *watch = context;

    watch->text[0] = '\0';
    for (size_t i = 0; i < set->n; i++) {
        size_t n = strlen(watch->text);

        snprintf(watch->text + n, sizeof(watch->text) - n, "%s %s, ",
                 change_op_name(set->changes[i].op) + 6, set->changes[i].of_id);
    }
    for (size_t i = 0; i < set->n_affected; i++) {
        size_t n = strlen(watch->text);

        snprintf(watch->text + n, sizeof(watch->text) - n, "affected %s, ",
                 set->affected[i]->id);
    }
}

static inline struct registry *watched(struct watch *watch)
{
    struct registry *registry = registry_create();

    registry_add_observer(
        registry, &(struct registry_observer){.changed = on_changed, .context = watch});
    return registry;
}

#endif
