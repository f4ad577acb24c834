/*
 * peer_use -- how much of the supervisor one worker or client has taken.
 *
 * What peers may have under way here is bounded in all, and one of them, however it
 * came to be that way, must not take all of it: the others would be refused for what
 * they never did.
 */
#ifndef TROUPE_SUPERVISOR_PEER_USE_H
#define TROUPE_SUPERVISOR_PEER_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

struct origin;

/* What one peer has under way. */
struct peer_use {
    struct list calls;     /* that wait for their answer, see calls_open() */
    uint32_t n_calls;      /* in that list */
    uint32_t n_requests;   /* to the supervisor itself, until they are freed */
    size_t request_weight; /* of their arguments */
    uint32_t n_spawns;     /* that wait for a name, see router_spawn.h */
    size_t spawn_bytes;
};

/* All but the list is zero already. */
static inline void peer_use_init(struct peer_use *use)
{
    list_init(&use->calls);
}

/* Who has n of what there can be at most n_most of, and all together have n_all: may he
 * have one more? As long as there is more left than he has: so the first to come gets
 * half at most, and there is always room for the next. */
static inline bool use_is_fair(size_t n, size_t n_all, size_t n_most)
{
    return n < n_most - n_all;
}

/* That of whoever asked; NULL: the supervisor itself, or nobody. */
struct peer_use *origin_use(const struct origin *origin);

#endif
