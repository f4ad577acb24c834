/*
 * regex -- RE2 for C: regular expressions whose time is linear in the text.
 *
 * Patterns come from apps, so that nothing which backtracks will do. Matching is
 * unanchored and sees UTF-8.
 */
#ifndef TROUPE_COMMON_REGEX_H
#define TROUPE_COMMON_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

/* NULL when the pattern is wrong or too large; error_out (may be NULL) says why. */
struct regex *regex_create(const char *pattern, size_t n_bytes, char *error_out,
                           size_t error_bytes);
void regex_destroy(struct regex *regex); /* NULL is fine */

/* How much there is to it, for bounds: making it took, and looking at a byte may take,
 * time in proportion. About one for each letter of a plain pattern; 0 of NULL. */
size_t regex_size(const struct regex *regex);

bool regex_matches(const struct regex *regex, const char *text, size_t n_bytes);

#ifdef __cplusplus
}
#endif

#endif
