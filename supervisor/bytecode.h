/*
 * bytecode -- entries whose code was compiled before: function.lua.bc and its kin.
 *
 * Instead of a source they have {fs, path, hash}: a file inside an fs.embed entry of a
 * pack and its SHA-256. A dump of Lua's is believed by who runs it, so it must come
 * from a pack (no app can write there), have the hash that the entry says, and have
 * been made for this interpreter; anything else refuses the entry, and with it the load
 * or the change that brought it. A file of bytecode is luac_head.h's head and then, in
 * msgpack, what the compile worker answered: {bytecode, uses_G, types}.
 */
#ifndef TROUPE_SUPERVISOR_BYTECODE_H
#define TROUPE_SUPERVISOR_BYTECODE_H

#include <stdbool.h>

struct buf;
struct entry;
struct err;
struct problems;
struct snapshot;
struct value;

/* Looks at an entry of such a kind in the state that it will be part of. What is right
 * is kept: entry->code. */
void bytecode_check(struct entry *entry, const struct snapshot *state,
                    struct problems *problems);

/* What the compile worker once answered for a checked entry. INTERNAL when it is
 * none. */
int bytecode_read(const struct entry *entry, struct value *compiled_out,
                  struct err *err);

/* The file for what the compile worker answers now. false without memory. */
bool bytecode_write(const struct value *compiled, struct buf *out);

#endif
