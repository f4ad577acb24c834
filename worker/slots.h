/*
 * slots -- the pids of this worker: slot number → actor, generations, liveness table.
 *
 * A slot that was left is used again last (FIFO, and never while fewer than
 * SLOTS_COOL_DOWN others wait), so that a 31-bit generation lasts for years.
 */
#ifndef TROUPE_WORKER_SLOTS_H
#define TROUPE_WORKER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/liveness.h"

#define SLOTS_COOL_DOWN 1024

struct actor;

/* The actor, or (low bit set) the number of the next free slot. */
typedef uintptr_t slot_word;

struct slots {
    slot_word *slots;
    uint32_t n_size, n_used; /* allocated; ever used, slot 0 (nobody's) included */
    uint32_t n_free, first_free, last_free;
    uint32_t n_live;
    uint32_t index; /* worker index */
    liveness_word *liveness;
};

/* table is borrowed, writable. */
void slots_init(struct slots *slots, uint32_t index, liveness_word *table);
void slots_finish(struct slots *slots);

/* Gives actor a pid; 0 when all PID_MAX_SLOTS are taken. */
uint64_t slots_enter(struct slots *slots, struct actor *actor);
void slots_leave(struct slots *slots, uint64_t pid);

/* The pid is another actor's from now on. */
void slots_hand_over(struct slots *slots, uint64_t pid, struct actor *actor);

/* The living actor of that pid (which must be of this worker's index), or NULL. */
static inline struct actor *slots_find(const struct slots *slots, uint64_t pid)
{
    uint32_t slot = pid_slot(pid);

    if (slot == 0 || slot >= slots->n_used || pid_index(pid) != slots->index ||
        !liveness_is_alive(slots->liveness, pid))
        return NULL;
    return (struct actor *)slots->slots[slot];
}

/* The actor in that slot, or NULL. slot < n_used. */
static inline struct actor *slots_at(const struct slots *slots, uint32_t slot)
{
    slot_word word = slots->slots[slot];

    return (word & 1) != 0 ? NULL : (struct actor *)word;
}

/* Says to other workers whether its mailbox takes more. */
void slots_set_full(struct slots *slots, uint64_t pid, bool full);

#endif
