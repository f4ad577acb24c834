/*
 * type_tree -- a declared type as plain data, for apps that use types as values.
 *
 * The erasing pass says where the declarations are, and that they are right; here each
 * becomes a map {name, params, type}. A type is a map with `k`, its sort:
 *
 *     any                            also for what has no meaning at run time
 *     prim      name                 string, integer, …
 *     lit       value
 *     ref       name, args           of another declaration, "lib.Name" of an import
 *     array     elem
 *     map       key, val
 *     record    fields               list of {name, type, opt}
 *     or, and   of                   list
 *     opt       inner
 *     fun       params, ret, more    lists; more: "..." may follow, true or not there
 *                                    no ret: it isn't said, or ends in "...T"
 *     keyof     inner
 *
 * and, when annotations stand behind it, `ann`: a list of {name, args}.
 */
#ifndef TROUPE_WORKER_TYPE_TREE_H
#define TROUPE_WORKER_TYPE_TREE_H

#include <stddef.h>

struct value;

enum type_form {
    TYPE_STATEMENT,  /* `type …` or `interface … end` */
    TYPE_ANNOTATION, /* ": T", "?: T", "as T", ":: T": that type */
    TYPE_RETURNS,    /* ": T, U", ": (T, U)", ": ()": a list */
    TYPE_GENERICS,   /* "<T, U: Bound>": a list of names */
};

/* What the erasing pass took out of a source, for who must say where a name stands:
 * each `ref` also has `at`, its offset in text, and a method of an interface has
 * `generics`, names of its type parameters. nil as below. */
struct value type_tree_read_places(const char *text, size_t n_bytes,
                                   enum type_form form);

/* text is one statement, `type …` or `interface … end`. nil when it can't be read after
 * all: it is nested more than 64 levels deep, or wrapped as often ("T[][]…"). */
struct value type_tree_read(const char *text, size_t n_bytes);

#endif
