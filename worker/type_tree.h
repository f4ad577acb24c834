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
 *     fun       params, ret          lists
 *     keyof     inner
 *
 * and, when annotations stand behind it, `ann`: a list of {name, args}.
 */
#ifndef TROUPE_WORKER_TYPE_TREE_H
#define TROUPE_WORKER_TYPE_TREE_H

#include <stddef.h>

struct value;

/* text is one statement, `type …` or `interface … end`. nil when it can't be read after
 * all (it is nested more than 64 levels deep). */
struct value type_tree_read(const char *text, size_t n_bytes);

#endif
