#include "worker/slots.h"

#include <stdlib.h>

#include "common/mem.h"

#define FREE_LAST      ((slot_word)1) /* free, and no other behind it */
#define MAX_GENERATION 0x7fffffffu    /* a word of the table holds no more */

void slots_init(struct slots *slots, uint32_t index, liveness_word *table)
{
    *slots = (struct slots){.index = index, .liveness = table, .n_used = 1};
    /* A predecessor's slots are used again only after fresh ones: the generations of
     * both go on where its table stopped. */
    slots->n_size = 256;
    slots->slots = xcalloc(slots->n_size, sizeof(*slots->slots));
    if (liveness_n_used(table) == 0)
        liveness_set_used(table, 1);
}

void slots_finish(struct slots *slots)
{
    free(slots->slots);
    slots->slots = NULL;
}

static uint32_t take_fresh(struct slots *slots)
{
    uint32_t slot = slots->n_used;

    if (slot == PID_MAX_SLOTS)
        return 0;
    if (slot == slots->n_size) {
        slots->n_size *= 2;
        slots->slots = xrealloc(slots->slots, slots->n_size * sizeof(*slots->slots));
    }
    slots->n_used++;
    if (liveness_n_used(slots->liveness) < slots->n_used)
        liveness_set_used(slots->liveness, slots->n_used);
    return slot;
}

static uint32_t take_used(struct slots *slots)
{
    uint32_t slot = slots->first_free;

    slots->first_free = (uint32_t)(slots->slots[slot] >> 1);
    slots->n_free--;
    return slot;
}

uint64_t slots_enter(struct slots *slots, struct actor *actor)
{
    uint32_t slot = 0, word, generation;

    if (slots->n_free < SLOTS_COOL_DOWN)
        slot = take_fresh(slots);
    if (slot == 0 && slots->n_free != 0)
        slot = take_used(slots);
    if (slot == 0)
        return 0;
    word = atomic_load_explicit(&slots->liveness[slot], memory_order_relaxed);
    generation = (((word >> 1) + 1) | 1) & MAX_GENERATION; /* the next odd one */
    atomic_store_explicit(&slots->liveness[slot], generation << 1,
                          memory_order_release);
    slots->slots[slot] = (slot_word)actor;
    slots->n_live++;
    return pid_make(slots->index, generation >> 1, slot);
}

void slots_leave(struct slots *slots, uint64_t pid)
{
    uint32_t slot = pid_slot(pid);

    atomic_store_explicit(&slots->liveness[slot],
                          ((pid_generation(pid) + 1) & MAX_GENERATION) << 1,
                          memory_order_release);
    slots->slots[slot] = FREE_LAST;
    if (slots->n_free++ == 0)
        slots->first_free = slot;
    else
        slots->slots[slots->last_free] = (slot_word)slot << 1 | 1;
    slots->last_free = slot;
    slots->n_live--;
}

void slots_hand_over(struct slots *slots, uint64_t pid, struct actor *actor)
{
    slots->slots[pid_slot(pid)] = (slot_word)actor;
}

void slots_set_full(struct slots *slots, uint64_t pid, bool full)
{
    atomic_store_explicit(&slots->liveness[pid_slot(pid)],
                          pid_generation(pid) << 1 | (full ? 1u : 0u),
                          memory_order_release);
}
