/*
 * time_layout -- instants as text after an example: "2006-01-02 15:04" (TM-7).
 *
 * A layout shows how one reference instant, Mon Jan 2 15:04:05 MST 2006, would look;
 * its parts are found by their text, longest first, and all else is literal. The rules
 * and the sentences of errors are Go's, since apps bring layouts written for it.
 */
#ifndef TROUPE_WORKER_MODULES_TIME_LAYOUT_H
#define TROUPE_WORKER_MODULES_TIME_LAYOUT_H

#include <stddef.h>

#include "worker/modules/calendar.h"
#include "worker/modules/zone.h"

struct err;

/* Takes the next piece of output. It may longjmp: the formatter owns nothing. */
typedef void time_write(void *context, const char *text, size_t n_bytes);

void time_layout_format(const char *layout, size_t n_layout, struct instant at,
                        const struct zone *zone, time_write *write, void *context);

struct time_parsed {
    struct instant at;
    const struct zone *zone; /* borrowed; NULL = the one in fixed */
    struct zone fixed;       /* an offset of the text that zone doesn't have then */
};

/* zone: for text that names none, and to explain abbreviations and offsets with.
 * Errors: INVALID. */
int time_layout_parse(const char *layout, size_t n_layout, const char *text,
                      size_t n_text, const struct zone *zone,
                      struct time_parsed *parsed_out, struct err *err);

#endif
