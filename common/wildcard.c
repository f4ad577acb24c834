#include "common/wildcard.h"

#include <string.h>

static bool starts_with(const char *prefix, size_t n, const char *text, size_t n_bytes)
{
    return n <= n_bytes && memcmp(prefix, text, n) == 0;
}

bool wildcard_matches(const char *pattern, const void *text, size_t n_bytes)
{
    const char *at = text;
    size_t n = strlen(pattern);

    if (n > 2 && strcmp(pattern + n - 2, ".*") == 0)
        return starts_with(pattern, n - 2, at, n_bytes);
    if (n > 0 && pattern[n - 1] == '*')
        return starts_with(pattern, n - 1, at, n_bytes);
    if (n > 1 && pattern[0] == '*')
        return n - 1 <= n_bytes &&
               memcmp(pattern + 1, at + n_bytes - (n - 1), n - 1) == 0;
    return n == n_bytes && memcmp(pattern, at, n) == 0;
}
