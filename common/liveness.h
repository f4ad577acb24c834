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

/* In that word too, set by the supervisor: so much waits to be read by the worker that
 * nobody may send to its actors for now; so much waits to be read by whoever subscribed
 * to its events that it may publish none for now. */
#define LIVENESS_HELD_BIT  (1u << 31)
#define LIVENESS_QUIET_BIT (1u << 30)

static inline uint32_t liveness_n_used(const liveness_word *table)
{
    return atomic_load(&table[LIVENESS_USED_SLOT]) &
           ~(LIVENESS_HELD_BIT | LIVENESS_QUIET_BIT);
}

static inline void liveness_set_used(liveness_word *table, uint32_t n)
{
    atomic_fetch_add(&table[LIVENESS_USED_SLOT], n - liveness_n_used(table));
}

/* bit: one of the two above. */
static inline void liveness_set_bit(liveness_word *table, uint32_t bit, bool on)
{
    if (on)
        atomic_fetch_or(&table[LIVENESS_USED_SLOT], bit);
    else
        atomic_fetch_and(&table[LIVENESS_USED_SLOT], ~bit);
}

static inline bool liveness_has_bit(const liveness_word *table, uint32_t bit)
{
    return (atomic_load_explicit(&table[LIVENESS_USED_SLOT], memory_order_relaxed) &
            bit) != 0;
}

/* After the death of the worker: nobody lives in these slots. */
void liveness_bury(liveness_word *table, uint32_t first_slot, uint32_t n_slots);

#endif
