/*
 * liveness -- who lives in a worker, readable by all others without asking.
 *
 * Each worker index owns one memfd for the whole life of the supervisor: a table of one
 * 32-bit word per actor slot, `generation << 1 | full`. Odd generations live, even ones
 * don't; starting an actor makes its slot's generation odd, ending it even, so a pid
 * (which carries the generation) is alive exactly while the word agrees with it. `full`
 * says that its mailbox takes no more for now. The worker maps its table writable,
 * others read-only; the supervisor makes every odd word even when the worker dies, and
 * passes the same table to the next worker of that index: a pid is never reused.
 */
#ifndef TROUPE_COMMON_LIVENESS_H
#define TROUPE_COMMON_LIVENESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"

#define LIVENESS_BYTES ((size_t)PID_MAX_SLOTS * sizeof(uint32_t)) /* sparse */

typedef _Atomic uint32_t liveness_word;

int liveness_create(void); /* a new memfd (cloexec), -1 with errno */

/* Maps fd's table; NULL with errno. The caller may close fd. */
liveness_word *liveness_map(int fd, bool writable);
void liveness_unmap(liveness_word *table);

static inline bool liveness_is_alive(const liveness_word *table, uint64_t pid)
{
    uint32_t word = atomic_load_explicit(&table[pid_slot(pid)], memory_order_acquire);

    return word >> 1 == pid_generation(pid);
}

static inline bool liveness_is_full(const liveness_word *table, uint64_t pid)
{
    return (atomic_load_explicit(&table[pid_slot(pid)], memory_order_acquire) & 1) != 0;
}

/* Slot 0 belongs to no actor: its word says how many slots were ever used (0 included),
 * so that the next worker begins with fresh ones. */
#define LIVENESS_USED_SLOT 0

/* After the death of the worker: nobody lives in these slots. */
void liveness_bury(liveness_word *table, uint32_t first_slot, uint32_t n_slots);

#endif
