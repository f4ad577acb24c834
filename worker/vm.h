/*
 * vm -- one lua_State with the actors of one entry.
 *
 * Two entries never share a Lua heap. The entry's chunks (its libraries', then its own)
 * are loaded once per VM and instantiated per actor with the actor's own _ENV as their
 * argument. The allocator counts; above the soft ceiling the running actor gets an
 * error at its next instruction, above the hard one allocation fails (hazards L8: the
 * soft one comes first because a failing allocation can crash stock Lua 5.4.4). What is
 * trusted, and what finalisers need, is never refused.
 */
#ifndef TROUPE_WORKER_VM_H
#define TROUPE_WORKER_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "common/list.h"

#include "worker/heap.h"

struct err;
struct program;
struct runtime;

struct vm {
    struct runtime *rt;
    struct program *program;
    lua_State *L; /* runs nothing of the app's; holds what is shared */
    struct list in_program;
    struct heap heap;
    size_t used_bytes, soft_bytes, hard_bytes;
    int64_t asked_bytes; /* SY-4: what the app set as its memory limit, -1 = none */
    bool over;           /* the soft ceiling was passed */
    bool starved;        /* somebody got an error for it; functions.c takes note */
    bool crowded;        /* what runs in it leaves no room for others */
    uint32_t n_trusted;  /* > 0: our own code allocates, which must not fail halfway */
    int ref_actors;      /* table: vm_index → actor userdata */
    int ref_chunks;      /* table: unit number → chunk function */
    const void *channel_meta, *queue_meta; /* metatables, of channel.c */
    uint32_t n_actors, n_max_actors;
    uint32_t *free_indices; /* of ref_actors, a stack */
    uint32_t n_free_indices, n_indices, free_size;
    struct list idle; /* ended actors whose userdata and coroutine are used again */
    uint32_t n_idle;
};

/* Loads every chunk of program. NULL and err when that fails. */
struct vm *vm_create(struct runtime *rt, struct program *program, struct err *err);
void vm_destroy(struct vm *vm);

/* The low bits of a coroutine's extra space. */
enum vm_tag {
    /* It is on the way between a blocked innermost coroutine and the scheduler: nobody
     * else may resume it. */
    VM_TAG_BLOCKED = 1,
    /* The scheduler runs it: no app may. */
    VM_TAG_TASK = 2,
    /* A C function that can't yield lies between it and the scheduler. */
    VM_TAG_PINNED = 4,
};
#define VM_TAGS ((uintptr_t)7)

static inline struct vm *vm_of(lua_State *L)
{
    return (struct vm *)(*(uintptr_t *)lua_getextraspace(L) & ~VM_TAGS);
}

static inline bool vm_has_tag(lua_State *L, enum vm_tag tag)
{
    return (*(uintptr_t *)lua_getextraspace(L) & tag) != 0;
}

static inline void vm_set_tag(lua_State *L, enum vm_tag tag, bool on)
{
    uintptr_t *space = lua_getextraspace(L);

    *space = on ? *space | tag : *space & ~(uintptr_t)tag;
}

/* Pushes a new _ENV for an actor of this VM. */
void vm_push_env(struct vm *vm, lua_State *L);

/* Called by the hook: collects; raises in L when the VM is still over its ceiling. */
void vm_check_ceiling(lua_State *L);

#endif
