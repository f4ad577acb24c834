/* What a name that isn't there was probably meant to be. */
#include "supervisor/supctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/nearest.h"

static const struct value *find_entry(const struct value *entries, const char *id)
{
    for (size_t i = 0; i < entries->as.list.n; i++) {
        const char *have = value_get_text(&entries->as.list.items[i], "id");

        if (have != NULL && strcmp(have, id) == 0)
            return &entries->as.list.items[i];
    }
    return NULL;
}

/* The one that has that name in its namespace. */
static const char *find_by_name(const char *const *ids, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        const char *colon = strchr(ids[i], ':');

        if (colon != NULL && strcmp(colon + 1, name) == 0)
            return ids[i];
    }
    return NULL;
}

static const char *nearest_entry(const struct value *entries, const char *kind_prefix,
                                 const char *id)
{
    const char **names = xcalloc(entries->as.list.n + 1, sizeof(names[0])), *nearest;
    size_t n = 0;

    for (size_t i = 0; i < entries->as.list.n; i++) {
        const struct value *entry = &entries->as.list.items[i];
        const char *kind = value_get_text(entry, "kind");

        if (kind != NULL && (kind_prefix == NULL ||
                             strncmp(kind, kind_prefix, strlen(kind_prefix)) == 0))
            names[n++] = value_get_text(entry, "id");
    }
    nearest = find_by_name(names, n, id);
    if (nearest == NULL)
        nearest = nearest_find(id, names, n);
    free(names);
    return nearest;
}

void supctl_suggest(struct supctl *ctl, const char *kind_prefix, const char *id)
{
    struct supctl_error ignored = {0};
    struct value args = supctl_args_brief(NULL), entries = {0};
    const struct value *entry;
    const char *nearest;

    if (!ctl->json && ctl->client != NULL &&
        supctl_client_call(ctl->client, "@registry.list", &args, NULL, ASK_TIMEOUT_MS,
                           NULL, NULL, &entries, &ignored) == 0 &&
        entries.type == VALUE_LIST) {
        entry = find_entry(&entries, id);
        nearest = nearest_entry(&entries, kind_prefix, id);
        if (entry != NULL)
            fprintf(stderr, "%s is a %s.\n", id, value_get_text(entry, "kind"));
        else if (nearest != NULL)
            fprintf(stderr, "Did you mean '%s'?\n", nearest);
    }
    supctl_error_finish(&ignored);
    value_finish(&args);
    value_finish(&entries);
}
