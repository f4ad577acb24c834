/*
 * value_skip -- where a msgpack value ends, without reading what it says.
 *
 * For parts of a payload that are passed on as they are: back references and errors in
 * them keep their meaning, which decoding and encoding again would lose.
 */
#ifndef TROUPE_PROTO_VALUE_SKIP_H
#define TROUPE_PROTO_VALUE_SKIP_H

#include <stdbool.h>

#include "common/buf.h"

/* Takes the first value off the front of *rest; false when it is cut off or is none. */
bool value_skip(struct bytes *rest, struct bytes *value_out);

/* Splits a payload: its graph flag, how many values there are, and their bytes. No
 * bytes at all are the empty list. */
bool payload_split(struct bytes payload, uint8_t *graph_out, uint32_t *n_values_out,
                   struct bytes *values_out);

#endif
