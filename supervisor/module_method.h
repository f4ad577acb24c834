/*
 * module_method -- functions inside a module.lua: call targets "ns:name.method".
 *
 * A module is a library whose table's functions can be called from outside, too. The
 * part behind the last dot is the method, unless an entry has the whole as its id.
 * Nobody knows a module's functions before its code has run: a worker that finds none
 * of that name answers NotFound.
 */
#ifndef TROUPE_SUPERVISOR_MODULE_METHOD_H
#define TROUPE_SUPERVISOR_MODULE_METHOD_H

#include "common/buf.h"

struct entry;
struct snapshot;

#define METHOD_MAX_BYTES 128

/* The module that target names a method of, NULL if it isn't that. Borrowed; method_out
 * points into target. */
const struct entry *module_method_find(const struct snapshot *state,
                                       struct bytes target, struct bytes *method_out);

#endif
