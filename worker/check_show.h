/*
 * check_show -- types as people read them, in what the checker reports.
 *
 * A text is bounded in length and depth; what is left out is "...". It has no control
 * bytes, whatever is in the source.
 */
#ifndef TROUPE_WORKER_CHECK_SHOW_H
#define TROUPE_WORKER_CHECK_SHOW_H

#include <stdint.h>

#define TYPE_NAME_BYTES 80

struct type;

/* Returns out. NULL stands for any. */
const char *type_show(const struct type *type, char out[TYPE_NAME_BYTES]);

/* How many bytes of a name are shown, for "%.*s". */
static inline int name_shown(uint32_t n_bytes)
{
    return n_bytes > 60 ? 60 : (int)n_bytes;
}

#endif
