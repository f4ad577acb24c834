/*
 * names -- which actor a registered name stands for (processes.md section 7).
 *
 * One table, in the supervisor, so that two workers that register one name get one true
 * and one AlreadyExists. A name belongs to a live pid: it is free from the moment that
 * its owner's slot says dead; its row is removed after GONE or with the worker, in
 * slices between other work.
 *
 * A SPAWN that carries a name reserves it (SP-6). While it is reserved nobody else gets
 * it and it resolves to nothing; other spawns with that name wait for the outcome.
 *
 * System targets: @names.register [name, pid, host], @names.unregister [name],
 * @names.lookup [name] -> [pid, host], @names.list -> list of {name, pid}.
 */
#ifndef TROUPE_SUPERVISOR_NAMES_H
#define TROUPE_SUPERVISOR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"

struct err;
struct supervisor;

#define NAMES_MAX      1000000 /* in all; each costs a few hundred bytes */
#define NAME_MAX_BYTES 1024

struct names *names_create(struct supervisor *sup);

/* Another table of names, which has nothing to do with the first and no targets. */
struct names *names_create_plain(struct supervisor *sup);
void names_destroy(struct names *names);

size_t names_count(const struct names *names);

/* The live owner of name, 0 if none. host_out (may be NULL): its host text, borrowed
 * until the next change. */
uint64_t names_find(const struct names *names, struct bytes name,
                    struct bytes *host_out);

/* A spawn that waits for the outcome of another with the same name. Embedded in its
 * owner, who starts anew with names_claim_for_spawn() when on_settled comes, or calls
 * names_stop_waiting() when it loses interest. */
struct name_waiter {
    struct list link;
    void (*on_settled)(struct name_waiter *waiter);
};

/* Gives the name to a living actor, or does nothing if it has it already. Errors:
 * INVALID, NOT_FOUND (pid), ALREADY_EXISTS, LIMIT_EXCEEDED. */
int names_register(struct names *names, struct bytes text, uint64_t pid,
                   struct bytes host, struct err *err);

/* Takes the name away from that actor; false: it didn't have it. */
bool names_release(struct names *names, struct bytes text, uint64_t pid);

enum name_claim {
    NAME_CLAIMED, /* reserved: end with names_claim_succeed() or _fail() */
    NAME_TAKEN,   /* pid_out and host_out say by whom: signal that one */
    NAME_WAIT,    /* another spawn is at it: waiter is queued */
    NAME_REFUSED, /* not a possible name, or too many: err */
};
enum name_claim names_claim_for_spawn(struct names *names, struct bytes text,
                                      struct name_waiter *waiter, uint64_t *pid_out,
                                      struct bytes *host_out, struct err *err);
/* Call it before the REPLY of SPAWN is passed on. */
void names_claim_succeed(struct names *names, struct bytes text, uint64_t pid,
                         struct bytes host);
void names_claim_fail(struct names *names, struct bytes text);
void names_stop_waiting(struct name_waiter *waiter);

/* Called by actors.c. */
void names_on_gone(struct names *names, uint64_t pid);
void names_on_worker_dead(struct names *names, uint32_t index);

#endif
