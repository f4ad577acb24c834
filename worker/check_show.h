/*
 * check_show -- types as people read them, in what the checker reports.
 *
 * A text is bounded in length and depth; what is left out is "...". It has no control
 * bytes, whatever is in the source.
 */
#ifndef TROUPE_WORKER_CHECK_SHOW_H
#define TROUPE_WORKER_CHECK_SHOW_H

#define TYPE_NAME_BYTES 80

struct type;

/* Returns out. NULL stands for any. */
const char *type_show(const struct type *type, char out[TYPE_NAME_BYTES]);

#endif
