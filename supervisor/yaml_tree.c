#include "supervisor/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/map.h"
#include "common/mem.h"
#include "common/utf8.h"

#include "supervisor/problems.h"
#include "supervisor/yaml_scalar.h"

#define BLOCK_BYTES 65536
#define CORE_TAG    "tag:yaml.org,2002:"
#define SMALL_MAP   16 /* with more keys a hash map looks for doubles */

const struct yaml_limits yaml_limits_default = {
    .max_bytes = (size_t)16 << 20,
    .max_nodes = 1000000,
    .max_expanded = 100000,
    .max_expanded_bytes = (size_t)16 << 20,
};

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

struct yaml_document {
    struct block *blocks;
    struct yaml_node *root;
};

struct anchor {
    struct yaml_node *node;
    bool open;
};

struct level {
    struct yaml_node *container;
    size_t size; /* pairs there is room for */
    struct yaml_node *key;
    struct map keys; /* text -> key node, once there are more than SMALL_MAP */
    size_t merge;    /* number of the "<<" pair + 1, 0 = none */
    struct anchor *anchor;
};

struct builder {
    const char *file;
    const struct yaml_limits *limits;
    struct problems *problems;
    struct yaml_document *document;
    struct map anchors;
    struct level levels[VALUE_MAX_DEPTH];
    size_t depth, n_nodes, n_expanded, n_expanded_bytes;
    const char *text; /* all of it, borrowed */
    size_t n_text;
    size_t line, line_start; /* as far as lines were counted: from 0, and its offset */
    bool has_document;
    bool failed; /* go on for more problems, but give nothing back */
};

/* ---- memory of a document -------------------------------------------------------- */

static void *allocate(struct yaml_document *document, size_t n)
{
    struct block *block = document->blocks;
    void *at;

    n = (n + 15) & ~(size_t)15;
    if (block == NULL || block->size - block->used < n) {
        size_t size = n > BLOCK_BYTES / 4 ? n : BLOCK_BYTES;

        block = xmalloc(sizeof(*block) + size);
        block->size = size;
        block->used = 0;
        block->next = document->blocks;
        document->blocks = block;
    }
    at = block->data + block->used;
    block->used += n;
    return memset(at, 0, n);
}

static char *copy_text(struct yaml_document *document, const void *text, size_t n)
{
    char *copy = allocate(document, n + 1);

    memcpy(copy, text, n);
    return copy;
}

void yaml_destroy(struct yaml_document *document)
{
    if (document == NULL)
        return;
    while (document->blocks != NULL) {
        struct block *next = document->blocks->next;

        free(document->blocks);
        document->blocks = next;
    }
    free(document);
}

/* ---- problems -------------------------------------------------------------------- */

__attribute__((format(printf, 5, 6))) static int fail_at(struct builder *b,
                                                         unsigned line, unsigned column,
                                                         const char *hint,
                                                         const char *fmt, ...)
{
    struct problem_at at = {.file = b->file, .line = line, .column = column};
    va_list args;

    va_start(args, fmt);
    problems_vadd(b->problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, fmt, args);
    va_end(args);
    b->failed = true;
    return -1;
}

static int fail(struct builder *b, const yaml_mark_t *mark, const char *hint,
                const char *text)
{
    return fail_at(b, (unsigned)mark->line + 1, (unsigned)mark->column + 1, hint, "%s",
                   text);
}

/* Line and column (in characters) of an offset. */
static void locate(const char *text, size_t offset, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n')
            ++*line, *column = 1;
        else if (((unsigned char)text[i] & 0xc0) != 0x80)
            ++*column;
}

/* ---- nodes ----------------------------------------------------------------------- */

static struct yaml_node *make_node(struct builder *b, const yaml_event_t *event)
{
    struct yaml_node *node = allocate(b->document, sizeof(*node));

    node->line = (unsigned)event->start_mark.line + 1;
    node->column = (unsigned)event->start_mark.column + 1;
    node->n_all = 1;
    return node;
}

static int count_node(struct builder *b, const yaml_event_t *event)
{
    if (++b->n_nodes <= b->limits->max_nodes)
        return 0;
    fail_at(b, (unsigned)event->start_mark.line + 1,
            (unsigned)event->start_mark.column + 1, "split it into several files",
            "the file holds more than %zu values", b->limits->max_nodes);
    return -1;
}

static const struct yaml_node *find_key(const struct level *level, const char *text)
{
    const struct yaml_node *map = level->container;

    if (map->n > SMALL_MAP)
        return map_find(&level->keys, text, strlen(text));
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->pairs[i].key->text, text) == 0)
            return map->pairs[i].key;
    return NULL;
}

static void note_key(struct level *level, const struct yaml_node *key)
{
    map_put(&level->keys, key->text, key->n_text, (void *)key);
}

static void append_pair(struct builder *b, struct level *level, struct yaml_node *key,
                        struct yaml_node *node)
{
    struct yaml_node *container = level->container;

    if (container->n == level->size) {
        size_t size = level->size == 0 ? 4 : level->size * 2;
        struct yaml_pair *pairs = allocate(b->document, size * sizeof(*pairs));

        if (container->n != 0)
            memcpy(pairs, container->pairs, container->n * sizeof(*pairs));
        container->pairs = pairs;
        level->size = size;
    }
    container->pairs[container->n++] = (struct yaml_pair){.key = key, .node = node};
    if (container->type != VALUE_MAP || container->n <= SMALL_MAP)
        return;
    if (container->n == SMALL_MAP + 1)
        for (size_t i = 0; i < SMALL_MAP; i++)
            note_key(level, container->pairs[i].key);
    note_key(level, key);
}

static int take_key(struct builder *b, struct level *level, struct yaml_node *node,
                    bool plain)
{
    const struct yaml_node *before;

    if (node->type == VALUE_LIST || node->type == VALUE_MAP)
        return fail_at(b, node->line, node->column, "use a text as key",
                       "a list or map can't be a key");
    if (strlen(node->text) != node->n_text)
        return fail_at(b, node->line, node->column, NULL, "a key holds a NUL byte");
    before = find_key(level, node->text);
    if (before != NULL)
        fail_at(b, node->line, node->column, "keep one of the two",
                "key '%s' comes twice, first at line %u, column %u", node->text,
                before->line, before->column);
    if (plain && strcmp(node->text, "<<") == 0)
        level->merge = level->container->n + 1;
    level->key = node;
    return 0;
}

/* Puts a finished (or just opened) node where it belongs. */
static int place_node(struct builder *b, struct yaml_node *node, bool plain)
{
    struct level *level;

    if (b->depth == 0) {
        b->document->root = node;
        return 0;
    }
    level = &b->levels[b->depth - 1];
    if (level->container->type == VALUE_LIST) {
        append_pair(b, level, NULL, node);
        return 0;
    }
    if (level->key == NULL)
        return take_key(b, level, node, plain);
    append_pair(b, level, level->key, node);
    level->key = NULL;
    return 0;
}

static struct anchor *note_anchor(struct builder *b, const yaml_char_t *name,
                                  struct yaml_node *node, bool open)
{
    struct anchor *anchor;
    size_t n;

    if (name == NULL)
        return NULL;
    n = strlen((const char *)name);
    anchor = allocate(b->document, sizeof(*anchor));
    *anchor = (struct anchor){.node = node, .open = open};
    map_put(&b->anchors, copy_text(b->document, name, n), n, anchor);
    return anchor;
}

/* ---- scalars --------------------------------------------------------------------- */

static int tagged_scalar(struct builder *b, const yaml_event_t *event, const char *tag,
                         struct value *value)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t n_prefix = strlen(CORE_TAG);

    if (strcmp(tag, "!") == 0) {
        value->type = VALUE_STRING;
        return 0;
    }
    if (strncmp(tag, CORE_TAG, n_prefix) == 0 &&
        yaml_type_tagged(tag + n_prefix, text, event->data.scalar.length, value))
        return 0;
    return fail_at(b, (unsigned)event->start_mark.line + 1,
                   (unsigned)event->start_mark.column + 1,
                   "leave the tag out or use !!str, !!int, !!float, !!bool or !!null "
                   "with a fitting value",
                   "tag '%s' doesn't fit here", tag);
}

/* Events come in order, so all lines of a document are counted once. */
static size_t find_line(struct builder *b, size_t line)
{
    while (b->line < line && b->line_start < b->n_text) {
        const char *end =
            memchr(b->text + b->line_start, '\n', b->n_text - b->line_start);

        b->line_start = end != NULL ? (size_t)(end - b->text) + 1 : b->n_text;
        b->line++;
    }
    return b->line_start;
}

static size_t count_blanks(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && text[i] == ' ')
        i++;
    return i;
}

/* How many blanks before each line of a block don't belong to its text: what its first
 * line that isn't empty has more of in the file. */
static unsigned block_indent(struct builder *b, const yaml_event_t *event,
                             const char *value, size_t n)
{
    size_t at = find_line(b, event->start_mark.line + 1), i = 0, raw, own;

    for (;;) {
        raw = count_blanks(b->text + at, b->n_text - at);
        if (at + raw >= b->n_text || b->text[at + raw] != '\n')
            break;
        at += raw + 1;
    }
    while (i < n && value[i] == '\n')
        i++;
    own = count_blanks(value + i, n - i);
    return raw > own ? (unsigned)(raw - own) : 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    size_t n = event->data.scalar.length;
    bool plain = event->data.scalar.plain_implicit != 0;
    struct yaml_node *node;
    struct value value = {.type = VALUE_STRING};

    if (count_node(b, event) == -1)
        return -1;
    if (tag != NULL && tagged_scalar(b, event, tag, &value) == -1)
        return -1;
    if (tag == NULL && plain)
        value = yaml_type_scalar(text, n);
    node = make_node(b, event);
    node->type = value.type;
    node->text = copy_text(b->document, text, n);
    node->n_text = n;
    node->is_block = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
                     event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
    if (node->is_block)
        node->indent = block_indent(b, event, text, n);
    node->n_all_bytes = n;
    if (value.type == VALUE_BOOL)
        node->as.boolean = value.as.boolean;
    else if (value.type == VALUE_INT)
        node->as.integer = value.as.integer;
    else if (value.type == VALUE_FLOAT)
        node->as.real = value.as.real;
    note_anchor(b, event->data.scalar.anchor, node, false);
    return place_node(b, node, plain);
}

/* ---- containers ------------------------------------------------------------------ */

static int on_open(struct builder *b, const yaml_event_t *event, enum value_type type,
                   const yaml_char_t *anchor, const yaml_char_t *tag)
{
    const char *want = type == VALUE_LIST ? CORE_TAG "seq" : CORE_TAG "map";
    struct yaml_node *node;

    if (count_node(b, event) == -1)
        return -1;
    if (b->depth == VALUE_MAX_DEPTH)
        return fail(b, &event->start_mark, "64 levels are the most", "nested too deep");
    if (tag != NULL && strcmp((const char *)tag, "!") != 0 &&
        strcmp((const char *)tag, want) != 0)
        return fail_at(b, (unsigned)event->start_mark.line + 1,
                       (unsigned)event->start_mark.column + 1, "leave the tag out",
                       "unknown tag '%s'", (const char *)tag);
    node = make_node(b, event);
    node->type = type;
    node->height = 1;
    if (place_node(b, node, false) == -1)
        return -1;
    b->levels[b->depth] =
        (struct level){.container = node, .anchor = note_anchor(b, anchor, node, true)};
    map_init(&b->levels[b->depth].keys);
    b->depth++;
    return 0;
}

/* What an alias or a merge makes of the file must stay within bounds. */
static int count_expansion(struct builder *b, const struct yaml_node *node,
                           unsigned line, unsigned column)
{
    b->n_expanded += node->n_all;
    b->n_expanded_bytes += node->n_all_bytes;
    if (b->n_expanded > b->limits->max_expanded ||
        b->n_expanded_bytes > b->limits->max_expanded_bytes)
        return fail_at(b, line, column, "write the values out or use fewer aliases",
                       "aliases expand to more than %zu values or %zu bytes",
                       b->limits->max_expanded, b->limits->max_expanded_bytes);
    return 0;
}

static int merge_map(struct builder *b, struct level *level,
                     const struct yaml_node *from, const struct yaml_node *key)
{
    if (from->type != VALUE_MAP)
        return fail_at(b, key->line, key->column, "name an anchored map",
                       "<< takes a map or a list of maps");
    for (size_t i = 0; i < from->n; i++) {
        const struct yaml_pair *pair = &from->pairs[i];

        if (find_key(level, pair->key->text) != NULL)
            continue;
        if (count_expansion(b, pair->node, key->line, key->column) == -1)
            return -1;
        append_pair(b, level, pair->key, pair->node);
    }
    return 0;
}

/* Takes the "<<" pair out and adds what it names; keys that are there win. */
static int merge(struct builder *b, struct level *level)
{
    struct yaml_node *map = level->container;
    struct yaml_pair pair = map->pairs[level->merge - 1];

    if (map->n > SMALL_MAP)
        map_remove(&level->keys, "<<", 2);
    map->n--;
    memmove(&map->pairs[level->merge - 1], &map->pairs[level->merge],
            (map->n - (level->merge - 1)) * sizeof(pair));
    /* Back at the border, the keys are looked up one by one again. */
    if (map->n == SMALL_MAP)
        map_finish(&level->keys);
    if (pair.node->type != VALUE_LIST)
        return merge_map(b, level, pair.node, pair.key);
    for (size_t i = 0; i < pair.node->n; i++)
        if (merge_map(b, level, pair.node->pairs[i].node, pair.key) == -1)
            return -1;
    return 0;
}

static int on_close(struct builder *b)
{
    struct level *level = &b->levels[b->depth - 1];
    struct yaml_node *node = level->container;
    int rc = level->merge != 0 ? merge(b, level) : 0;

    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_pair *pair = &node->pairs[i];

        node->n_all += pair->node->n_all;
        node->n_all_bytes += pair->node->n_all_bytes;
        node->n_all_bytes += pair->key == NULL ? 0 : pair->key->n_text;
        if (pair->node->height >= node->height)
            node->height = pair->node->height + 1;
    }
    if (level->anchor != NULL)
        level->anchor->open = false;
    map_finish(&level->keys);
    b->depth--;
    return rc;
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = map_find(&b->anchors, name, strlen(name));
    unsigned line = (unsigned)event->start_mark.line + 1;
    unsigned column = (unsigned)event->start_mark.column + 1;

    if (count_node(b, event) == -1)
        return -1;
    if (anchor == NULL)
        return fail_at(b, line, column, "an anchor (&name) must stand before its alias",
                       "alias *%s names no anchor", name);
    if (anchor->open)
        return fail_at(b, line, column, NULL,
                       "alias *%s stands inside the value that it names", name);
    if (b->depth + anchor->node->height > VALUE_MAX_DEPTH)
        return fail_at(b, line, column, "64 levels are the most",
                       "alias *%s nests too deep", name);
    if (count_expansion(b, anchor->node, line, column) == -1)
        return -1;
    return place_node(b, anchor->node, false);
}

/* ---- the stream ------------------------------------------------------------------ */

static int on_document(struct builder *b, const yaml_event_t *event)
{
    if (b->has_document)
        return fail(b, &event->start_mark, "put it into a file of its own",
                    "a second document starts here");
    b->has_document = true;
    return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, VALUE_LIST, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, VALUE_MAP, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b);
    default:
        return 0;
    }
}

/* 0: there is none. */
static char char_at(const char *text, size_t n, size_t line, size_t column)
{
    size_t at = 0;

    for (; line > 0 && at < n; at++)
        line -= text[at] == '\n';
    for (; column > 0 && at < n; at++)
        column -= at + 1 == n || ((unsigned char)text[at + 1] & 0xc0) != 0x80;
    return at < n ? text[at] : '\0';
}

/* What to do about what libyaml says of the character at that place, NULL: nothing to
 * add. */
static const char *hint_of(const char *problem, const char *context, char at)
{
    if (strcmp(problem, "mapping values are not allowed in this context") == 0)
        return "check the indentation, or put a text with a colon into quotes";
    if (context != NULL && (strcmp(context, "while scanning an alias") == 0 ||
                            strcmp(context, "while scanning an anchor") == 0))
        return "put a text that starts with * or & into quotes";
    if (strcmp(problem, "found character that cannot start any token") == 0 && at > ' ')
        return "put a text that starts with this character into quotes";
    if (strcmp(problem, "did not find expected key") == 0)
        return "check the indentation, and the quotes, up to here";
    return NULL;
}

/* Puts what libyaml says into our words where people need more. */
static void on_syntax_error(struct builder *b, const yaml_parser_t *parser,
                            const char *text, size_t n)
{
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    unsigned column = (unsigned)parser->problem_mark.column + 1;
    const char *problem =
        parser->problem != NULL ? parser->problem : "there is no memory for it";
    char at = char_at(text, n, line - 1, column - 1);
    const char *hint = hint_of(problem, parser->context, at);

    if (parser->error == YAML_READER_ERROR)
        locate(text, parser->problem_offset < n ? parser->problem_offset : n, &line,
               &column);
    else if (at == '\t')
        hint = "indent with blanks, YAML takes no tabs there";
    if (parser->context != NULL &&
        strcmp(parser->context, "while scanning a quoted scalar") == 0)
        fail_at(b, (unsigned)parser->context_mark.line + 1,
                (unsigned)parser->context_mark.column + 1,
                "close it, and write a quote inside of it twice (''), or as \\\"",
                "no valid YAML: a quoted text begins here, %s at line %u", problem,
                line);
    else if (parser->context != NULL)
        fail_at(b, line, column, hint, "no valid YAML: %s %s", parser->context,
                problem);
    else
        fail_at(b, line, column, hint, "no valid YAML: %s", problem);
}

static void parse_events(struct builder *b, const char *text, size_t n)
{
    yaml_parser_t parser;
    bool done = false;

    if (!yaml_parser_initialize(&parser)) {
        fail_at(b, 0, 0, NULL, "no memory for a parser");
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    while (!done) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            on_syntax_error(b, &parser, text, n);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT || on_event(b, &event) == -1;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    while (b->depth > 0)
        map_finish(&b->levels[--b->depth].keys);
}

/* Is it text at all, and not too much of it? */
static int check_text(struct builder *b, const char *text, size_t n)
{
    size_t n_valid;
    unsigned line, column;

    if (n > b->limits->max_bytes)
        return fail_at(b, 0, 0, "split it into several files",
                       "the file has %zu bytes, more than %zu", n,
                       b->limits->max_bytes);
    n_valid = utf8_valid_bytes(text, n);
    if (n_valid == n)
        return 0;
    locate(text, n_valid, &line, &column);
    return fail_at(b, line, column, "save the file as UTF-8",
                   "byte 0x%02x is no valid UTF-8", (unsigned char)text[n_valid]);
}

struct yaml_document *yaml_parse(const char *file, const char *text, size_t n_bytes,
                                 const struct yaml_limits *limits,
                                 struct problems *problems)
{
    struct builder b = {.file = file,
                        .text = text,
                        .n_text = n_bytes,
                        .limits = limits == NULL ? &yaml_limits_default : limits,
                        .problems = problems};

    if (n_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        n_bytes -= 3;
    }
    b.document = xcalloc(1, sizeof(*b.document));
    map_init(&b.anchors);
    if (check_text(&b, text, n_bytes) == 0)
        parse_events(&b, text, n_bytes);
    map_finish(&b.anchors);
    if (b.failed) {
        yaml_destroy(b.document);
        return NULL;
    }
    if (b.document->root == NULL) {
        b.document->root = allocate(b.document, sizeof(*b.document->root));
        b.document->root->line = b.document->root->column = 1;
        b.document->root->n_all = 1;
        b.document->root->text = "";
    }
    return b.document;
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
    return document->root;
}

size_t yaml_node_count(const struct yaml_document *document)
{
    return document->root->n_all;
}
