/* hops_private -- what hops.c, hop_frames.c and hop_roots.c share. */
#ifndef TROUPE_SUPERVISOR_HOPS_PRIVATE_H
#define TROUPE_SUPERVISOR_HOPS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/value.h"

struct chain;

#define HOPS_VIA  "via" /* keys of the context, see context_map.h */
#define HOPS_ROOT "root"

/* A hop that is to be made. All is borrowed. */
struct step {
    struct chain *chain;
    size_t from, position; /* the first link in question, the one it comes to */
    struct bytes target, context, args;
    struct bytes active;  /* ids of those whose handlers are under way, as in via */
    struct value options; /* a map or nil */
    uint64_t parent, caller, deadline_at_ns;
    uint32_t attempt;
};

/* Is id one of those that via lists? */
bool hops_via_lists(struct bytes via, const char *id);

/* Appends the CALL to the handler at step->position, or to the target. attempt_at_out:
 * where in its body the number of the attempt stands (4 bytes, big endian). false when
 * out can't grow. */
bool hops_put_handler_frame(struct buf *out, const struct step *step,
                            uint32_t *attempt_at_out);
bool hops_put_target_frame(struct buf *out, const struct step *step);

/* Reads back from the body of a CALL to a handler what was put there: the arguments of
 * the intercepted call (appended as a payload) and its options. */
bool hops_take_handler_args(struct bytes body, struct buf *args,
                            struct value *options_out);

#endif
