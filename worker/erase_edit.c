#include "worker/erase_edit.h"

#include <stdlib.h>
#include <string.h>

bool edits_init(struct edits *edits, const char *source, uint32_t n_bytes)
{
    *edits = (struct edits){.text = malloc((size_t)n_bytes + 1), .n_bytes = n_bytes};
    if (edits->text == NULL)
        return false;
    if (n_bytes != 0)
        memcpy(edits->text, source, n_bytes);
    edits->text[n_bytes] = '\0';
    return true;
}

void edits_finish(struct edits *edits)
{
    free(edits->text);
    free(edits->splices);
    *edits = (struct edits){0};
}

void edits_blank(struct edits *edits, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (edits->text[i] != '\n' && edits->text[i] != '\r')
            edits->text[i] = ' ';
    }
}

static void add_splice(struct edits *edits, uint32_t at, char insert)
{
    if (edits->n_splices == edits->size) {
        size_t size = edits->size == 0 ? 32 : edits->size * 2;
        struct splice *bigger = realloc(edits->splices, size * sizeof(*bigger));

        if (bigger == NULL) {
            edits->no_memory = true;
            return;
        }
        edits->splices = bigger;
        edits->size = size;
    }
    if (edits->n_splices > 0 && edits->splices[edits->n_splices - 1].at > at)
        edits->unsorted = true;
    edits->splices[edits->n_splices++] = (struct splice){at, insert};
}

void edits_delete(struct edits *edits, uint32_t at)
{
    add_splice(edits, at, '\0');
}

static bool is_blank(const struct edits *edits, uint32_t at)
{
    return at < edits->n_bytes && (edits->text[at] == ' ' || edits->text[at] == '\t');
}

void edits_put(struct edits *edits, uint32_t at, char c)
{
    if (is_blank(edits, at))
        edits->text[at] = c;
    else
        add_splice(edits, at, c);
}

void edits_put_before(struct edits *edits, uint32_t at, char c)
{
    if (at > 0 && is_blank(edits, at - 1))
        edits->text[at - 1] = c;
    else
        add_splice(edits, at, c);
}

static int compare_splices(const void *a, const void *b)
{
    uint32_t left = ((const struct splice *)a)->at;
    uint32_t right = ((const struct splice *)b)->at;

    return (left > right) - (left < right);
}

/* No two splices share an offset: an operand starts at one, a cast's end is at one, a
 * backslash is at one, and none of these tokens can be another. */
static char *apply_splices(struct edits *edits, size_t *n_bytes_out)
{
    char *out = malloc(edits->n_bytes + edits->n_splices + 1), *to = out;
    uint32_t from = 0;

    if (out == NULL)
        return NULL;
    if (edits->unsorted)
        qsort(edits->splices, edits->n_splices, sizeof(*edits->splices),
              compare_splices);
    for (size_t i = 0; i < edits->n_splices; i++) {
        const struct splice *splice = &edits->splices[i];

        memcpy(to, edits->text + from, splice->at - from);
        to += splice->at - from;
        from = splice->at;
        if (splice->insert == '\0')
            from++;
        else
            *to++ = splice->insert;
    }
    memcpy(to, edits->text + from, edits->n_bytes - from + 1);
    *n_bytes_out = (size_t)(to - out) + (edits->n_bytes - from);
    return out;
}

char *edits_take(struct edits *edits, size_t *n_bytes_out)
{
    char *text = edits->text;

    if (edits->no_memory)
        return NULL;
    if (edits->n_splices > 0)
        return apply_splices(edits, n_bytes_out);
    edits->text = NULL;
    *n_bytes_out = edits->n_bytes;
    return text;
}
