/* text_end -- how a text ends: most often the kind of a file. */
#ifndef TROUPE_COMMON_TEXT_END_H
#define TROUPE_COMMON_TEXT_END_H

#include <stdbool.h>
#include <string.h>

static inline bool text_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);

    return n >= n_end && memcmp(text + n - n_end, end, n_end) == 0;
}

#endif
