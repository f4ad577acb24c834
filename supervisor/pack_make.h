/*
 * pack_make -- `supervisor pack`: the loaded and compiled app as one file.
 *
 * What is packed is what a boot would run: after overrides, disabled entries and
 * requirements, with the texts of file:// in place. On demand sources become bytecode
 * (F-81) and the files of fs.directory entries come along.
 */
#ifndef TROUPE_SUPERVISOR_PACK_MAKE_H
#define TROUPE_SUPERVISOR_PACK_MAKE_H

#include <stdio.h>

#include "common/value.h"

struct config;
struct err;
struct options;
struct supervisor;

/* What the load leaves out: what the config disables, and --exclude, --exclude-ns. */
struct value pack_disabled(const struct config *config, const struct options *options);

/* Writes options->pack.out anew, as a whole or not at all, and says on out what was
 * done. The registry is loaded and all of it compiled. */
int pack_make(const struct supervisor *sup, const struct options *options, FILE *out,
              struct err *err);

#endif
