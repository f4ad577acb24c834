#include "supervisor/code_news.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/contracts.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/worker.h"
#include "supervisor/worker_ask.h"

#define FORGET_TIMEOUT_MS 10000 /* who is stuck for so long has other worries */

struct news_waiter {
    struct list node;
    void (*done)(void *context);
    void (*drop)(void *context);
    void *context;
};

struct code_news {
    struct supervisor *sup;
    unsigned n_asked;     /* workers that have not answered yet */
    struct map upgrading; /* actors that said so, by pid */
    struct list waiters;
};

static void check(struct code_news *news)
{
    struct list told;
    struct list *node;

    if (news->n_asked != 0)
        return;
    list_init(&told); /* whoever is told may make the next change at once */
    while ((node = list_take_first(&news->waiters)) != NULL)
        list_append(&told, node);
    while ((node = list_take_first(&told)) != NULL) {
        struct news_waiter *waiter = container_of(node, struct news_waiter, node);

        waiter->done(waiter->context);
        free(waiter);
    }
}

/* The pids of actors that were told and will take the new code by themselves. */
static void note_upgrading(struct code_news *news, struct bytes result)
{
    struct value list = {0};
    const struct value *pids;

    if (payload_decode(result, &list, NULL) == -1)
        return;
    pids = value_item(&list, 0);
    for (size_t i = 0; i < value_list_n(pids); i++)
        if (pids->as.list.items[i].type == VALUE_INT)
            map_put_number(&news->upgrading,
                           (uint64_t)pids->as.list.items[i].as.integer, news);
    value_finish(&list);
}

/* A worker that failed to answer is dead or will be killed: both forget. */
static void on_forgotten(void *context, uint8_t status, struct bytes result)
{
    struct code_news *news = context;

    if (status == REPLY_OK)
        note_upgrading(news, result);
    news->n_asked--;
    check(news);
}

/* What workers may have of it: entries that had a source before. */
static struct value ids_to_forget(const struct changeset *changeset)
{
    struct value ids = value_list();

    for (size_t i = 0; i < changeset->n; i++) {
        const struct entry *before = changeset->changes[i].before;

        if (before != NULL && value_get(&before->data, "source") != NULL)
            value_append(&ids, value_string(before->id));
    }
    return ids;
}

static void tell_all(struct code_news *news, const char *target,
                     const struct value *items, size_t n)
{
    WORKERS_FOREACH (worker, news->sup->workers) {
        if (worker->state != WORKER_READY || worker->pool == NULL)
            continue;
        news->n_asked++;
        worker_ask(worker, target, items, n, FORGET_TIMEOUT_MS, on_forgotten, news);
    }
}

void code_news_spread(struct code_news *news, const struct changeset *changeset)
{
    struct value ids = ids_to_forget(changeset);

    map_finish(&news->upgrading);
    map_init(&news->upgrading);
    news->n_asked++; /* answers may come while we still ask */
    if (ids.as.list.n != 0)
        tell_all(news, "@code.forget", ids.as.list.items, ids.as.list.n);
    if (contracts_changed(changeset))
        tell_all(news, "@contract.forget", NULL, 0);
    value_finish(&ids);
    news->n_asked--;
    check(news);
}

void code_news_wait(struct code_news *news, void (*done)(void *context),
                    void (*drop)(void *context), void *context)
{
    struct news_waiter *waiter = xcalloc(1, sizeof(*waiter));

    *waiter = (struct news_waiter){.done = done, .drop = drop, .context = context};
    list_init(&waiter->node);
    list_append(&news->waiters, &waiter->node);
    check(news);
}

bool code_news_is_upgrading(const struct code_news *news, uint64_t pid)
{
    return map_find_number(&news->upgrading, pid) != NULL;
}

struct code_news *code_news_create(struct supervisor *sup)
{
    struct code_news *news = xcalloc(1, sizeof(*news));

    news->sup = sup;
    map_init(&news->upgrading);
    list_init(&news->waiters);
    return news;
}

void code_news_destroy(struct code_news *news)
{
    struct list *node;

    if (news == NULL)
        return;
    while ((node = list_take_first(&news->waiters)) != NULL) {
        struct news_waiter *waiter = container_of(node, struct news_waiter, node);

        waiter->drop(waiter->context);
        free(waiter);
    }
    map_finish(&news->upgrading);
    free(news);
}
