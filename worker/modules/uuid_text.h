/*
 * uuid_text -- UUIDs as 16 bytes: made, read and written (RFC 9562).
 *
 * Random bytes come from the caller, so that a replayed workflow can give the same
 * ones.
 */
#ifndef TROUPE_WORKER_MODULES_UUID_TEXT_H
#define TROUPE_WORKER_MODULES_UUID_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_BYTES 37 /* 36 and a NUL */

struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_make_v1(int64_t unix_ns, const uint8_t random[16]);
struct uuid uuid_make_v4(const uint8_t random[16]);
struct uuid uuid_make_v7(int64_t unix_ns, const uint8_t random[16]);

/* From the start of a digest (v3: MD5, v5: SHA-1). */
struct uuid uuid_make_named(const uint8_t digest[16], int version);

/* 36 with hyphens, "urn:uuid:" and 36, {36}, or 32 digits; in any case of letters. */
bool uuid_parse(const char *text, size_t n_bytes, struct uuid *uuid_out);

void uuid_format(char out[UUID_TEXT_BYTES], const struct uuid *uuid);

int uuid_version(const struct uuid *uuid);
const char *uuid_variant(const struct uuid *uuid); /* "RFC4122", ... */

/* Unix seconds of a v1 or v7; false for others. */
bool uuid_timestamp(const struct uuid *uuid, int64_t *unix_s_out);

#endif
