#include "supervisor/embed.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#define PATH_MAX_BYTES 4000

struct embed *embed_create(void)
{
    struct embed *embed = xcalloc(1, sizeof(*embed));

    embed->n_refs = 1;
    return embed;
}

struct embed *embed_ref(struct embed *embed)
{
    embed->n_refs++;
    return embed;
}

void embed_unref(struct embed *embed)
{
    if (embed == NULL || --embed->n_refs != 0)
        return;
    for (size_t i = 0; i < embed->n; i++) {
        free(embed->files[i].path);
        free((void *)embed->files[i].content.data);
    }
    free(embed->files);
    free(embed);
}

/* The place of the first file whose path is not before this one. */
static size_t lower_bound(const struct embed *embed, const char *path)
{
    size_t low = 0, high = embed->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(embed->files[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int embed_add(struct embed *embed, const char *path, struct bytes content,
              struct err *err)
{
    size_t at = lower_bound(embed, path), n_path = strlen(path);
    uint8_t *copy;

    if (n_path == 0 || n_path > PATH_MAX_BYTES)
        return err_set(err, ERR_INVALID, "a file's path is empty or too long");
    if (at < embed->n && strcmp(embed->files[at].path, path) == 0)
        return err_set(err, ERR_ALREADY_EXISTS, "two files are called %s", path);
    copy = malloc(content.n + 1);
    if (copy == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for %zu bytes", content.n);
    if (content.n != 0)
        memcpy(copy, content.data, content.n);
    if (embed->n == embed->size) {
        embed->size = embed->size == 0 ? 16 : 2 * embed->size;
        embed->files = xrealloc(embed->files, embed->size * sizeof(*embed->files));
    }
    memmove(embed->files + at + 1, embed->files + at,
            (embed->n - at) * sizeof(*embed->files));
    embed->files[at] = (struct embedded){xstrdup(path), {copy, content.n}};
    embed->n++;
    return 0;
}

const struct embedded *embed_find(const struct embed *embed, const char *path)
{
    size_t at = lower_bound(embed, path);

    return at < embed->n && strcmp(embed->files[at].path, path) == 0 ? &embed->files[at]
                                                                     : NULL;
}

struct value embed_describe(const struct embed *embed)
{
    struct bytes *parts = xcalloc(3 * embed->n + 1, sizeof(*parts));
    uint64_t *lengths = xcalloc(embed->n + 1, sizeof(*lengths));
    struct value data = value_map();
    char hash[DIGEST_TEXT_BYTES] = "";
    uint64_t n_bytes = 0;

    for (size_t i = 0; i < embed->n; i++) {
        const struct embedded *file = &embed->files[i];

        lengths[i] = file->content.n;
        n_bytes += file->content.n;
        parts[3 * i] =
            (struct bytes){(const uint8_t *)file->path, strlen(file->path) + 1};
        parts[3 * i + 1] =
            (struct bytes){(const uint8_t *)&lengths[i], sizeof(lengths[i])};
        parts[3 * i + 2] = file->content;
    }
    digest_describe(parts, 3 * embed->n, hash);
    free(parts);
    free(lengths);
    value_put(&data, "files", value_int((int64_t)embed->n));
    value_put(&data, "bytes", value_int((int64_t)n_bytes));
    value_put(&data, "hash", value_string(hash));
    return data;
}
