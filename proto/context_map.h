/*
 * context_map -- the `context` field of CALL and SPAWN, read and changed by key.
 *
 * The field is empty or a payload of one map. Whoever passes it on leaves the keys
 * alone that it doesn't know, so each is found and replaced here without decoding the
 * others. No back references occur in the map (its graph flag is 0): a value keeps its
 * meaning wherever it is copied to.
 *
 *   values  map: what ctx reads, inherited by callees and spawned processes
 *   actor   map {id = text, meta = map}: who acts
 *   scope   list of policy ids: what the actor may do; present and empty = nothing
 *   trace   text: W3C traceparent of the caller's span
 *   via     text: ids of interceptors whose handlers the call comes from, directly or
 *           not, each followed by '\n'; it skips those. Empty = none
 *   root    text: where the chain of calls began, "http", "queue", "process",
 *           "service" or "control". Empty or missing = nobody has said
 *
 * Nothing here is trusted: what is malformed reads as an empty map.
 */
#ifndef TROUPE_PROTO_CONTEXT_MAP_H
#define TROUPE_PROTO_CONTEXT_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* The bytes of the value under that key, borrowed from context; false when there is
 * none. */
bool context_map_find(struct bytes context, const char *key, struct bytes *value_out);

/* The same for values that are texts: no bytes (n = 0) when there is no such text. */
struct bytes context_map_find_text(struct bytes context, const char *key);

/* Appends a context with all pairs of `context` but those under the n keys, up to the
 * place where one pair for each of these keys follows: context_map_append_key() and a
 * msgpack value, in any order. false when the buffer can't grow. */
bool context_map_begin(struct buf *out, struct bytes context, const char *const *keys,
                       size_t n);
bool context_map_append_key(struct buf *out, const char *key);

/* Appends context with that key's value replaced. false when the buffer can't grow. */
bool context_map_put_text(struct buf *out, struct bytes context, const char *key,
                          struct bytes text);

#endif
