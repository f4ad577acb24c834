/*
 * interceptors -- which functions of an app stand around its calls (functions.md F-54).
 *
 * Every entry of kind interceptor.lua is one. For each target of a call there is a
 * chain: the interceptors whose `match` fits the target's id and meta, by their order,
 * then by id. Chains are made when a target is first called and forgotten with the next
 * change of the registry; a call under way keeps the one that it began with. What a
 * chain can't know beforehand (match.option, interceptors that a call must not meet
 * again) is decided link by link while the call walks through it: see hops.h.
 *
 * An app without interceptors costs a call one branch, interceptors_exist().
 */
#ifndef TROUPE_SUPERVISOR_INTERCEPTORS_H
#define TROUPE_SUPERVISOR_INTERCEPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/map.h"
#include "common/value.h"

struct entry;
struct problems;
struct snapshot;
struct supervisor;

/* Links before this order stand outside of retries, the others run once per attempt. */
#define RETRY_ORDER 20

struct interceptors {
    struct supervisor *sup;
    struct entry **entries; /* by order, then id; counted */
    size_t n;
    struct map chains; /* by target; those without a link too */
};

/* One interceptor that fits a target. */
struct chain_link {
    char *id;
    char *option;    /* runs only for calls with this option; NULL: for all */
    struct buf head; /* what its handler is told whatever the call is: n_head pairs */
    uint32_t n_head;
};

struct chain {
    unsigned n_refs;
    char *target;
    size_t n, n_outer;    /* links; those that stand outside of retries */
    struct value options; /* the target's own meta.options, nil when it has none */
    struct chain_link links[];
};

struct interceptors *interceptors_create(struct supervisor *sup);
void interceptors_destroy(struct interceptors *interceptors); /* NULL is fine */

/* Call once, when the registry holds its first version. */
void interceptors_load(struct interceptors *interceptors);

static inline bool interceptors_exist(const struct interceptors *interceptors)
{
    return __builtin_expect(interceptors->n != 0, 0);
}

/* The chain for calls to target, whose entry is given; it may have no links. Borrowed
 * until the registry changes. */
struct chain *interceptors_chain(struct interceptors *interceptors, struct bytes target,
                                 const struct entry *entry);

struct chain *chain_ref(struct chain *chain);
void chain_unref(struct chain *chain);

/* What is wrong with the fields that only interceptors have. */
void interceptor_check(const struct entry *entry, struct problems *problems);

#endif
