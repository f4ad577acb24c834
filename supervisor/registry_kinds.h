/*
 * registry_kinds -- every kind of entry that the specification lists, one row each.
 *
 * A kind that has no row is an error that names the nearest one. A row that this build
 * doesn't support keeps its entries as plain data, with one warning.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_KINDS_H
#define TROUPE_SUPERVISOR_REGISTRY_KINDS_H

#include <stdbool.h>
#include <stddef.h>

enum kind_flag {
    KIND_SUPPORTED = 1, /* this build does something with it */
    KIND_PLAIN = 2,     /* needs no handler: any data is right */
    KIND_LUA = 4,       /* has code, modules and imports */
    KIND_METHOD = 8,    /* ... and a method */
    KIND_CALLABLE = 16, /* funcs.call may name it */
    KIND_PROCESS = 32,  /* can be spawned */
    KIND_HOST = 64,     /* runs processes */
    KIND_SERVICE = 128, /* has a lifecycle (LIFE-02) */
    KIND_POOL = 256,    /* has a `pool` block */
    /* stands around calls to others */
    KIND_INTERCEPTOR = 512,
    /* its code is a file of a pack, not a source */
    KIND_BYTECODE = 1024,
};

struct kind {
    const char *name;
    unsigned flags; /* enum kind_flag */
};

/* The row of that kind, NULL if nobody knows it. */
const struct kind *kind_find(const char *name);

/* The known kind that name was probably meant to be, NULL if none is near. */
const char *kind_nearest(const char *name);

/* Is name a module that `modules` may list (REQ-02, REQ-01)? And its nearest. */
bool module_is_known(const char *name);
bool module_is_supported(const char *name);    /* by this build */
bool module_is_always_there(const char *name); /* listed or not */
const char *module_nearest(const char *name);

#endif
