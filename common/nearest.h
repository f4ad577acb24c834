/* nearest -- "did you mean ...?": the known name closest to a mistyped one. */
#ifndef TROUPE_COMMON_NEAREST_H
#define TROUPE_COMMON_NEAREST_H

#include <stddef.h>

/* The name that takes the fewest edits (at most a third of its length, rounded up) to
 * become; NULL when none is close. names may hold NULLs, which are skipped. */
const char *nearest_find(const char *text, const char *const *names, size_t n_names);

/* The same where text may well be right: one slip of the finger away, two in names of
 * eight letters and more, and never in the first letter. */
const char *nearest_find_slip(const char *text, const char *const *names,
                              size_t n_names);

#endif
