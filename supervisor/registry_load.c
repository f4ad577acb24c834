#include "supervisor/registry_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/nearest.h"

#include "supervisor/pack.h"
#include "supervisor/registry.h"
#include "supervisor/registry_disable.h"
#include "supervisor/registry_files.h"
#include "supervisor/registry_link.h"
#include "supervisor/registry_override.h"
#include "supervisor/yaml_tree.h"

#define FILE_MAX_BYTES    ((size_t)16 << 20)
#define SOURCES_MAX_BYTES ((size_t)256 << 20)
#define LOAD_MAX_NODES    1000000
#define PEEK_BYTES        65536
#define LOCK_FILE         "wippy.lock"

struct loader {
    struct load_budget budget;
    struct entry_list *entries;
    struct problems *problems;
    bool incomplete;
};

static void complain(struct loader *loader, enum severity severity, const char *file,
                     const char *hint, const char *text)
{
    struct problem_at at = {.file = file};

    problems_add(loader->problems, severity, ERR_INVALID, &at, hint, "%s", text);
    if (severity == SEVERITY_ERROR)
        loader->incomplete = true;
}

/* ---- one file -------------------------------------------------------------------- */

/* A file that is too long: is it ours at all? Its start tells. */
static bool starts_as_ours(int root_fd, const char *name)
{
    char *text = xmalloc(PEEK_BYTES);
    size_t n = file_peek(root_fd, name, text, PEEK_BYTES);
    bool ours = registry_mentions_namespace(text, n);

    free(text);
    return ours;
}

static bool is_utf16(const char *text, size_t n)
{
    return n >= 2 &&
           (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

static void load_file(struct loader *loader, const struct load_file *file)
{
    struct err err;
    char *text = NULL, *path = xasprintf("%s%s", file->label, file->name);
    size_t n = 0;

    if (file_read(file->root_fd, file->name, loader->budget.max_file_bytes, &text, &n,
                  &err) == -1) {
        if (!file->is_named && err.kind == ERR_NOT_FOUND)
            complain(loader, SEVERITY_WARNING, path, "mend the link, or take it out",
                     "no such file, going on without it");
        else if (file->is_named || err.kind != ERR_LIMIT_EXCEEDED ||
                 starts_as_ours(file->root_fd, file->name))
            complain(loader, SEVERITY_ERROR, path,
                     err.kind == ERR_LIMIT_EXCEEDED
                         ? "split it, or keep long texts in files named by file://"
                         : NULL,
                     err.text);
    } else if (is_utf16(text, n)) {
        complain(loader, file->is_named ? SEVERITY_ERROR : SEVERITY_WARNING, path,
                 "save it as UTF-8", "the file is UTF-16, which isn't read");
    } else if (!registry_read_text(file, text, n, &loader->budget, loader->entries,
                                   loader->problems)) {
        loader->incomplete = true;
    }
    free(text);
    free(path);
}

/* ---- folders --------------------------------------------------------------------- */

/* "src" → "src/", "." → "" */
static char *label_of(const char *path)
{
    size_t n = strlen(path);

    while (strncmp(path, "./", 2) == 0)
        path += 2, n -= 2;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || (n == 1 && path[0] == '.'))
        return xstrdup("");
    if (n == 1 && path[0] == '/')
        return xstrdup("/");
    return xasprintf("%.*s/", (int)n, path);
}

static void load_folder(struct loader *loader, const char *path)
{
    struct file_list files = {0};
    char *label = label_of(path);
    struct err err;
    int fd = folder_open(path, &err);

    if (fd == -1 || files_walk(fd, &files, &err) == -1)
        complain(loader, SEVERITY_ERROR, path, NULL, err.text);
    for (size_t i = 0; fd != -1 && i < files.n; i++)
        load_file(loader, &(struct load_file){
                              .root_fd = fd, .label = label, .name = files.names[i]});
    file_list_finish(&files);
    free(label);
    if (fd != -1)
        close(fd);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* REG-01: a folder that is missing is worth a warning only. */
static void load_folder_if_there(struct loader *loader, const char *path)
{
    if (folder_is_there(path))
        load_folder(loader, path);
    else
        complain(loader, SEVERITY_WARNING, path, "create it or correct " LOCK_FILE,
                 "no such folder, going on without it");
}

/* ---- packs ----------------------------------------------------------------------- */

static void load_pack(struct loader *loader, const char *path)
{
    char *text = NULL;
    size_t n = 0;
    struct err err;

    if (file_read(AT_FDCWD, path, PACK_MAX_BYTES, &text, &n, &err) == -1 ||
        pack_decode((struct bytes){(const uint8_t *)text, n}, path, loader->entries,
                    &err) == -1)
        complain(loader, SEVERITY_ERROR, path, NULL, err.text);
    free(text);
}

/* ---- wippy.lock ------------------------------------------------------------------ */

struct lock {
    struct loader *loader;
    const char *app;  /* the folder it stands in */
    const char *path; /* its own */
    struct value data;
};

/* Relative paths of a lock file count from its folder. */
static char *lock_path(const struct lock *lock, const char *path)
{
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (path[0] == '/' || strcmp(lock->app, ".") == 0)
        return xstrdup(path);
    return xasprintf("%s/%s", lock->app, path);
}

static void load_replacements(struct lock *lock)
{
    const struct value *list = value_get(&lock->data, "replacements");

    if (list == NULL || list->type != VALUE_LIST)
        return;
    for (size_t i = 0; i < list->as.list.n; i++) {
        const char *to = value_get_text(&list->as.list.items[i], "to");
        char *path, *src;

        if (to == NULL) {
            complain(lock->loader, SEVERITY_WARNING, lock->path,
                     "write {from: org/module, to: folder}",
                     "a replacement says no folder, ignoring it");
            continue;
        }
        path = lock_path(lock, to);
        src = xasprintf("%s/src", path);
        load_folder_if_there(lock->loader, folder_is_there(src) ? src : path);
        free(src);
        free(path);
    }
}

static bool is_replaced(const struct lock *lock, const char *name)
{
    const struct value *list = value_get(&lock->data, "replacements");

    for (size_t i = 0; i < value_list_n(list); i++) {
        const char *from = value_get_text(&list->as.list.items[i], "from");

        if (from != NULL && strcmp(from, name) == 0)
            return true;
    }
    return false;
}

static void load_module(struct lock *lock, const char *modules, const char *name,
                        const char *version)
{
    char *vendor = xasprintf("%s/vendor/%s", modules, name);
    char *packed = xasprintf("%s-%s.wapp", vendor, version);
    char *unpacked = xasprintf("%s-%s", vendor, version);

    if (folder_is_there(vendor))
        load_folder(lock->loader, vendor);
    else if (folder_is_there(unpacked))
        load_folder(lock->loader, unpacked);
    else if (is_there(packed))
        load_pack(lock->loader, packed);
    else
        complain(lock->loader, SEVERITY_WARNING, vendor, "install the module",
                 "no such module, going on without it");
    free(vendor);
    free(packed);
    free(unpacked);
}

static void load_modules(struct lock *lock)
{
    const struct value *list = value_get(&lock->data, "modules");
    const char *folder = value_text(value_get_path(&lock->data, "directories.modules"));
    char *modules = lock_path(lock, folder == NULL ? ".wippy" : folder);

    for (size_t i = 0; i < value_list_n(list); i++) {
        const struct value *item = &list->as.list.items[i];
        const char *name = value_get_text(item, "name");
        const char *version = value_get_text(item, "version");

        if (name != NULL && !is_replaced(lock, name))
            load_module(lock, modules, name, version == NULL ? "" : version);
    }
    free(modules);
}

static bool is_a(const struct value *value, enum value_type type)
{
    return value == NULL || value->type == VALUE_NIL || value->type == type;
}

static bool check_field(const struct lock *lock, const char *field,
                        enum value_type type, const char *what)
{
    char text[100];

    if (is_a(value_get_path(&lock->data, field), type))
        return true;
    snprintf(text, sizeof(text), "invalid lock file: %s must be %s", field, what);
    complain(lock->loader, SEVERITY_ERROR, lock->path, NULL, text);
    return false;
}

static void warn_of_slips(const struct lock *lock, const struct value *map,
                          const char *const *names, size_t n)
{
    for (size_t i = 0; i < value_map_n(map); i++) {
        const char *key = map->as.map.pairs[i].key;
        const char *nearest = nearest_find_slip(key, names, n);
        char text[120], hint[60];

        if (nearest == NULL || value_get(map, nearest) != NULL)
            continue;
        snprintf(text, sizeof(text), "a lock file has no field %.60s, ignoring it",
                 key);
        snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
        complain(lock->loader, SEVERITY_WARNING, lock->path, hint, text);
    }
}

static bool check_lock(const struct lock *lock)
{
    static const char *const fields[] = {"directories", "modules", "replacements"};
    static const char *const folders[] = {"modules", "src"};

    warn_of_slips(lock, &lock->data, fields, N_ELEMENTS(fields));
    warn_of_slips(lock, value_get(&lock->data, "directories"), folders,
                  N_ELEMENTS(folders));
    return check_field(lock, "directories", VALUE_MAP, "a map of src and modules") &&
           check_field(lock, "directories.src", VALUE_STRING, "the path of a folder") &&
           check_field(lock, "directories.modules", VALUE_STRING,
                       "the path of a folder") &&
           check_field(lock, "modules", VALUE_LIST, "a list of modules") &&
           check_field(lock, "replacements", VALUE_LIST, "a list of {from, to}");
}

static void load_locked(struct lock *lock)
{
    const char *folder = value_text(value_get_path(&lock->data, "directories.src"));
    char *src = lock_path(lock, folder == NULL ? "." : folder);

    load_folder_if_there(lock->loader, src);
    free(src);
    load_replacements(lock);
    load_modules(lock);
}

static void load_lock(struct loader *loader, const char *app, const char *path)
{
    struct lock lock = {.loader = loader, .app = app, .path = path};
    struct yaml_document *document;
    char *text = NULL;
    size_t n = 0;
    struct err err;

    if (file_read(AT_FDCWD, path, loader->budget.max_file_bytes, &text, &n, &err) ==
        -1) {
        complain(loader, SEVERITY_ERROR, path, "failed to load lock file", err.text);
        return;
    }
    document = yaml_parse(path, text, n, NULL, loader->problems);
    if (document == NULL) {
        loader->incomplete = true;
    } else {
        lock.data = yaml_to_value(yaml_root(document));
        if (lock.data.type != VALUE_MAP && lock.data.type != VALUE_NIL)
            complain(loader, SEVERITY_ERROR, path, "it is a map with directories",
                     "invalid lock file");
        else if (check_lock(&lock))
            load_locked(&lock);
        value_finish(&lock.data);
    }
    yaml_destroy(document);
    free(text);
}

/* ---- paths ----------------------------------------------------------------------- */

/* Does the folder itself (not one below it) hold YAML files with entries? */
static bool holds_registry_files(const char *path)
{
    struct file_list files = {0};
    bool found = false;
    int fd = folder_open(path, NULL);

    if (fd == -1)
        return false;
    if (files_walk(fd, &files, NULL) == 0)
        for (size_t i = 0; !found && i < files.n; i++)
            found = strchr(files.names[i], '/') == NULL &&
                    starts_as_ours(fd, files.names[i]);
    file_list_finish(&files);
    close(fd);
    return found;
}

static void load_app(struct loader *loader, const char *path)
{
    char *lock =
        strcmp(path, ".") == 0 ? xstrdup(LOCK_FILE) : xasprintf("%s/" LOCK_FILE, path);
    char *src = strcmp(path, ".") == 0 ? xstrdup("src") : xasprintf("%s/src", path);

    if (is_there(lock))
        load_lock(loader, path, lock);
    else if (folder_is_there(src) && !holds_registry_files(path))
        load_folder(loader, src);
    else
        load_folder(loader, path);
    free(lock);
    free(src);
}

static void load_named_file(struct loader *loader, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL ? xstrdup(".") : xstrndup(path, (size_t)(slash - path) + 1);
    char *label = label_of(folder);
    struct err err;
    int fd = folder_open(folder, &err);

    if (fd == -1)
        complain(loader, SEVERITY_ERROR, path, NULL, err.text);
    else
        load_file(loader, &(struct load_file){.root_fd = fd,
                                              .label = label,
                                              .name = slash == NULL ? path : slash + 1,
                                              .is_named = true});
    if (fd != -1)
        close(fd);
    free(label);
    free(folder);
}

/* One without entries is the wrong one, as a rule. */
static void load_app_folder(struct loader *loader, const char *path)
{
    size_t n_entries = loader->entries->n, n_problems = loader->problems->n;

    load_app(loader, path);
    if (loader->entries->n == n_entries && loader->problems->n == n_problems)
        complain(
            loader, SEVERITY_WARNING, path,
            "a registry is a file with version, namespace and entries, or a folder "
            "with files _index.yaml",
            "there are no entries");
}

static void load_path(struct loader *loader, const char *path)
{
    if (!is_there(path))
        complain(loader, SEVERITY_ERROR, path,
                 "name a registry file or a folder of them", strerror(errno));
    else if (folder_is_there(path))
        load_app_folder(loader, path);
    else if (pack_is_path(path))
        load_pack(loader, path);
    else
        load_named_file(loader, path);
}

/* ---- all of it ------------------------------------------------------------------- */

/* Two entries of one id: an error that names both places; the later one goes. */
static void drop_doubles(struct loader *loader)
{
    struct entry_list *list = loader->entries;
    struct map by_id;
    size_t kept = 0;

    map_init(&by_id);
    for (size_t i = 0; i < list->n; i++) {
        struct entry *entry = list->items[i];
        const struct entry *first = map_find(&by_id, entry->id, strlen(entry->id));
        struct problem_at at = entry_at(entry, "name");

        if (first == NULL) {
            map_put(&by_id, entry->id, strlen(entry->id), entry);
            list->items[kept++] = entry;
            continue;
        }
        problems_add(loader->problems, SEVERITY_ERROR, ERR_ALREADY_EXISTS, &at,
                     "rename one of the two", "declared twice, first at %s:%u:%u",
                     first->origin.file, first->origin.line, first->origin.column);
        entry_unref(entry);
    }
    list->n = kept;
    map_finish(&by_id);
}

void registry_read(const struct load_options *options, struct entry_list *entries,
                   bool *incomplete_out, struct problems *problems)
{
    struct loader loader = {
        .budget = {.max_file_bytes = options->max_file_bytes,
                   .max_source_bytes = options->max_source_bytes,
                   .n_nodes_left = LOAD_MAX_NODES,
                   .n_source_bytes_left = SOURCES_MAX_BYTES},
        .entries = entries,
        .problems = problems,
    };

    if (loader.budget.max_file_bytes == 0)
        loader.budget.max_file_bytes = FILE_MAX_BYTES;
    if (loader.budget.max_source_bytes == 0)
        loader.budget.max_source_bytes = FILE_MAX_BYTES;
    for (size_t i = 0; i < options->n_paths; i++)
        load_path(&loader, options->paths[i]);
    if (options->n_paths == 0)
        load_path(&loader, ".");
    drop_doubles(&loader);
    registry_override(options, entries, problems);
    registry_disable(options->disable, entries);
    registry_link(entries, problems);
    registry_override(options, entries, NULL);
    *incomplete_out = loader.incomplete;
}

/* Entries of a file that couldn't be read are missed elsewhere: that is no news. A
 * module (":json") stands in no file. */
static bool is_news(const struct problem *row, bool incomplete)
{
    bool is_missing = row->kind == ERR_NOT_FOUND ||
                      strstr(row->text, "references undefined contract") != NULL;

    return !incomplete || !is_missing || strncmp(row->text, "node with ID :", 14) == 0;
}

/* What such a file is known to have held is not taken for deleted: nothing will be
 * changed anyway, and who needs it has made no mistake. */
static void keep_missing(const struct snapshot *state, const struct entry_list *entries,
                         struct entry_list *all)
{
    struct map by_id;

    map_init(&by_id);
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = entries->items[i];

        map_put(&by_id, entry->id, strlen(entry->id), entry);
        entry_list_add(all, entry_ref(entry));
    }
    for (size_t i = 0; i < state->n; i++)
        if (map_find(&by_id, state->entries[i]->id, strlen(state->entries[i]->id)) ==
            NULL)
            entry_list_add(all, entry_ref(state->entries[i]));
    map_finish(&by_id);
}

static void move_problems(struct problems *to, const struct problems *from,
                          bool incomplete)
{
    for (size_t i = 0; i < from->n; i++)
        if (is_news(&from->rows[i], incomplete))
            problems_add_row(to, &from->rows[i]);
}

/* Passes on what can be looked at further: not those whose source isn't there. */
static void keep_readable(const struct entry_list *entries, struct entry_list *out)
{
    for (size_t i = 0; i < entries->n; i++) {
        const char *source = value_get_text(&entries->items[i]->data, "source");

        if (source == NULL || strncmp(source, "file://", 7) != 0)
            entry_list_add(out, entry_ref(entries->items[i]));
    }
}

struct changeset *registry_prepare_loaded(struct registry *registry,
                                          const struct entry_list *entries,
                                          const char *part, bool incomplete,
                                          struct problems *problems, struct err *err)
{
    struct entry_list all = {0};
    struct problems found;
    struct changeset *set;

    problems_init(&found);
    if (incomplete) {
        keep_missing(registry_state(registry), entries, &all);
        entries = &all;
    }
    set = part == NULL ? registry_prepare_reload(registry, entries->items, entries->n,
                                                 &found, err)
                       : registry_prepare_part(registry, entries->items, entries->n,
                                               part, &found, err);
    entry_list_finish(&all);
    move_problems(problems, &found, incomplete);
    problems_finish(&found);
    if (problems->n_errors == 0)
        return set;
    problems_set_err(problems, ERR_INVALID, "", err);
    changeset_destroy(set);
    return NULL;
}

struct changeset *registry_load(struct registry *registry,
                                const struct load_options *options,
                                struct entry_list *entries_out,
                                struct problems *problems, struct err *err)
{
    struct entry_list entries = {0};
    struct changeset *set;
    bool incomplete = false;

    registry_read(options, &entries, &incomplete, problems);
    set = registry_prepare_loaded(registry, &entries, NULL, incomplete, problems, err);
    if (set == NULL && entries_out != NULL)
        keep_readable(&entries, entries_out);
    entry_list_finish(&entries);
    return set;
}
