#include "worker/erase.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"

#include "worker/erase_parse.h"

#define EXCERPT_BYTES 120 /* of one line of source in a diagnostic */

static void (*const steps[])(struct parser *, struct goal) = {
#define X(name, step) [GOAL_##name] = erase_step_##step,
    ERASE_GOALS(X)
#undef X
};

static int refuse(struct erase_error *error, enum err_kind kind, const char *message)
{
    *error = (struct erase_error){.kind = kind};
    snprintf(error->message, sizeof(error->message), "%s", message);
    return -1;
}

static bool parse_chunk(struct parser *p)
{
    erase_advance(p);
    erase_plan(p, GOAL(BLOCK), EXPECT(TK_EOF));
    while (p->n_goals > 0 && !p->failed) {
        struct goal goal = p->goals[--p->n_goals];

        p->depth -= goal.nests;
        steps[goal.what](p, goal);
    }
    return !p->failed;
}

static int take_text(struct parser *p, struct erased *out, struct erase_error *error)
{
    size_t n_bytes = 0;
    char *text = edits_take(&p->edits, &n_bytes);

    if (text == NULL)
        return refuse(error, ERR_UNAVAILABLE, "no memory to erase types");
    *out = (struct erased){text, n_bytes, p->lexer.uses_G, p->types, p->n_types};
    p->types = NULL;
    return 0;
}

/* out may be NULL, follow too. */
static int read_source(const char *source, size_t n_bytes, struct erased *out,
                       erase_follower *follow, void *context, struct erase_error *error)
{
    struct parser *p;
    int rc = -1;

    if (n_bytes > ERASE_MAX_BYTES)
        return refuse(error, ERR_INVALID, "source larger than 64 MiB");
    p = calloc(1, sizeof(*p));
    if (p == NULL || !edits_init(&p->edits, source, (uint32_t)n_bytes)) {
        free(p);
        return refuse(error, ERR_UNAVAILABLE, "no memory to erase types");
    }
    *error = (struct erase_error){0};
    p->follow = follow;
    p->follow_context = context;
    edits_blank(&p->edits, 0,
                erase_lex_init(&p->lexer, source, (uint32_t)n_bytes, error));
    if (parse_chunk(p))
        rc = out != NULL ? take_text(p, out, error) : 0;
    edits_finish(&p->edits);
    free(p->types);
    free(p);
    return rc;
}

int erase_types_at(const char *source, size_t n_bytes, struct erased *out,
                   struct erase_error *error)
{
    return read_source(source, n_bytes, out, NULL, NULL, error);
}

int erase_follow(const char *source, size_t n_bytes, erase_follower *follow,
                 void *context, struct erase_error *error)
{
    return read_source(source, n_bytes, NULL, follow, context, error);
}

int erase_types(const char *source, size_t n_bytes, const char *chunk_name,
                struct erased *out, struct err *err)
{
    struct erase_error error;

    if (erase_types_at(source, n_bytes, out, &error) == 0)
        return 0;
    if (error.line == 0)
        return err_set(err, error.kind, "%s: %s", chunk_name, error.message);
    if (error.at_eof)
        return err_set(err, error.kind, "%s at EOF: %s", chunk_name, error.message);
    return err_set(err, error.kind, "%s:%d:%d: %s", chunk_name, error.line, error.col,
                   error.message);
}

void erased_finish(struct erased *erased)
{
    free(erased->text);
    free(erased->types);
    *erased = (struct erased){0};
}

/* The line of that number without its end; CR LF and LF CR count as one end. */
static struct bytes find_line(const char *source, size_t n_bytes, int line)
{
    size_t at = 0, end;

    for (int i = 1; i < line; i++) {
        while (at < n_bytes && source[at] != '\n' && source[at] != '\r')
            at++;
        if (at + 1 < n_bytes && (source[at + 1] == '\n' || source[at + 1] == '\r') &&
            source[at + 1] != source[at])
            at++;
        at += at < n_bytes;
    }
    for (end = at; end < n_bytes && source[end] != '\n' && source[end] != '\r';)
        end++;
    return (struct bytes){(const uint8_t *)source + at, end - at};
}

/* The source line, or the part of a long one around the column, printable; below it as
 * many blanks as it takes to stand under the column. */
static bool render_excerpt(struct buf *out, struct bytes line, size_t col, int width)
{
    size_t skipped = col > EXCERPT_BYTES * 3 / 4 ? col - EXCERPT_BYTES / 2 : 0;
    size_t n = line.n - skipped < EXCERPT_BYTES ? line.n - skipped : EXCERPT_BYTES;
    char text[EXCERPT_BYTES + 1], below[EXCERPT_BYTES + 1];
    size_t n_below = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = line.data[skipped + i];

        text[i] = (char)((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c);
        if (skipped + i + 1 < col && (c & 0xC0) != 0x80)
            below[n_below++] = c == '\t' ? '\t' : ' ';
    }
    text[n] = below[n_below] = '\0';
    if (!buf_printf(out, "%s\n", text))
        return false;
    return col == 0 || buf_printf(out, "%*s | %s^\n", width, "", below);
}

bool erase_render_error(const struct erase_error *error, const char *source,
                        size_t n_bytes, const char *chunk_name, struct buf *out)
{
    struct bytes line;
    size_t col = error->col > 0 ? (size_t)error->col : 0;
    int width = snprintf(NULL, 0, "%d", error->line);

    if (!buf_printf(out, "error: %s\n%*s--> %s", error->message, width, "", chunk_name))
        return false;
    if (error->line == 0)
        return buf_append_text(out, "\n");
    if (col != 0 && !buf_printf(out, ":%d:%d\n", error->line, error->col))
        return false;
    if (col == 0 && !buf_printf(out, ":%d\n", error->line))
        return false;
    line = find_line(source, n_bytes, error->line);
    if (col > line.n + 1)
        col = line.n + 1;
    return buf_printf(out, "%*s |\n%d | ", width, "", error->line) &&
           render_excerpt(out, line, col, width);
}
