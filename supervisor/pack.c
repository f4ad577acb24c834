#include "supervisor/pack.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/luac_head.h"
#include "common/mem.h"
#include "common/text_end.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/embed.h"
#include "supervisor/entry.h"
#include "supervisor/registry_kinds.h"

#define VERSION        1
#define HOLDS_BYTECODE 1u /* a flag */
#define SHA256_BYTES   32
#define FILES_MAX      100000

/* The first line lets a shell start it, where `supervisor` is to be found. */
static const char magic[40] = "#!/usr/bin/env -S supervisor run\n\x1aWAPP\r\n";

enum pack_at {
    AT_VERSION = 40,
    AT_FLAGS = 44,
    AT_LUA = 48,
    AT_TABLE_BYTES = AT_LUA + LUAC_HEAD_BYTES,
    AT_FILES_BYTES = AT_TABLE_BYTES + 8,
    AT_HASH = AT_FILES_BYTES + 8,
    AT_TABLE = AT_HASH + SHA256_BYTES,
};

bool pack_is_path(const char *path)
{
    static const char end[] = ".wapp";

    return strlen(path) > strlen(end) && text_ends_with(path, end);
}

static void put_number(uint8_t *at, uint64_t number, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        at[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t get_number(const uint8_t *at, size_t n_bytes)
{
    uint64_t number = 0;

    for (size_t i = n_bytes; i-- > 0;)
        number = number << 8 | at[i];
    return number;
}

/* Of everything but itself. */
static int compute_hash(struct bytes pack, uint8_t out[DIGEST_MAX_BYTES],
                        struct err *err)
{
    struct bytes parts[] = {{pack.data, AT_HASH},
                            {pack.data + AT_TABLE, pack.n - AT_TABLE}};
    size_t n = 0;

    if (!digest_compute(DIGEST_SHA256, parts, N_ELEMENTS(parts), out, &n) ||
        n != SHA256_BYTES)
        return err_set(err, ERR_UNAVAILABLE, "packs need libcrypto, which is missing");
    return 0;
}

/* ---- writing --------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const struct entry *const *left = a, *const *right = b;

    return strcmp((*left)->id, (*right)->id);
}

static struct value describe_entry(const struct entry *entry)
{
    struct value row = entry_to_value(entry);
    struct value files;

    if (entry->files == NULL)
        return row;
    files = value_list();
    for (size_t i = 0; i < entry->files->n; i++) {
        struct value *file = value_append(&files, value_map());

        value_put(file, "path", value_string(entry->files->files[i].path));
        value_put(file, "bytes", value_int((int64_t)entry->files->files[i].content.n));
    }
    value_put(&row, "files", files);
    return row;
}

static bool has_bytecode(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_BYTECODE) != 0;
}

static bool append_files(struct entry *const *entries, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct embed *files = entries[i]->files;

        for (size_t f = 0; files != NULL && f < files->n; f++)
            if (!buf_append(out, files->files[f].content.data,
                            files->files[f].content.n))
                return false;
    }
    return true;
}

static bool append_table(struct entry *const *entries, size_t n, struct buf *out)
{
    struct value table = value_list();
    bool fits;

    for (size_t i = 0; i < n; i++)
        value_append(&table, describe_entry(entries[i]));
    fits = value_encode(out, &table);
    value_finish(&table);
    return fits;
}

static void fill_head(uint8_t *head, bool bytecode, size_t table_bytes,
                      size_t files_bytes)
{
    memcpy(head, magic, sizeof(magic));
    put_number(head + AT_VERSION, VERSION, 4);
    put_number(head + AT_FLAGS, bytecode ? HOLDS_BYTECODE : 0, 4);
    luac_head_write(head + AT_LUA);
    put_number(head + AT_TABLE_BYTES, table_bytes, 8);
    put_number(head + AT_FILES_BYTES, files_bytes, 8);
}

static int append_pack(struct entry *const *entries, size_t n, struct buf *out,
                       struct err *err)
{
    static const uint8_t no_head[AT_TABLE];
    size_t start = buf_len(out), after_table;
    uint8_t hash[DIGEST_MAX_BYTES], *head;
    bool bytecode = false;

    for (size_t i = 0; i < n; i++)
        bytecode = bytecode || has_bytecode(entries[i]);
    if (!buf_append(out, no_head, sizeof(no_head)) || !append_table(entries, n, out))
        return err_set(err, ERR_UNAVAILABLE, "no memory for the pack");
    after_table = buf_len(out);
    if (!append_files(entries, n, out))
        return err_set(err, ERR_UNAVAILABLE, "no memory for the pack");
    if (buf_len(out) - start > PACK_MAX_BYTES)
        return err_set(err, ERR_LIMIT_EXCEEDED, "the pack has more than %zu MiB",
                       PACK_MAX_BYTES >> 20);
    head = buf_head(out) + start;
    fill_head(head, bytecode, after_table - start - AT_TABLE,
              buf_len(out) - after_table);
    if (compute_hash((struct bytes){head, buf_len(out) - start}, hash, err) == -1)
        return -1;
    memcpy(head + AT_HASH, hash, SHA256_BYTES);
    return 0;
}

int pack_encode(const struct entry_list *entries, struct buf *out, struct err *err)
{
    struct entry **sorted = xcalloc(entries->n + 1, sizeof(*sorted));
    int rc;

    for (size_t i = 0; i < entries->n; i++)
        sorted[i] = entries->items[i];
    qsort(sorted, entries->n, sizeof(*sorted), compare_ids);
    rc = append_pack(sorted, entries->n, out, err);
    free(sorted);
    return rc;
}

/* ---- reading --------------------------------------------------------------------- */

/* Does a file that starts like this claim to be a pack? */
static bool starts_as_pack(struct bytes start)
{
    return start.n >= sizeof(magic) && memcmp(start.data, magic, sizeof(magic)) == 0;
}

static int check_version(struct bytes pack, struct err *err)
{
    uint64_t version, flags;
    char lua[80], ours[80];
    uint8_t head[LUAC_HEAD_BYTES];

    if (pack.n < AT_TABLE)
        return err_set(err, ERR_INVALID, "the pack is cut short");
    version = get_number(pack.data + AT_VERSION, 4);
    flags = get_number(pack.data + AT_FLAGS, 4);
    if (version != VERSION || (flags & ~HOLDS_BYTECODE) != 0)
        return err_set(err, ERR_INVALID,
                       "the pack has format %u, this build reads format %d",
                       (unsigned)version, VERSION);
    if ((flags & HOLDS_BYTECODE) == 0 ||
        luac_head_matches((struct bytes){pack.data + AT_LUA, LUAC_HEAD_BYTES}))
        return 0;
    luac_head_write(head);
    luac_head_describe((struct bytes){head, sizeof(head)}, ours, sizeof(ours));
    luac_head_describe((struct bytes){pack.data + AT_LUA, LUAC_HEAD_BYTES}, lua,
                       sizeof(lua));
    return err_set(err, ERR_INVALID,
                   "the pack has bytecode for %s, this build runs that for %s; pack it "
                   "again, or without --bytecode",
                   lua, ours);
}

static int check_hash(struct bytes pack, struct err *err)
{
    uint64_t table_bytes = get_number(pack.data + AT_TABLE_BYTES, 8);
    uint64_t files_bytes = get_number(pack.data + AT_FILES_BYTES, 8);
    uint64_t rest = pack.n - AT_TABLE;
    uint8_t hash[DIGEST_MAX_BYTES];

    if (table_bytes > rest || files_bytes > rest - table_bytes)
        return err_set(err, ERR_INVALID, "the pack is cut short");
    if (table_bytes + files_bytes != rest)
        return err_set(err, ERR_INVALID, "there are bytes behind the pack");
    if (compute_hash(pack, hash, err) == -1)
        return -1;
    if (memcmp(hash, pack.data + AT_HASH, SHA256_BYTES) != 0)
        return err_set(err, ERR_INVALID,
                       "the pack is damaged or was changed: its hash is another one");
    return 0;
}

/* What is left of the files while entries take theirs. */
struct files {
    struct bytes rest;
    size_t n;
};

static int take_file(struct files *files, const struct value *row, struct embed *embed,
                     struct err *err)
{
    const struct value *path = value_get(row, "path");
    int64_t n = value_get_int(row, "bytes", -1);

    if (value_text(path) == NULL || strlen(value_text(path)) != path->as.string.n ||
        n < 0 || (uint64_t)n > files->rest.n || ++files->n > FILES_MAX)
        return err_set(err, ERR_INVALID, "the pack's list of files is wrong");
    if (embed_add(embed, value_text(path), (struct bytes){files->rest.data, (size_t)n},
                  err) == -1)
        return -1;
    files->rest.data += n;
    files->rest.n -= (size_t)n;
    return 0;
}

/* Entries are compared by their data: it has to say what the files are. */
static int check_contents(const struct entry *entry, struct err *err)
{
    struct value described = embed_describe(entry->files);
    const char *hash = value_get_text(&described, "hash");
    const char *claimed = value_get_text(&entry->data, "hash");
    bool same = hash != NULL && claimed != NULL && strcmp(hash, claimed) == 0;

    value_finish(&described);
    return same ? 0
                : err_set(err, ERR_INVALID, "the files of %s are not those that it had",
                          entry->id);
}

static int take_files(struct files *files, const struct value *list,
                      struct entry *entry, struct err *err)
{
    if (list->type != VALUE_LIST || strcmp(entry->kind, "fs.embed") != 0)
        return err_set(err, ERR_INVALID, "the pack's list of files is wrong");
    entry->files = embed_create();
    for (size_t i = 0; i < list->as.list.n; i++)
        if (take_file(files, &list->as.list.items[i], entry->files, err) == -1)
            return -1;
    return check_contents(entry, err);
}

static int take_entry(const struct value *row, const char *label, struct files *files,
                      struct entry_list *out, struct err *err)
{
    const struct value *list = value_get(row, "files");
    const struct entry *last = out->n != 0 ? out->items[out->n - 1] : NULL;
    struct entry *entry;

    if (entry_of_value(row, &entry, err) == -1)
        return err_wrap(err, "the pack's list of entries is wrong");
    entry->origin.file = xstrdup(label);
    entry_list_add(out, entry);
    if (last != NULL && strcmp(last->id, entry->id) >= 0)
        return err_set(err, ERR_INVALID, "the pack's entries are not in order");
    return list == NULL ? 0 : take_files(files, list, entry, err);
}

static int take_table(const struct value *table, struct bytes rest, const char *label,
                      struct entry_list *out, struct err *err)
{
    struct files files = {.rest = rest};

    if (table->type != VALUE_LIST)
        return err_set(err, ERR_INVALID, "the pack's list of entries is wrong");
    for (size_t i = 0; i < table->as.list.n; i++)
        if (take_entry(&table->as.list.items[i], label, &files, out, err) == -1)
            return -1;
    if (files.rest.n != 0)
        return err_set(err, ERR_INVALID, "the pack has files that nobody owns");
    return 0;
}

int pack_decode(struct bytes bytes, const char *label, struct entry_list *out,
                struct err *err)
{
    struct entry_list entries = {0};
    struct value table = {0};
    uint64_t table_bytes;
    int rc = -1;

    if (!starts_as_pack(bytes))
        return err_set(err, ERR_INVALID, "this is no pack of ours (.wapp)");
    if (check_version(bytes, err) == -1 || check_hash(bytes, err) == -1)
        return -1;
    table_bytes = get_number(bytes.data + AT_TABLE_BYTES, 8);
    if (value_decode(bytes.data + AT_TABLE, table_bytes, NULL, &table, err) == -1)
        return err_wrap(err, "the pack's list of entries is wrong");
    bytes.data += AT_TABLE + table_bytes;
    bytes.n -= AT_TABLE + table_bytes;
    rc = take_table(&table, bytes, label, &entries, err);
    value_finish(&table);
    for (size_t i = 0; rc == 0 && i < entries.n; i++)
        entry_list_add(out, entry_ref(entries.items[i]));
    entry_list_finish(&entries);
    return rc;
}
