#include "supervisor/registry_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/hex.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/text_end.h"

#include "supervisor/entry.h"
#include "supervisor/registry_files.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/yaml_tree.h"

#define MAX_PLACES      300 /* that one entry remembers */
#define MAX_PLACE_DEPTH 3   /* data.lifecycle.restart.max_delay */
#define MAX_DEEP_DEPTH  16  /* methods[0].input_schemas[0].definition.properties... */
#define FILE_SCHEME     "file://"

struct reader {
    const struct load_file *file;
    struct load_budget *budget;
    struct problems *problems;
    char *path;   /* of the file, as a person would name it */
    char *folder; /* of the file, relative to the root */
    const char *namespace;
    const struct yaml_node *meta;
    struct entry_list *entries;
    const struct yaml_node *source; /* the `source` of the entry being made, or NULL */
    char *source_file;              /* what it names */
};

static void tell(const struct reader *reader, enum severity severity,
                 const struct yaml_node *node, const char *hint, const char *text)
{
    struct problem_at at = {.file = reader->path,
                            .line = node == NULL ? 1 : node->line,
                            .column = node == NULL ? 1 : node->column};

    problems_add(reader->problems, severity, ERR_INVALID, &at, hint, "%s", text);
}

static bool complain(const struct reader *reader, const struct yaml_node *node,
                     const char *hint, const char *text)
{
    tell(reader, SEVERITY_ERROR, node, hint, text);
    return false;
}

static void warn(const struct reader *reader, const struct yaml_node *node,
                 const char *hint, const char *text)
{
    tell(reader, SEVERITY_WARNING, node, hint, text);
}

/* ---- file:// --------------------------------------------------------------------- */

/* The path below the root that a file:// text means; NULL after a complaint. */
static char *resolve_file(const struct reader *reader, const struct yaml_node *node)
{
    const char *path = node->text + strlen(FILE_SCHEME);
    char text[400], *resolved = NULL;

    if (strlen(node->text) != node->n_text)
        complain(reader, node, NULL, "the path of a file:// text holds a NUL byte");
    else if (path[0] == '\0' || strcmp(path, "/") == 0)
        complain(reader, node, "write file://name.lua",
                 "empty file path in file:// URL");
    else if (path[0] == '/')
        resolved = path_resolve("", path);
    else
        resolved = path_resolve(reader->folder, path);
    if (resolved == NULL && path[0] != '\0' && strlen(node->text) == node->n_text &&
        strcmp(path, "/") != 0) {
        snprintf(text, sizeof(text), "path traversal detected in file path: %s", path);
        complain(reader, node, "keep it inside the source folder", text);
    }
    return resolved;
}

static bool spend_source_bytes(const struct reader *reader,
                               const struct yaml_node *node, size_t n)
{
    if (n <= reader->budget->n_source_bytes_left) {
        reader->budget->n_source_bytes_left -= n;
        return true;
    }
    return complain(reader, node, NULL,
                    "the files named by file:// are too large all together");
}

/* A text of the file as a value: what file:// names, or the text itself. */
static struct value read_text(void *context, const struct yaml_node *node)
{
    struct reader *reader = context;
    struct value value = value_bytes(node->text, node->n_text);
    struct err err;
    char *name, *text = NULL, what[300];
    size_t n = 0;

    if (strncmp(node->text, FILE_SCHEME, strlen(FILE_SCHEME)) != 0)
        return value;
    if (reader->file->root_fd == -1) {
        snprintf(what, sizeof(what),
                 "%.200s can't be read: these entries come without a folder",
                 node->text);
        complain(reader, node, "put the text itself here, behind |", what);
        return value;
    }
    name = resolve_file(reader, node);
    if (name == NULL)
        return value; /* nobody shall miss a source on top of it */
    if (file_read_beneath(reader->file->root_fd, name, reader->budget->max_source_bytes,
                          &text, &n, &err) == -1)
        complain(reader, node, "the path counts from the folder of this file",
                 err.text);
    else if (spend_source_bytes(reader, node, n)) {
        value_finish(&value);
        value = value_bytes(text, n);
    }
    if (node == reader->source)
        reader->source_file = xasprintf("%s%s", reader->file->label, name);
    free(text);
    free(name);
    return value;
}

/* ---- places ---------------------------------------------------------------------- */

struct place_level {
    const struct yaml_node *node;
    size_t next, n_path; /* length of the path of node itself */
};

static void add_place(struct entry_origin *origin, const char *path,
                      const struct yaml_node *at, const struct yaml_node *node)
{
    struct entry_place *place = &origin->places[origin->n_places++];

    *place = (struct entry_place){
        .path = xstrdup(path),
        .line = at->line,
        .column = at->column,
        .is_block = node->is_block,
        .indent = node->indent,
    };
}

/* Writes the path of a pair behind that of its container; 0 when it gets too long. */
static size_t write_path(char *path, size_t size, size_t n,
                         const struct yaml_pair *pair, size_t index)
{
    int wrote;

    if (pair->key == NULL)
        wrote = snprintf(path + n, size - n, "[%zu]", index);
    else
        wrote =
            snprintf(path + n, size - n, "%s%s", n == 0 ? "" : ".", pair->key->text);
    return wrote < 0 || n + (size_t)wrote >= size ? 0 : n + (size_t)wrote;
}

/* Remembers where the keys below node stand, that many levels deep. */
static void note_places(struct entry_origin *origin, const struct yaml_node *node,
                        size_t max_depth)
{
    struct place_level levels[MAX_DEEP_DEPTH] = {{.node = node}};
    char path[256] = "";
    size_t depth = 1;

    while (depth > 0 && origin->n_places < MAX_PLACES) {
        struct place_level *level = &levels[depth - 1];
        const struct yaml_pair *pair;
        size_t n;

        if (level->next == level->node->n) {
            depth--;
            continue;
        }
        pair = &level->node->pairs[level->next++];
        n = write_path(path, sizeof(path), level->n_path, pair, level->next - 1);
        if (n == 0)
            continue;
        add_place(origin, path, pair->key == NULL ? pair->node : pair->key, pair->node);
        if (pair->node->n != 0 && depth < max_depth)
            levels[depth++] = (struct place_level){.node = pair->node, .n_path = n};
    }
}

/* Plain data is looked up by its top keys only: 10,000 of them should be cheap. */
static void note_entry_places(struct entry *entry, const struct yaml_node *node)
{
    bool plain = entry->type != NULL && (entry->type->flags & KIND_PLAIN) != 0;
    bool deep = strncmp(entry->kind, "contract.", 9) == 0;
    size_t depth = deep ? MAX_DEEP_DEPTH : MAX_PLACE_DEPTH;
    const struct yaml_pair *data = yaml_find(node, "data");
    struct entry_place *places = xcalloc(MAX_PLACES, sizeof(*places));

    entry->origin.places = places;
    if (plain) {
        for (size_t i = 0; i < node->n && i < MAX_PLACES; i++)
            add_place(&entry->origin, node->pairs[i].key->text, node->pairs[i].key,
                      node->pairs[i].node);
    } else {
        note_places(&entry->origin, node, depth);
        if (data != NULL)
            note_places(&entry->origin, data->node, depth);
    }
    entry->origin.places =
        xrealloc(places, (entry->origin.n_places + 1) * sizeof(*places));
}

/* ---- entries --------------------------------------------------------------------- */

static bool is_structural(const char *key, bool single)
{
    static const char *const keys[] = {"name", "kind", "meta"};
    static const char *const single_keys[] = {"namespace", "version", "requirements",
                                              "entries"};

    for (size_t i = 0; i < N_ELEMENTS(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    for (size_t i = 0; single && i < N_ELEMENTS(single_keys); i++)
        if (strcmp(key, single_keys[i]) == 0)
            return true;
    return false;
}

static struct value read_data(struct reader *reader, const struct yaml_node *node,
                              bool single)
{
    const struct yaml_pair *data = yaml_find(node, "data"), *source;
    struct value map;

    source = yaml_find(data == NULL ? node : data->node, "source");
    reader->source = source == NULL ? NULL : source->node;
    if (data != NULL)
        return yaml_to_value_with(data->node, read_text, reader);
    map = value_map();
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_pair *pair = &node->pairs[i];

        if (!is_structural(pair->key->text, single))
            value_add_n(&map, pair->key->text, pair->key->n_text,
                        yaml_to_value_with(pair->node, read_text, reader));
    }
    return map;
}

static void warn_of_meta(const struct reader *reader, const struct yaml_node *node)
{
    if (node->type != VALUE_NIL)
        warn(reader, node, "write meta: {key: value}", "meta is no map, ignoring it");
}

/* The entry's own meta over the file's. */
static struct value read_meta(struct reader *reader, const struct yaml_node *node)
{
    const struct yaml_pair *own = yaml_find(node, "meta");
    struct value meta = value_map();

    if (own != NULL && own->node->type == VALUE_MAP)
        meta = yaml_to_value_with(own->node, read_text, reader);
    else if (own != NULL)
        warn_of_meta(reader, own->node);
    for (size_t i = 0; reader->meta != NULL && i < reader->meta->n; i++) {
        const struct yaml_pair *pair = &reader->meta->pairs[i];

        if (value_get(&meta, pair->key->text) == NULL)
            value_add_n(&meta, pair->key->text, pair->key->n_text,
                        yaml_to_value_with(pair->node, read_text, reader));
    }
    return meta;
}

/* The key of root that was probably meant to be name, NULL if none. */
static const struct yaml_node *find_slip(const struct yaml_node *root, const char *name)
{
    for (size_t i = 0; root->type == VALUE_MAP && i < root->n; i++)
        if (nearest_find_slip(root->pairs[i].key->text, &name, 1) != NULL)
            return root->pairs[i].key;
    return NULL;
}

/* A required text of an entry; NULL after a complaint. N counts from 0 (REG-04). */
static const char *read_name(struct reader *reader, const struct yaml_node *node,
                             const char *key, size_t index)
{
    const struct yaml_pair *pair = yaml_find(node, key);
    const struct yaml_node *slip;
    char text[120], hint[60];

    if (pair != NULL && pair->node->type == VALUE_STRING && pair->node->n_text != 0 &&
        strlen(pair->node->text) == pair->node->n_text)
        return pair->node->text;
    snprintf(text, sizeof(text),
             "entry[%zu].%s: %s is required and must be a non-empty string", index, key,
             key);
    slip = pair == NULL ? find_slip(node, key) : NULL;
    snprintf(hint, sizeof(hint), "did you mean %s?", key);
    complain(reader,
             pair != NULL   ? pair->node
             : slip != NULL ? slip
                            : node,
             pair != NULL   ? "put it into quotes if it looks like a number"
             : slip != NULL ? hint
                            : NULL,
             text);
    return NULL;
}

static void read_entry(struct reader *reader, const struct yaml_node *node,
                       size_t index, bool single)
{
    const char *name, *kind;
    struct entry *entry;
    char *id;

    if (node->type != VALUE_MAP) {
        complain(reader, node, "an entry starts with - name: ...",
                 "an entry must be a map");
        return;
    }
    name = read_name(reader, node, "name", index);
    kind = read_name(reader, node, "kind", index);
    if (name == NULL || kind == NULL)
        return;
    id = xasprintf("%s:%s", reader->namespace, name);
    entry = entry_create(id, strlen(id), kind, read_meta(reader, node),
                         read_data(reader, node, single));
    free(id);
    entry->origin.file = xstrdup(reader->path);
    entry->origin.line = node->line;
    entry->origin.column = node->column;
    entry->origin.source_file = reader->source_file;
    reader->source_file = NULL;
    reader->source = NULL;
    note_entry_places(entry, node);
    entry_list_add(reader->entries, entry);
}

static bool complain_of_no_entries(const struct reader *reader,
                                   const struct yaml_node *root)
{
    const struct yaml_node *slip = find_slip(root, "entries");

    return complain(
        reader, slip == NULL ? root : slip,
        slip == NULL ? "write entries: and a list of them" : "did you mean entries?",
        "either entries array or single entry (name/kind) must be provided");
}

/* What stands beside a list of entries and isn't read. */
static void warn_of_rest(const struct reader *reader, const struct yaml_node *root)
{
    const struct yaml_pair *name = yaml_find(root, "name");
    const struct yaml_pair *kind = yaml_find(root, "kind");
    const struct yaml_node *slip = find_slip(root, "meta");

    if (name != NULL && kind != NULL)
        warn(reader, name->key, "make it one of the entries",
             "a file with entries is no entry itself, ignoring name and kind");
    if (slip != NULL && yaml_find(root, "meta") == NULL)
        warn(reader, slip, "did you mean meta?", "a file has no such field");
}

static bool read_entries(struct reader *reader, const struct yaml_node *root)
{
    const struct yaml_pair *list = yaml_find(root, "entries");

    if (list == NULL && yaml_find(root, "name") == NULL &&
        yaml_find(root, "kind") == NULL)
        return complain_of_no_entries(reader, root);
    if (list == NULL)
        read_entry(reader, root, 0, true);
    else
        warn_of_rest(reader, root);
    if (list == NULL || list->node->type == VALUE_NIL)
        return true;
    if (list->node->type != VALUE_LIST)
        return complain(reader, list->node, "start each entry with - name: ...",
                        "entries must be a list");
    for (size_t i = 0; i < list->node->n; i++)
        read_entry(reader, list->node->pairs[i].node, i, false);
    return true;
}

/* ---- the file -------------------------------------------------------------------- */

static bool is_blank(const struct yaml_node *node)
{
    return node->type == VALUE_NIL || (node->type == VALUE_STRING &&
                                       strspn(node->text, " \t\r\n") == node->n_text);
}

/* A list of maps with name and kind: no other program's file looks like that. */
static bool holds_entries(const struct yaml_node *root)
{
    const struct yaml_pair *list = yaml_find(root, "entries");
    const struct yaml_node *first;

    if (list == NULL || list->node->type != VALUE_LIST || list->node->n == 0)
        return false;
    first = list->node->pairs[0].node;
    return yaml_find(first, "name") != NULL && yaml_find(first, "kind") != NULL;
}

static void warn_of_no_namespace(const struct reader *reader,
                                 const struct yaml_node *root)
{
    const struct yaml_node *slip = find_slip(root, "namespace");

    if (holds_entries(root))
        warn(reader, slip == NULL ? root : slip,
             slip == NULL ? "write namespace: app at the top"
                          : "did you mean namespace?",
             "entries without a namespace, ignoring the file");
}

static bool read_root(struct reader *reader, const struct yaml_node *root)
{
    const struct yaml_pair *namespace = yaml_find(root, "namespace");
    const struct yaml_pair *meta = yaml_find(root, "meta");

    if (!reader->file->is_named && (namespace == NULL || is_blank(namespace->node)))
        warn_of_no_namespace(reader, root);
    if (namespace == NULL || is_blank(namespace->node))
        return !reader->file->is_named ||
               complain(reader, namespace == NULL ? root : namespace->node,
                        "write namespace: app at the top", "namespace is required");
    if (namespace->node->type != VALUE_STRING ||
        strlen(namespace->node->text) != namespace->node->n_text)
        return complain(reader, namespace->node, "put it into quotes",
                        "namespace must be a text");
    if (strchr(namespace->node->text, ':') != NULL)
        return complain(
            reader, namespace->node, "use dots to divide it, as in app.api",
            "a namespace can't hold a colon, which divides it from the name");
    reader->namespace = namespace->node->text;
    if (meta != NULL && meta->node->type == VALUE_MAP)
        reader->meta = meta->node;
    else if (meta != NULL)
        warn_of_meta(reader, meta->node);
    return read_entries(reader, root);
}

bool registry_mentions_namespace(const char *text, size_t n)
{
    static const char word[] = "namespace";
    size_t n_word = sizeof(word) - 1;

    for (size_t i = 0; i + n_word < n; i++) {
        bool quoted = i > 0 && (text[i - 1] == '"' || text[i - 1] == '\'');

        if (memcmp(text + i, word, n_word) != 0)
            continue;
        if ((i == 0 || text[i - 1] == '\n' || quoted ||
             (unsigned char)text[i - 1] == 0xbf) &&
            strchr(":\"' \t", text[i + n_word]) != NULL)
            return true;
    }
    return false;
}

static unsigned read_hex4(const char *text)
{
    unsigned number = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text[i]);

        if (digit == -1)
            return 0;
        number = number << 4 | (unsigned)digit;
    }
    return number;
}

/* JSON writes what is beyond 16 bits as two escapes; YAML knows them as one of eight
 * digits, which is shorter. Changes text, which ends with a NUL; returns its length. */
static size_t join_surrogates(char *text, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n;) {
        unsigned high = 0, low = 0;

        if (text[i] != '\\' || n - i < 2) {
            text[out++] = text[i++];
            continue;
        }
        if (text[i + 1] == 'u' && n - i >= 12 && text[i + 6] == '\\' &&
            text[i + 7] == 'u') {
            high = read_hex4(text + i + 2);
            low = read_hex4(text + i + 8);
        }
        if ((high & 0xfc00) == 0xd800 && (low & 0xfc00) == 0xdc00) {
            char escape[12];

            snprintf(escape, sizeof(escape), "\\U%08x",
                     0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff)));
            memcpy(text + out, escape, 10);
            out += 10;
            i += 12;
        } else {
            text[out++] = text[i++];
            text[out++] = text[i++];
        }
    }
    text[out] = '\0';
    return out;
}

static char *folder_of(const char *name)
{
    const char *slash = strrchr(name, '/');

    return xstrndup(name, slash == NULL ? 0 : (size_t)(slash - name));
}

static bool parse_text(struct reader *reader, const char *text, size_t n)
{
    struct yaml_limits limits = yaml_limits_default;
    bool ours = reader->file->is_named || registry_mentions_namespace(text, n);
    struct problems none, *problems = ours ? reader->problems : &none;
    struct yaml_document *document;
    bool ok;

    limits.max_bytes = reader->budget->max_file_bytes;
    if (limits.max_nodes > reader->budget->n_nodes_left)
        limits.max_nodes = reader->budget->n_nodes_left;
    problems_init(&none);
    document = yaml_parse(reader->path, text, n, &limits, problems);
    problems_finish(&none);
    if (document == NULL)
        return !ours;
    reader->budget->n_nodes_left -=
        yaml_node_count(document) < reader->budget->n_nodes_left
            ? yaml_node_count(document)
            : reader->budget->n_nodes_left;
    ok = read_root(reader, yaml_root(document));
    yaml_destroy(document);
    return ok;
}

static bool parse_json(struct reader *reader, const char *text, size_t n)
{
    char *copy = xstrndup(n == 0 ? "" : text, n);
    bool ok = parse_text(reader, copy, join_surrogates(copy, n));

    free(copy);
    return ok;
}

bool registry_read_text(const struct load_file *file, const char *text, size_t n_bytes,
                        struct load_budget *budget, struct entry_list *entries,
                        struct problems *problems)
{
    struct reader reader = {.file = file,
                            .budget = budget,
                            .problems = problems,
                            .path = xasprintf("%s%s", file->label, file->name),
                            .folder = folder_of(file->name),
                            .entries = entries};
    bool ok = text_ends_with(file->name, ".json") ? parse_json(&reader, text, n_bytes)
                                                  : parse_text(&reader, text, n_bytes);

    free(reader.source_file);
    free(reader.path);
    free(reader.folder);
    return ok;
}
