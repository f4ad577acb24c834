#include "supervisor/bytecode.h"

#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/luac_head.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/embed.h"
#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"

static int check_fields(const struct entry *entry, struct err *err)
{
    static const char *const names[] = {"fs", "path", "hash"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = value_get_text(entry_fields(entry), names[i]);

        if (text == NULL || text[0] == '\0')
            return err_set(err, ERR_INVALID, "%s is required", names[i]);
    }
    return 0;
}

/* NULL with err. */
static const struct embedded *find_file(const struct entry *entry,
                                        const struct snapshot *state,
                                        struct embed **in_out, struct err *err)
{
    const char *fs = value_get_text(entry_fields(entry), "fs");
    const char *path = value_get_text(entry_fields(entry), "path");
    const struct entry *files = snapshot_find(state, fs, strlen(fs));
    const struct embedded *file = NULL;

    if (files == NULL) {
        err_set(err, ERR_NOT_FOUND, "filesystem not found: %s", fs);
    } else if (strcmp(files->kind, "fs.embed") != 0) {
        err_set(err, ERR_PERMISSION_DENIED,
                "%s is a %s, and bytecode is taken from packs only", fs, files->kind);
    } else {
        *in_out = files->files;
        file = files->files != NULL ? embed_find(files->files, path) : NULL;
        if (file == NULL)
            err_set(err, ERR_NOT_FOUND, "failed to open file: %s", path);
    }
    return file;
}

static int check_hash(const struct entry *entry, struct bytes file, struct err *err)
{
    const char *expected = value_get_text(entry_fields(entry), "hash");
    const char *colon = strchr(expected, ':');
    char actual[DIGEST_TEXT_BYTES];

    if (colon == NULL)
        return err_set(err, ERR_INVALID, "invalid hash format: %s", expected);
    if (strncmp(expected, "sha256:", 7) != 0)
        return err_set(err, ERR_INVALID, "unsupported hash algorithm: %.*s",
                       (int)(colon - expected), expected);
    if (!digest_describe(&file, 1, actual))
        return err_set(err, ERR_UNAVAILABLE, "hashes need libcrypto, which is missing");
    if (strcmp(actual, expected) != 0)
        return err_set(err, ERR_INVALID, "hash mismatch: expected %s, got %s", expected,
                       actual);
    return 0;
}

static int check_head(struct bytes file, struct err *err)
{
    char made_for[80];

    if (luac_head_matches(file))
        return 0;
    luac_head_describe(file, made_for, sizeof(made_for));
    return err_set(err, ERR_INTERNAL, "failed to undump bytecode: it is for %s",
                   made_for);
}

static int take_code(struct entry *entry, const struct snapshot *state, struct err *err)
{
    struct value compiled = {0};
    const struct embedded *file;
    struct embed *in = NULL;

    if (check_fields(entry, err) == -1)
        return -1;
    file = find_file(entry, state, &in, err);
    if (file == NULL || check_hash(entry, file->content, err) == -1 ||
        check_head(file->content, err) == -1)
        return -1;
    entry->code = file->content;
    if (bytecode_read(entry, &compiled, err) == -1)
        return -1;
    value_finish(&compiled);
    entry->code_in = embed_ref(in);
    return 0;
}

void bytecode_check(struct entry *entry, const struct snapshot *state,
                    struct problems *problems)
{
    struct problem_at at = entry_at(entry, "kind");
    struct err err = {0};

    if (entry->code_in != NULL) /* it was looked at before: back to an old version */
        return;
    if (take_code(entry, state, &err) == -1)
        problems_add(problems, SEVERITY_ERROR, err.kind, &at, NULL,
                     "failed to load bytecode: %s", err.text);
}

int bytecode_read(const struct entry *entry, struct value *compiled_out,
                  struct err *err)
{
    struct value compiled = {0};
    const struct value *bytecode;
    struct err why;

    if (entry->code.n >= LUAC_HEAD_BYTES &&
        value_decode(entry->code.data + LUAC_HEAD_BYTES,
                     entry->code.n - LUAC_HEAD_BYTES, NULL, &compiled, &why) == 0) {
        bytecode = value_get(&compiled, "bytecode");
        if (bytecode != NULL && bytecode->type == VALUE_STRING) {
            *compiled_out = compiled;
            return 0;
        }
    }
    value_finish(&compiled);
    return err_set(err, ERR_INTERNAL, "failed to undump bytecode");
}

bool bytecode_write(const struct value *compiled, struct buf *out)
{
    uint8_t head[LUAC_HEAD_BYTES];

    luac_head_write(head);
    return buf_append(out, head, sizeof(head)) && value_encode(out, compiled);
}
