/*
 * mod_base64 -- the Lua module `base64`: standard alphabet, padded (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_BASE64_H
#define TROUPE_WORKER_MODULES_MOD_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

int base64_open(lua_State *L); /* pushes the module table */

/* out has room for 4 bytes per 3 begun ones of data. Returns the length. */
size_t base64_encode(char *out, const uint8_t *data, size_t n_bytes);

/* Skips CR and LF, refuses all else that isn't exact. out has room for 3 bytes per 4
 * begun ones of text. False: bad_at_out is the offset of the first wrong byte. */
bool base64_decode(uint8_t *out, const char *text, size_t n_bytes, size_t *n_out,
                   size_t *bad_at_out);

#endif
