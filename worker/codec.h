/*
 * codec -- Lua values to msgpack and back; what crosses a border between states.
 *
 * Every message, argument and result goes through here (processes.md PM-7), so the
 * paths of small values are short: the encoder walks Lua values straight into a buffer,
 * the decoder builds them straight from a bounded cursor. Neither recurses, neither
 * trusts a declared size: a count is held against the bytes that are there before any
 * allocation.
 *
 * What survives: nil, booleans, integers and floats as what they are, strings of any
 * bytes, tables with keys of any such type, Errors. Functions, threads and other
 * userdata become nil; a pair of a table with one of them goes. Metatables are dropped.
 * A table that occurs twice within one value, or contains itself, arrives so (EXT_REF),
 * see frames.def. Tables whose keys are exactly 1..n travel as arrays, others as maps.
 *
 * Encoding raises nothing and leaves the stack as it was. Decoding may raise for lack
 * of memory; it holds nothing then. Both need what every C function has, LUA_MINSTACK
 * slots.
 */
#ifndef TROUPE_WORKER_CODEC_H
#define TROUPE_WORKER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

struct err;
struct error_view;

#define CODEC_MAX_DEPTH 64    /* tables within tables */
#define CODEC_MAX_ARGS  10000 /* of a call, a message or a process */

/* Values larger than this are refused when the buffer has no bound of its own: a frame
 * with one and the texts around it is within FRAME_MAX_BYTES_DEFAULT, beyond which the
 * peer would take us for broken. */
#define CODEC_MAX_BYTES (((size_t)64 << 20) - ((size_t)256 << 10))

/* ---- a payload: graph flag and array of values ----------------------------------- */

/* -1 (INVALID): n are more values than CODEC_MAX_ARGS, which nobody would take. */
int codec_check_count(int n, struct err *err);

/* Appends the n values from stack index first on. 0, or -1 (INVALID: more than
 * CODEC_MAX_ARGS, which nobody would take, or nested too deeply, with a path to the
 * place; LIMIT_EXCEEDED: too large), then nothing is appended. */
int codec_encode_args(lua_State *L, int first, int n, struct buf *out, struct err *err);

/* Pushes the values and returns their number; -1 (INVALID) when the bytes are anything
 * but one whole payload of at most max_values, then nothing is pushed. */
int codec_decode_args(lua_State *L, const uint8_t *data, size_t n_bytes, int max_values,
                      struct err *err);

/* Looks at the head of a payload only: are there back references, how many values
 * follow, and their bytes, to be taken one by one with codec_take_value(). */
int codec_open_args(struct bytes payload, bool *graph_out, uint32_t *n_values_out,
                    struct bytes *values_out, struct err *err);

/* Takes the first value's bytes off rest without decoding them; -1 (INVALID) if there
 * is no whole value. */
int codec_take_value(struct bytes *rest, struct bytes *value_out, struct err *err);

/* ---- one value ------------------------------------------------------------------- */

/* Appends the value at idx. With graph_out, a table that occurs again becomes a back
 * reference and *graph_out true; with NULL it is written again (for readers that know
 * plain msgpack only), and a cycle is refused as too deep. Errors as above. */
int codec_encode_value(lua_State *L, int idx, struct buf *out, bool *graph_out,
                       struct err *err);

/* Pushes the one value that data is; graph: back references may occur. */
int codec_decode_value(lua_State *L, const uint8_t *data, size_t n_bytes, bool graph,
                       struct err *err);

/* ---- errors and results ---------------------------------------------------------- */

/* Appends the Error at idx as one EXT_ERROR; false when there is no room. */
bool codec_encode_error(lua_State *L, int idx, struct buf *out);

/* Pushes the Error that an EXT_ERROR object is; -1 (INVALID) for anything else. */
int codec_decode_error(lua_State *L, const uint8_t *data, size_t n_bytes,
                       struct err *err);

/* Pushes what a function returns for a REPLY: value and nil, or nil and Error. What
 * can't be decoded becomes an Error of kind Internal. Always 2. */
int codec_push_result(lua_State *L, bool ok, struct bytes result);

#endif
