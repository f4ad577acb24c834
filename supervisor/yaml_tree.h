/*
 * yaml_tree -- YAML text (and JSON, its subset) as a tree that knows where everything
 * stands.
 *
 * libyaml's parser gives events; everything else is ours, because its own document
 * loader is quadratic in depth and anchors and keeps duplicate keys. The text is
 * bounded before it is parsed, nodes and depth while it is, and an alias shares the
 * node it names, so that only what is *made* of the tree can grow: yaml_to_value() is
 * safe because every node's expanded size was counted against the limits when it was
 * built.
 *
 * Scalars are typed as apps expect it (REG-04): 0600, 0o600 and 0x1F are integers, yes
 * and on are texts, dates are texts. Only string keys; one document per file.
 */
#ifndef TROUPE_SUPERVISOR_YAML_TREE_H
#define TROUPE_SUPERVISOR_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/value.h"

struct problems;
struct yaml_document;

struct yaml_limits {
    size_t max_bytes;          /* of the text */
    size_t max_nodes;          /* in the text */
    size_t max_expanded;       /* more nodes that aliases may stand for */
    size_t max_expanded_bytes; /* and their texts */
};
extern const struct yaml_limits yaml_limits_default;

struct yaml_node {
    enum value_type type;
    unsigned line, column; /* 1-based */
    union {
        bool boolean;
        int64_t integer;
        double real;
    } as;
    const char *text; /* scalars: as written, NUL-terminated; VALUE_STRING: its bytes */
    size_t n_text;
    bool is_block;           /* `|` or `>`: its lines stand below, one for one */
    unsigned indent;         /* is_block: blanks before each that aren't of the text */
    struct yaml_pair *pairs; /* VALUE_MAP, VALUE_LIST (key NULL) */
    size_t n;
    size_t n_all, n_all_bytes; /* with everything below, aliases expanded */
    unsigned height;           /* containers below it, one inside the other */
};

struct yaml_pair {
    struct yaml_node *key, *node;
};

/* Parses text. file is for problems only. NULL when there is an error, which was added;
 * an empty text gives a nil root. */
struct yaml_document *yaml_parse(const char *file, const char *text, size_t n_bytes,
                                 const struct yaml_limits *limits,
                                 struct problems *problems);
void yaml_destroy(struct yaml_document *document); /* NULL is fine */

const struct yaml_node *yaml_root(const struct yaml_document *document);
size_t yaml_node_count(const struct yaml_document *document); /* aliases expanded */

/* The pair of that key in a map, NULL if none (or node is no map, or NULL). */
const struct yaml_pair *yaml_find(const struct yaml_node *node, const char *key);

/* A copy as plain data. */
struct value yaml_to_value(const struct yaml_node *node);

/* The same, but text() makes the value of every VALUE_STRING node. */
struct value yaml_to_value_with(const struct yaml_node *node,
                                struct value (*text)(void *context,
                                                     const struct yaml_node *node),
                                void *context);

#endif
