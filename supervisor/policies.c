#include "supervisor/policies.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/lifecycle_security.h"
#include "supervisor/policy_check.h"
#include "supervisor/registry.h"
#include "supervisor/worker.h"
#include "supervisor/worker_ask.h"

#define SET_TIMEOUT_MS 10000

struct policy_spread {
    struct supervisor *sup;
    struct value rows; /* what @policies.set takes */
};

/* ---- what workers get ------------------------------------------------------------ */

static struct value groups_of(const struct entry *entry)
{
    const struct value *groups = value_get(entry_fields(entry), "groups");
    size_t n = value_list_n(groups);
    struct value ids = value_list();

    for (size_t i = 0; i < n; i++) {
        const char *name = value_text(&groups->as.list.items[i]);
        char *id = name != NULL ? security_group_id(entry, name) : NULL;

        if (id != NULL)
            value_append(&ids, value_string(id));
        free(id);
    }
    return ids;
}

static void collect(struct policy_spread *spread)
{
    const struct snapshot *state = registry_state(spread->sup->registry);

    value_finish(&spread->rows);
    spread->rows = value_list();
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        const struct value *policy = value_get(entry_fields(entry), "policy");
        struct value row;

        if (!policy_entry_is_one(entry) || policy == NULL)
            continue;
        row = value_list();
        value_append(&row, value_string(entry->id));
        value_append(&row, value_copy(policy));
        if (strcmp(entry->kind, POLICY_KIND) == 0) /* the worker goes by it */
            value_remove(&row.as.list.items[1], "expression");
        value_append(&row, groups_of(entry));
        value_append(&spread->rows, row);
    }
}

/* A worker that doesn't take them has none: whoever has a scope there may do
 * nothing. */
static void on_set(void *context, uint8_t status, struct bytes result)
{
    struct err why;

    (void)context;
    if (status == REPLY_OK)
        return;
    error_of_bytes(result, &why);
    log_error("a worker did not take the security policies", "why=%s", why.text);
}

static void send(struct policy_spread *spread, struct worker *worker)
{
    worker_ask(worker, "@policies.set", spread->rows.as.list.items,
               spread->rows.as.list.n, SET_TIMEOUT_MS, on_set, NULL);
}

void policy_spread_to(struct policy_spread *spread, struct worker *worker)
{
    if (spread->rows.as.list.n != 0 && worker->pool != NULL)
        send(spread, worker);
}

static void on_changed(void *context, const struct changeset *changeset)
{
    struct policy_spread *spread = context;

    if (!changeset_concerns(changeset, policy_entry_is_one))
        return;
    collect(spread);
    WORKERS_FOREACH (worker, spread->sup->workers) {
        if ((worker->state == WORKER_SETUP || worker->state == WORKER_READY ||
             worker->state == WORKER_DRAINING) &&
            worker->pool != NULL)
            send(spread, worker);
    }
}

struct policy_spread *policy_spread_create(struct supervisor *sup)
{
    struct policy_spread *spread = xcalloc(1, sizeof(*spread));
    struct registry_observer observer = {.changed = on_changed, .context = spread};

    spread->sup = sup;
    collect(spread);
    registry_add_observer(sup->registry, &observer);
    return spread;
}

void policy_spread_destroy(struct policy_spread *spread)
{
    if (spread == NULL)
        return;
    value_finish(&spread->rows);
    free(spread);
}
