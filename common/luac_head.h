/*
 * luac_head -- the first bytes of a file of bytecode: which interpreter it is for.
 *
 * A dump of Lua's says little about who made it, and Lua believes what it is given. So
 * ours starts with a head that names the exact release of Lua, the sizes and the byte
 * order of the machine, and the version of what the compile worker does to a source
 * before and after Lua sees it. A head that differs in any byte is refused.
 */
#ifndef TROUPE_COMMON_LUAC_HEAD_H
#define TROUPE_COMMON_LUAC_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;

#define LUAC_HEAD_BYTES 32

/* The head of what this build makes. */
void luac_head_write(uint8_t out[LUAC_HEAD_BYTES]);

/* Is that how what this build understands starts? */
bool luac_head_matches(struct bytes file);

/* What a foreign head names, for an error: "Lua 5.4.6, 32 bits". */
void luac_head_describe(struct bytes file, char *out, size_t out_bytes);

#endif
