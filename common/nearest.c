#include "common/nearest.h"

#include <string.h>

#define NAME_MAX_BYTES 64

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both are at
 * most NAME_MAX_BYTES long. Three rows of the usual table are enough. */
static size_t count_edits(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

    for (size_t j = 0; j <= n_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n_b];
}

static const char *find_within(const char *text, const char *const *names,
                               size_t n_names, size_t (*most_edits)(size_t n_bytes))
{
    size_t n_text = strlen(text), best = (size_t)-1;
    const char *found = NULL;

    if (n_text == 0 || n_text > NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < n_names; i++) {
        size_t n = names[i] != NULL ? strlen(names[i]) : 0;
        size_t edits;

        if (n == 0 || n > NAME_MAX_BYTES)
            continue;
        edits = count_edits(text, n_text, names[i], n);
        if (edits < best && edits <= most_edits(n)) {
            best = edits;
            found = names[i];
        }
    }
    return found;
}

static size_t a_third(size_t n_bytes)
{
    return (n_bytes + 2) / 3;
}

static size_t a_slip(size_t n_bytes)
{
    return n_bytes < 8 ? 1 : 2;
}

const char *nearest_find(const char *text, const char *const *names, size_t n_names)
{
    return find_within(text, names, n_names, a_third);
}

const char *nearest_find_slip(const char *text, const char *const *names,
                              size_t n_names)
{
    const char *found = find_within(text, names, n_names, a_slip);

    return found != NULL && found[0] == text[0] ? found : NULL;
}
