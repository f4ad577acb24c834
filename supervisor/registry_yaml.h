/*
 * registry_yaml -- one YAML or JSON file of a source tree as entries (REG-03 … REG-05).
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_YAML_H
#define TROUPE_SUPERVISOR_REGISTRY_YAML_H

#include <stdbool.h>
#include <stddef.h>

struct entry_list;
struct problems;

/* What all files of one load share: the budgets that are left. */
struct load_budget {
    size_t max_file_bytes;   /* of one YAML file */
    size_t max_source_bytes; /* of one file that file:// names */
    size_t n_nodes_left;
    size_t n_source_bytes_left;
};

/* Where a file's text came from. */
struct load_file {
    int root_fd;       /* the source root, for file:///x and as the outer bound */
    const char *label; /* the root as a person would name it, "" or "src/" */
    const char *name;  /* of the file, relative to the root */
    bool is_named;     /* by a person, not found: then it must hold entries */
};

/* Adds the entries of text. false when the file is of no use at all; what is wrong has
 * been added to problems. A file without a namespace is none of ours: true. */
bool registry_read_text(const struct load_file *file, const char *text, size_t n_bytes,
                        struct load_budget *budget, struct entry_list *entries,
                        struct problems *problems);

/* Does text look like a registry file? It says namespace at the start of a line or, in
 * JSON, in quotes. For what can't be parsed: it may be none of ours. */
bool registry_mentions_namespace(const char *text, size_t n_bytes);

#endif
