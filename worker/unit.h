/*
 * unit -- one entry's code, as the supervisor described it (@code.get): bytecode that
 * the compile worker made, and what it needs to run.
 *
 * Counted: once as the newest of its id, and by each program that is made of it.
 */
#ifndef TROUPE_WORKER_UNIT_H
#define TROUPE_WORKER_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/value.h"

struct err;

struct unit {
    unsigned n_refs;
    char *id, *kind, *method;
    uint8_t *bytecode;
    size_t bytecode_bytes;
    bool uses_G;
    uint64_t linger_ms;   /* F-4: what its calls leave behind may take */
    struct value modules; /* list of text */
    struct value imports; /* map alias → id */
    struct value types; /* that it declares, see type_tree.h; nil: types mean nothing */
};

/* Of the map that describes it (NULL: none came), under the id that it was asked for
 * by. NULL and err: INTERNAL without bytecode, UNAVAILABLE without memory for it. */
struct unit *unit_create(const char *id, const struct value *map, struct err *err);

struct unit *unit_ref(struct unit *unit);
void unit_unref(struct unit *unit);

/* Is it the code of one of these entries (a list of texts)? A method of a module is,
 * under "id.method". */
bool unit_is_among(const struct unit *unit, const struct value *ids);

#endif
