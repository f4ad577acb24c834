/* spans_private -- what spans.c and span_targets.c share. */
#ifndef TROUPE_SUPERVISOR_SPANS_PRIVATE_H
#define TROUPE_SUPERVISOR_SPANS_PRIVATE_H

#include "common/id.h"
#include "common/map.h"

#include "proto/trace_context.h"

#include "supervisor/spans.h"

#define SPAN_NAME_BYTES   160
#define SPAN_ERROR_BYTES  200
#define SPAN_VALUES_BYTES 256 /* larger ones are left out */

enum span_kind { SPAN_CALL, SPAN_PROCESS, SPAN_MESSAGE };
const char *span_kind_name(enum span_kind kind);

struct span {
    uint64_t handle; /* 0: there is none here */
    uint64_t id, parent;
    char trace[TRACE_ID_BYTES + 1];
    enum span_kind kind;
    bool ended;
    uint32_t worker; /* index, 0 = none yet */
    /* wall clock; 0 = not yet. ran: its worker began with it. */
    int64_t started_at_ns, sent_at_ns, ran_at_ns, ended_at_ns;
    uint16_t n_values; /* bytes of values, as they stand in the context */
    uint8_t values[SPAN_VALUES_BYTES];
    char outcome[16];             /* "" while it goes on */
    char target[SPAN_NAME_BYTES]; /* of an interceptor: what it stands around */
    char name[SPAN_NAME_BYTES], pid[PID_TEXT_MAX], error[SPAN_ERROR_BYTES];
};

struct spans {
    struct supervisor *sup;
    struct span *ring; /* NULL before the first one */
    struct map by_id;
    size_t max_spans;
    uint64_t last_handle, n_lost;
    uint64_t threshold; /* of random numbers that begin a trace */
    uint64_t random_state;
};

/* NULL: it has been overwritten. */
struct span *spans_find(const struct spans *spans, uint64_t handle);
struct span *spans_find_id(const struct spans *spans, uint64_t id);

/* A new one in the place of the oldest; its name and times are still to be set. */
struct span *spans_add(struct spans *spans, enum span_kind kind, const uint8_t *text,
                       uint64_t id);
void span_set_text(char *to, size_t n_to, struct bytes text);
/* Whoever exports it gets it now. */
void span_end(struct spans *spans, struct span *span, const char *outcome,
              int64_t at_ns);

/* span_targets.c */
void span_targets_add(struct supervisor *sup);

#endif
