#include "supervisor/pack_make.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/file_write.h"
#include "common/mem.h"

#include "supervisor/bytecode.h"
#include "supervisor/code.h"
#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/embed.h"
#include "supervisor/entry.h"
#include "supervisor/options.h"
#include "supervisor/pack.h"
#include "supervisor/registry.h"
#include "supervisor/registry_files.h"

#define BYTECODE_FS "internal:lua.bytecode"

struct maker {
    const struct supervisor *sup;
    const struct options *options;
    struct entry_list entries; /* of the pack */
    struct embed *bytecode;
    size_t n_compiled;
    FILE *out;
};

/* ---- what is left out ------------------------------------------------------------ */

static void add_patterns(struct value *disable, const char *key,
                         const struct texts *texts)
{
    struct value list = value_list();
    const struct value *old = value_get(disable, key);

    if (value_text(old) != NULL)
        value_append(&list, value_copy(old));
    for (size_t i = 0; i < value_list_n(old); i++)
        value_append(&list, value_copy(&old->as.list.items[i]));
    for (unsigned i = 0; i < texts->n; i++)
        for (const char *at = texts->items[i]; *at != '\0'; at += *at == ',') {
            size_t n = strcspn(at, ",");

            value_append(&list, value_bytes(at, n));
            at += n;
        }
    value_put(disable, key, list);
}

struct value pack_disabled(const struct config *config, const struct options *options)
{
    struct value disable =
        config->disable.type == VALUE_MAP ? value_copy(&config->disable) : value_map();

    add_patterns(&disable, "entries", &options->pack.exclude);
    add_patterns(&disable, "namespaces", &options->pack.exclude_ns);
    return disable;
}

/* ---- patterns -------------------------------------------------------------------- */

/* '**' and '**:**' mean all, 'ns:**' a namespace and none below it; else it is an id or
 * a bare name. */
static bool one_matches(const char *pattern, size_t n, const struct entry *entry)
{
    if ((n == 2 && memcmp(pattern, "**", 2) == 0) ||
        (n == 5 && memcmp(pattern, "**:**", 5) == 0))
        return true;
    if (n > 3 && memcmp(pattern + n - 3, ":**", 3) == 0)
        return entry->namespace_bytes == n - 3 &&
               memcmp(entry->id, pattern, n - 3) == 0;
    return (strlen(entry->id) == n && memcmp(entry->id, pattern, n) == 0) ||
           (strlen(entry->name) == n && memcmp(entry->name, pattern, n) == 0);
}

static bool matches(const struct texts *patterns, const struct entry *entry)
{
    for (unsigned i = 0; i < patterns->n; i++)
        for (const char *at = patterns->items[i]; *at != '\0'; at += *at == ',') {
            size_t n = strcspn(at, ",");

            if (one_matches(at, n, entry))
                return true;
            at += n;
        }
    return false;
}

/* ---- bytecode -------------------------------------------------------------------- */

static bool is_compilable(const struct entry *entry)
{
    static const char *const kinds[] = {"function.lua", "interceptor.lua",
                                        "library.lua", "process.lua"};

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
        if (strcmp(entry->kind, kinds[i]) == 0)
            return true;
    return false;
}

/* The entry with its code in a file of that path. */
static struct entry *rewrite(const struct entry *entry, const char *path,
                             const char *hash)
{
    struct value data = value_copy(&entry->data);
    char *kind = xasprintf("%s.bc", entry->kind);
    struct entry *compiled;

    value_remove(&data, "source");
    value_put(&data, "fs", value_string(BYTECODE_FS));
    value_put(&data, "path", value_string(path));
    value_put(&data, "hash", value_string(hash));
    compiled = entry_create(entry->id, strlen(entry->id), kind,
                            value_copy(&entry->meta), data);
    free(kind);
    return compiled;
}

static int compile_entry(struct maker *maker, const struct entry *entry,
                         struct err *err)
{
    char *path =
        xasprintf("%.*s/%s.luac", (int)entry->namespace_bytes, entry->id, entry->name);
    struct value compiled = {0};
    char hash[DIGEST_TEXT_BYTES];
    struct bytes content;
    struct buf file;
    int rc;

    buf_init(&file, 0);
    rc = code_read(maker->sup->code, entry, &compiled, err);
    if (rc == 0 && !bytecode_write(&compiled, &file))
        rc = err_set(err, ERR_UNAVAILABLE, "no memory for bytecode");
    content = buf_bytes(&file);
    if (rc == 0 && !digest_describe(&content, 1, hash))
        rc = err_set(err, ERR_UNAVAILABLE, "hashes need libcrypto, which is missing");
    if (rc == 0)
        rc = embed_add(maker->bytecode, path, content, err);
    if (rc == 0) {
        entry_list_add(&maker->entries, rewrite(entry, path, hash));
        maker->n_compiled++;
    } else {
        err_wrap(err, "%s", entry->id);
    }
    value_finish(&compiled);
    buf_finish(&file);
    free(path);
    return rc;
}

/* ---- files ----------------------------------------------------------------------- */

static struct entry *entry_of_files(const char *id, const struct entry *like,
                                    struct embed *files)
{
    struct value meta = like != NULL ? value_copy(&like->meta) : value_map();
    struct entry *entry =
        entry_create(id, strlen(id), "fs.embed", meta, embed_describe(files));

    entry->files = embed_ref(files);
    return entry;
}

static int add_file(struct embed *files, int folder, const char *name, struct err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = file_read_beneath(folder, name, PACK_MAX_BYTES, &text, &n, err);

    if (rc == 0)
        rc = embed_add(files, name, (struct bytes){(const uint8_t *)text, n}, err);
    free(text);
    return rc;
}

static int embed_folder(struct maker *maker, const struct entry *entry, struct err *err)
{
    const char *path = value_get_text(entry_fields(entry), "directory");
    struct file_list names = {0};
    struct embed *files = embed_create();
    int fd = folder_open(path != NULL ? path : "", err);
    int rc = fd == -1 ? -1 : files_walk_all(fd, &names, err);

    for (size_t i = 0; rc == 0 && i < names.n; i++)
        rc = add_file(files, fd, names.names[i], err);
    if (rc == 0)
        entry_list_add(&maker->entries, entry_of_files(entry->id, entry, files));
    else
        err_wrap(err, "%s", entry->id);
    file_list_finish(&names);
    embed_unref(files);
    if (fd != -1)
        close(fd);
    return rc;
}

/* ---- entries --------------------------------------------------------------------- */

/* An app that came from a pack has bytecode already; it stays. */
static int keep_bytecode(struct maker *maker, const struct entry *entry,
                         struct err *err)
{
    if (entry->files == NULL)
        return err_set(err, ERR_CONFLICT, "%s is the name of the pack's own files",
                       BYTECODE_FS);
    for (size_t i = 0; i < entry->files->n; i++) {
        const struct embedded *file = &entry->files->files[i];

        if (embed_add(maker->bytecode, file->path, file->content, err) == -1)
            return -1;
    }
    return 0;
}

static bool is_folder(const struct entry *entry)
{
    return strcmp(entry->kind, "fs.directory") == 0;
}

static int take_entry(struct maker *maker, const struct entry *entry, struct err *err)
{
    const struct pack_options *options = &maker->options->pack;

    if (strcmp(entry->id, BYTECODE_FS) == 0)
        return keep_bytecode(maker, entry, err);
    if (is_compilable(entry) && matches(&options->bytecode, entry))
        return compile_entry(maker, entry, err);
    if (is_folder(entry) && matches(&options->embed, entry))
        return embed_folder(maker, entry, err);
    entry_list_add(&maker->entries, entry_ref(entry));
    return 0;
}

/* A pattern that nothing fits is a slip, as a rule. */
static void warn_of_misses(const struct maker *maker, const char *option,
                           const struct texts *patterns,
                           bool (*is_meant)(const struct entry *entry))
{
    const struct snapshot *state = registry_state(maker->sup->registry);

    for (unsigned i = 0; i < patterns->n; i++) {
        struct texts one = {&patterns->items[i], 1};
        bool found = false;

        for (size_t k = 0; k < state->n && !found; k++)
            found = is_meant(state->entries[k]) && matches(&one, state->entries[k]);
        if (!found)
            fprintf(stderr, "supervisor: warning: --%s %s fits no entry\n", option,
                    patterns->items[i]);
    }
}

static int take_entries(struct maker *maker, struct err *err)
{
    const struct snapshot *state = registry_state(maker->sup->registry);

    for (size_t i = 0; i < state->n; i++)
        if (take_entry(maker, state->entries[i], err) == -1)
            return -1;
    if (maker->bytecode->n != 0)
        entry_list_add(&maker->entries,
                       entry_of_files(BYTECODE_FS, NULL, maker->bytecode));
    return 0;
}

/* ---- the file -------------------------------------------------------------------- */

/* Whoever packs learns what won't load, not whoever runs the pack. */
static int check_pack(struct bytes pack, struct err *err)
{
    struct entry_list entries = {0};
    int rc = pack_decode(pack, "", &entries, err);

    entry_list_finish(&entries);
    return rc;
}

static void tell(const struct maker *maker, struct bytes pack)
{
    char hash[DIGEST_TEXT_BYTES] = "";

    if (maker->options->pack.list)
        for (size_t i = 0; i < maker->entries.n; i++)
            fprintf(maker->out, "%-24s %s\n", maker->entries.items[i]->kind,
                    maker->entries.items[i]->id);
    digest_describe(&pack, 1, hash);
    fprintf(maker->out, "%s: %zu entries, %zu as bytecode, %zu bytes, %s\n",
            maker->options->pack.out, maker->entries.n, maker->n_compiled, pack.n,
            hash);
}

int pack_make(const struct supervisor *sup, const struct options *options, FILE *out,
              struct err *err)
{
    struct maker maker = {
        .sup = sup, .options = options, .out = out, .bytecode = embed_create()};
    struct buf pack;
    int rc;

    warn_of_misses(&maker, "bytecode", &options->pack.bytecode, is_compilable);
    warn_of_misses(&maker, "embed", &options->pack.embed, is_folder);
    buf_init(&pack, 0);
    rc = take_entries(&maker, err);
    if (rc == 0)
        rc = pack_encode(&maker.entries, &pack, err);
    if (rc == 0)
        rc = check_pack(buf_bytes(&pack), err);
    if (rc == 0)
        rc = file_write_whole(options->pack.out, 0777, buf_bytes(&pack), err);
    if (rc == 0)
        tell(&maker, buf_bytes(&pack));
    entry_list_finish(&maker.entries);
    embed_unref(maker.bytecode);
    buf_finish(&pack);
    return rc;
}
