#include "supervisor/pool_queue.h"

#include <stdlib.h>

#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/calls.h"
#include "supervisor/worker.h"

struct holder {
    struct list in_queue, in_worker;
    struct pool_queue *queue;
    struct worker *worker;
    uint32_t n_held;
    uint32_t n_granted; /* by RESUME, not yet used */
};

void pool_queue_init(struct pool_queue *queue, const char *name, uint32_t max)
{
    *queue = (struct pool_queue){.max = max, .name = name};
    list_init(&queue->calls);
    list_init(&queue->holders);
}

static void free_holder(struct holder *holder)
{
    holder->queue->n_held -= holder->n_held;
    list_remove(&holder->in_queue);
    list_remove(&holder->in_worker);
    free(holder);
}

void pool_queue_finish(struct pool_queue *queue)
{
    struct list *node;

    while ((node = list_first(&queue->holders)) != NULL)
        free_holder(container_of(node, struct holder, in_queue));
}

void pool_queue_forget_worker(struct worker *worker)
{
    struct list *node;

    while ((node = list_first(&worker->holders)) != NULL) {
        struct holder *holder = container_of(node, struct holder, in_worker);
        struct pool_queue *queue = holder->queue;

        free_holder(holder);
        pool_queue_resume(queue);
    }
}

static struct holder *find_holder(const struct pool_queue *queue,
                                  const struct worker *worker)
{
    LIST_FOREACH (node, &worker->holders) {
        struct holder *holder = container_of(node, struct holder, in_worker);

        if (holder->queue == queue)
            return holder;
    }
    return NULL;
}

static bool has_room(const struct pool_queue *queue)
{
    return queue->n < queue->max && queue->n_bytes < POOL_QUEUE_MAX_BYTES;
}

static void free_if_done(struct holder *holder)
{
    if (holder->n_held == 0 && holder->n_granted == 0)
        free_holder(holder);
}

bool pool_queue_use_grant(struct pool_queue *queue, const struct origin *origin)
{
    struct holder *holder;

    if (list_empty(&queue->holders) || origin->type != ORIGIN_WORKER)
        return false;
    holder = find_holder(queue, origin->who.worker);
    if (holder == NULL || holder->n_granted == 0)
        return false;
    holder->n_granted--;
    free_if_done(holder);
    return true;
}

bool pool_queue_admits(struct pool_queue *queue, const struct origin *origin)
{
    bool granted = pool_queue_use_grant(queue, origin);

    if (!has_room(queue))
        return false;
    return granted || queue->n_held == 0 || origin->type != ORIGIN_WORKER;
}

void pool_queue_added(struct pool_queue *queue, uint32_t body_bytes)
{
    queue->n++;
    queue->n_bytes += body_bytes;
}

void pool_queue_removed(struct pool_queue *queue, uint32_t body_bytes)
{
    queue->n--;
    queue->n_bytes -= body_bytes;
    if (queue->n_held != 0)
        pool_queue_resume(queue);
}

struct call *pool_queue_first(const struct pool_queue *queue)
{
    struct list *node = list_first(&queue->calls);

    return node != NULL ? container_of(node, struct call, to) : NULL;
}

void pool_queue_held(struct pool_queue *queue, struct worker *worker)
{
    struct holder *holder = find_holder(queue, worker);

    if (holder == NULL) {
        holder = xcalloc(1, sizeof(*holder));
        holder->queue = queue;
        holder->worker = worker;
        list_append(&queue->holders, &holder->in_queue);
        list_append(&worker->holders, &holder->in_worker);
    }
    holder->n_held++;
    queue->n_held++;
}

static void grant(struct holder *holder, uint32_t n)
{
    struct frame_resume frame = {.n = n, .queue = bytes_of_text(holder->queue->name)};
    struct conn *conn = holder->worker->conn;

    holder->queue->n_held -= n;
    holder->n_held -= n;
    holder->n_granted += n;
    if (!conn_is_closed(conn) && frame_encode_resume(conn_out(conn), &frame))
        conn_wrote(conn);
}

/* Every holder gets the same share of what is free; the next round begins with another
 * one. Returns what is left. */
static uint32_t share_out(struct pool_queue *queue, uint32_t n_free)
{
    uint32_t n_holders = 0, share;

    LIST_FOREACH (node, &queue->holders)
        n_holders++;
    if (n_holders == 0)
        return 0;
    share = n_free / n_holders != 0 ? n_free / n_holders : 1;
    LIST_FOREACH (node, &queue->holders) {
        struct holder *holder = container_of(node, struct holder, in_queue);
        uint32_t n = holder->n_held < share ? holder->n_held : share;

        n = n < n_free ? n : n_free;
        n_free -= n;
        if (n != 0)
            grant(holder, n);
    }
    list_append(&queue->holders, list_take_first(&queue->holders));
    return n_free;
}

void pool_queue_resume(struct pool_queue *queue)
{
    uint32_t n_free = queue->max - queue->n;

    if (queue->n > queue->max / 2)
        return;
    while (queue->n_held != 0 && n_free != 0)
        n_free = share_out(queue, n_free);
}

void pool_queue_unhold(struct pool_queue *queue, struct worker *worker, uint32_t n)
{
    struct holder *holder = find_holder(queue, worker);
    uint32_t n_held;

    if (holder == NULL)
        return;
    n_held = n < holder->n_held ? n : holder->n_held;
    holder->n_held -= n_held;
    queue->n_held -= n_held;
    /* The rest of them got their RESUME while this was under way. */
    n -= n_held;
    holder->n_granted -= n < holder->n_granted ? n : holder->n_granted;
    free_if_done(holder);
    pool_queue_resume(queue);
}

void pool_queue_resume_all(struct pool_queue *queue)
{
    LIST_FOREACH (node, &queue->holders) {
        struct holder *holder = container_of(node, struct holder, in_queue);

        if (holder->n_held != 0)
            grant(holder, holder->n_held);
    }
}
