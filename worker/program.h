/*
 * program -- an entry's code in this worker: its units (unit.h), and the VMs that run
 * them.
 *
 * An entry's imports are flattened into a list of bindings, dependencies first: unit,
 * alias. Everything is fetched before the first VM is made; who wants the program in
 * the meantime waits.
 */
#ifndef TROUPE_WORKER_PROGRAM_H
#define TROUPE_WORKER_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/value.h"

struct err;
struct programs;
struct runtime;
struct unit;
struct vm;

/* The unit runs with its result bound to alias (NULL: the entry itself, last). */
struct binding {
    struct unit *unit;
    const char *alias;
};

struct program {
    struct runtime *rt;
    struct unit *unit;
    struct binding *bindings;
    int n_bindings;
    bool uses_G;
    bool has_types;       /* types are values for it, see types.h */
    bool is_interceptor;  /* its method is a handler, see interceptor.h */
    const char **modules; /* all of its own and its libraries', no duplicates */
    int n_modules;
    struct list vms; /* those with room first */
    uint32_t n_actors;
    const char *id; /* unit->id */
    /* Its code has changed: nobody finds it any more, it ends with its last actor. */
    bool stale;
    struct list in_stale;
    struct value changes; /* of what, a list of ids */
};

struct programs *programs_create(struct runtime *rt);
void programs_destroy(struct programs *programs); /* who waits gets UNAVAILABLE */

/* Fetches what is missing, then calls done once (perhaps at once) with the program, or
 * NULL and err. context is the caller's. */
void programs_get(struct programs *programs, const char *id, size_t n_bytes,
                  void (*done)(void *context, struct program *program,
                               const struct err *err),
                  void *context);

/* The code of these entries (a list of texts) has changed: whatever is made of it runs
 * on for the actors that it has, but the next who wants it gets the new one. The
 * program that a pool's worker is there for stays: the supervisor replaces the
 * worker. */
void programs_forget(struct programs *programs, const struct value *ids);

/* Frees the programs that programs_forget() left and nobody uses. */
void programs_sweep(struct programs *programs);

/* Visits every program that is here. */
void programs_each(struct programs *programs,
                   void (*visit)(void *context, const struct program *program),
                   void *context);

/* Can what programs_get() gave be spawned? The supervisor looks before it starts an
 * actor; within one worker nobody else does. -1 with why not: err when program is NULL,
 * but NotFound in the words of processes. */
int program_check_process(const struct program *program, const struct err *err,
                          struct err *why_out);

/* A VM with room for one more actor. */
struct vm *program_vm(struct program *program, struct err *err);

/* Its last actor is buried: closes it, unless it is the one kept for the next actor. */
void program_vm_emptied(struct vm *vm);

#endif
