#include "worker/peers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/list.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/runtime.h"
#include "worker/uplink.h"

#define KNOWN_HOSTS 256 /* the last ones that were asked for */

/* Who waits for the table of the worker with that index. */
struct asker {
    struct list node;
    struct task *task; /* NULL: it was dropped */
    uint32_t index;
};

struct known_host {
    uint64_t pid;
    struct buf host;
};

struct peers {
    liveness_word *tables[PID_MAX_WORKERS]; /* read-only */
    struct list askers;
    struct known_host *hosts; /* by pid, each in one place; NULL: none yet */
};

struct peers *peers_create(void)
{
    struct peers *peers = xcalloc(1, sizeof(*peers));

    list_init(&peers->askers);
    return peers;
}

void peers_destroy(struct peers *peers)
{
    struct list *node;

    if (peers == NULL)
        return;
    while ((node = list_take_first(&peers->askers)) != NULL)
        free(container_of(node, struct asker, node));
    for (uint32_t i = 0; i < PID_MAX_WORKERS; i++)
        liveness_unmap(peers->tables[i]);
    for (size_t i = 0; i < KNOWN_HOSTS && peers->hosts != NULL; i++)
        buf_finish(&peers->hosts[i].host);
    free(peers->hosts);
    free(peers);
}

static struct known_host *place_of(const struct peers *peers, uint64_t pid)
{
    return &peers->hosts[(pid_slot(pid) ^ pid_index(pid)) % KNOWN_HOSTS];
}

static enum host_claim compare_hosts(struct bytes known, const char *host,
                                     size_t host_bytes)
{
    return known.n == host_bytes && memcmp(known.data, host, host_bytes) == 0
               ? HOST_RIGHT
               : HOST_WRONG;
}

enum host_claim peers_check_host(struct runtime *rt, uint64_t pid, const char *host,
                                 size_t host_bytes)
{
    const struct actor *actor = slots_find(&rt->slots, pid);
    const struct known_host *known;

    if (actor != NULL)
        return compare_hosts(bytes_of_text(actor->host), host, host_bytes);
    if (peers_check(rt, pid) == PEER_DEAD)
        return HOST_RIGHT;
    if (rt->peers->hosts == NULL)
        return HOST_UNKNOWN;
    known = place_of(rt->peers, pid);
    return known->pid == pid ? compare_hosts(buf_bytes(&known->host), host, host_bytes)
                             : HOST_UNKNOWN;
}

void peers_learn_host(struct runtime *rt, uint64_t pid, const char *host,
                      size_t host_bytes)
{
    struct peers *peers = rt->peers;
    struct known_host *known;

    if (peers->hosts == NULL) {
        peers->hosts = xcalloc(KNOWN_HOSTS, sizeof(*peers->hosts));
        for (size_t i = 0; i < KNOWN_HOSTS; i++)
            buf_init(&peers->hosts[i].host, ID_MAX_BYTES);
    }
    known = place_of(peers, pid);
    buf_clear(&known->host);
    known->pid = buf_append(&known->host, host, host_bytes) ? pid : 0;
}

enum peer_state peers_check(struct runtime *rt, uint64_t pid)
{
    uint32_t index = pid_index(pid);
    const liveness_word *table = rt->peers->tables[index];

    if (index == rt->slots.index)
        table = rt->slots.liveness;
    if (index == 0 || pid_slot(pid) == LIVENESS_USED_SLOT)
        return PEER_DEAD;
    if (table == NULL)
        return PEER_UNMAPPED;
    if (!liveness_is_alive(table, pid))
        return PEER_DEAD;
    if (index != rt->slots.index && liveness_has_bit(table, LIVENESS_HELD_BIT))
        return PEER_FULL;
    return liveness_is_full(table, pid) ? PEER_FULL : PEER_ALIVE;
}

static void withdraw(struct task *task)
{
    struct asker *asker = task->withdraw_state;

    asker->task = NULL;
}

void peers_ask(struct runtime *rt, uint32_t index, struct task *task)
{
    struct asker *asker = xcalloc(1, sizeof(*asker));

    asker->task = task;
    asker->index = index;
    task->withdraw = withdraw;
    task->withdraw_state = asker;
    list_append(&rt->peers->askers, &asker->node);
    uplink_wrote(rt->uplink, frame_encode_map(conn_out(uplink_conn(rt->uplink)),
                                              &(struct frame_map){.index = index}));
}

static void wake_askers(struct peers *peers, uint32_t index)
{
    LIST_FOREACH_SAFE (node, &peers->askers) {
        struct asker *asker = container_of(node, struct asker, node);

        if (asker->index != index)
            continue;
        list_remove(&asker->node);
        if (asker->task != NULL)
            task_wake(asker->task, WAKE_PLAIN, 0);
        free(asker);
    }
}

int peers_on_mapped(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_mapped frame;
    struct peers *peers = rt->peers;
    int fd;

    if (frame_decode_mapped(body, &frame, err) == -1)
        return -1;
    if (frame.index >= PID_MAX_WORKERS)
        return err_set(err, ERR_INVALID, "worker index %u is out of range",
                       frame.index);
    if (frame.found) {
        fd = conn_take_fd(uplink_conn(rt->uplink));
        if (fd == -1)
            return err_set(err, ERR_INVALID, "MAPPED came without its descriptor");
        if (peers->tables[frame.index] == NULL)
            peers->tables[frame.index] = liveness_map(fd, false);
        close(fd);
    }
    wake_askers(peers, frame.index);
    return 0;
}
