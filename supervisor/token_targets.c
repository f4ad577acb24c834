#include "supervisor/token_targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/env.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/system.h"

#define LENGTH_DEFAULT        32
#define LENGTH_MAX            1024
#define EXPIRATION_DEFAULT_MS (INT64_C(24) * 60 * 60 * 1000)

/* Without a key that can be read, tokens would be unsigned. */
static void check_key(const struct entry *entry, const char *path,
                      struct problems *problems)
{
    const struct value *key = value_get(entry_fields(entry), path);
    struct problem_at at = entry_at(entry, path);

    if (key != NULL && key->type != VALUE_NIL && key->type != VALUE_STRING)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "put it between quotes",
                     "failed to decode token store config: %s must be a text", path);
}

void token_store_check(const struct entry *entry, struct problems *problems)
{
    int64_t length = entry_integer(entry, "token_length", LENGTH_DEFAULT, INT64_MIN,
                                   LENGTH_MAX, problems);
    struct problem_at at = entry_at(entry, "token_length");

    if (length <= 0)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "failed to decode token store config: token length must be "
                     "positive");
    entry_duration_ms(entry, "default_expiration", EXPIRATION_DEFAULT_MS, true,
                      problems);
    check_key(entry, "token_key", problems);
    check_key(entry, "token_key_env", problems);
}

/* The variable that token_key_env names wins over token_key, if it exists. */
static struct value read_key(struct supervisor *sup, const struct entry *entry)
{
    const struct value *fields = entry_fields(entry);
    const char *name = value_get_text(fields, "token_key_env");
    const char *own = value_get_text(fields, "token_key");
    struct value key;
    struct err err = {0};
    char space[256];
    char *text;

    if (name != NULL && name[0] != '\0') {
        snprintf(space, sizeof(space), "%.*s", (int)entry->namespace_bytes, entry->id);
        text = env_get(sup->env, name, space, &err);
        if (text != NULL) {
            key = value_string(text);
            free(text);
            return key;
        }
        log_warn(own != NULL && own[0] != '\0'
                     ? "token_key_env names no variable that is set, token_key stays"
                     : "token_key_env names no variable that is set, and there is no "
                       "token_key: tokens are not signed",
                 "entry=%s variable=%s why=%s", entry->id, name, err.text);
    }
    return value_string(own);
}

static struct value describe(struct supervisor *sup, const struct entry *entry)
{
    struct value map = value_map();
    char *store = entry_get_reference(entry, "store");

    value_put(&map, "store", value_string(store != NULL ? store : ""));
    free(store);
    value_put(&map, "token_length",
              value_int(entry_integer(entry, "token_length", LENGTH_DEFAULT, 1,
                                      LENGTH_MAX, NULL)));
    value_put(&map, "expiration_ms",
              value_int(entry_duration_ms(entry, "default_expiration",
                                          EXPIRATION_DEFAULT_MS, true, NULL)));
    value_put(&map, "token_key", read_key(sup, entry));
    return map;
}

static void handle_store(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct entry *entry = NULL;

    if (id != NULL)
        entry =
            registry_find(request->sup->registry, id->as.string.data, id->as.string.n);
    if (entry == NULL) {
        request_refuse(request, ERR_NOT_FOUND, "token store not found");
    } else if (strcmp(entry->kind, "security.token_store") != 0) {
        request_refuse(request, ERR_INVALID, "resource is not a token store");
    } else {
        request_reply_taken(request, describe(request->sup, entry));
    }
}

static const struct system_target targets[] = {
    {"tokens.store", handle_store, ALLOW_WORKER},
};

void token_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
