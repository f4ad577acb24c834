#include "worker/modules/uuid_text.h"

#include <string.h>
#include <strings.h>

#include "common/hex.h"

/* Between 1582-10-15, where the clock of version 1 starts, and 1970; in 100 ns. */
#define EPOCH_TICKS 122192928000000000
#define TICKS_PER_S 10000000

static void stamp(struct uuid *uuid, int version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | version << 4);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

static void put_big_endian(uint8_t *out, uint64_t number, int n_bytes)
{
    while (n_bytes-- > 0) {
        out[n_bytes] = (uint8_t)number;
        number >>= 8;
    }
}

static uint64_t get_big_endian(const uint8_t *at, int n_bytes)
{
    uint64_t number = 0;

    for (int i = 0; i < n_bytes; i++)
        number = number << 8 | at[i];
    return number;
}

/* Clock sequence and node are random; the multicast bit says that the node is no
 * hardware address. */
struct uuid uuid_make_v1(int64_t unix_ns, const uint8_t random[16])
{
    uint64_t ticks = (uint64_t)(unix_ns / 100) + EPOCH_TICKS;
    struct uuid uuid;

    put_big_endian(uuid.bytes, ticks & 0xffffffff, 4);
    put_big_endian(uuid.bytes + 4, ticks >> 32 & 0xffff, 2);
    put_big_endian(uuid.bytes + 6, ticks >> 48, 2);
    memcpy(uuid.bytes + 8, random + 8, 8);
    uuid.bytes[10] |= 1;
    stamp(&uuid, 1);
    return uuid;
}

struct uuid uuid_make_v4(const uint8_t random[16])
{
    return uuid_make_named(random, 4);
}

/* Milliseconds, then the fraction of one in 12 bits: made in order, sorted in order. */
struct uuid uuid_make_v7(int64_t unix_ns, const uint8_t random[16])
{
    uint64_t in_ms = (uint64_t)unix_ns % 1000000;
    struct uuid uuid;

    put_big_endian(uuid.bytes, (uint64_t)unix_ns / 1000000, 6);
    put_big_endian(uuid.bytes + 6, in_ms * 4096 / 1000000, 2);
    memcpy(uuid.bytes + 8, random + 8, 8);
    stamp(&uuid, 7);
    return uuid;
}

struct uuid uuid_make_named(const uint8_t digest[16], int version)
{
    struct uuid uuid;

    memcpy(uuid.bytes, digest, 16);
    stamp(&uuid, version);
    return uuid;
}

static bool is_hyphen_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool parse_digits(const char *text, size_t n, struct uuid *uuid_out)
{
    struct uuid uuid = {{0}};
    size_t n_digits = 0;

    for (size_t i = 0; i < n; i++) {
        int value = hex_digit(text[i]);

        if (n == 36 && is_hyphen_place(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        if (value == -1)
            return false;
        uuid.bytes[n_digits / 2] |= (uint8_t)(n_digits % 2 == 0 ? value << 4 : value);
        n_digits++;
    }
    *uuid_out = uuid;
    return true;
}

bool uuid_parse(const char *text, size_t n_bytes, struct uuid *uuid_out)
{
    switch (n_bytes) {
    case 32:
    case 36:
        return parse_digits(text, n_bytes, uuid_out);
    case 38:
        return text[0] == '{' && text[37] == '}' &&
               parse_digits(text + 1, 36, uuid_out);
    case 45:
        return strncasecmp(text, "urn:uuid:", 9) == 0 &&
               parse_digits(text + 9, 36, uuid_out);
    default:
        return false;
    }
}

void uuid_format(char out[UUID_TEXT_BYTES], const struct uuid *uuid)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < 16; i++) {
        if (is_hyphen_place(n))
            out[n++] = '-';
        out[n++] = hex[uuid->bytes[i] >> 4];
        out[n++] = hex[uuid->bytes[i] & 15];
    }
    out[n] = '\0';
}

int uuid_version(const struct uuid *uuid)
{
    return uuid->bytes[6] >> 4;
}

const char *uuid_variant(const struct uuid *uuid)
{
    uint8_t byte = uuid->bytes[8];

    if ((byte & 0xc0) == 0x80)
        return "RFC4122";
    if ((byte & 0xe0) == 0xc0)
        return "Microsoft";
    return (byte & 0xe0) == 0xe0 ? "Future" : "Reserved";
}

bool uuid_timestamp(const struct uuid *uuid, int64_t *unix_s_out)
{
    const uint8_t *bytes = uuid->bytes;
    int64_t ticks;

    switch (uuid_version(uuid)) {
    case 1:
        ticks =
            (int64_t)((get_big_endian(bytes + 6, 2) & 0x0fff) << 48 |
                      get_big_endian(bytes + 4, 2) << 32 | get_big_endian(bytes, 4)) -
            EPOCH_TICKS;
        *unix_s_out = ticks / TICKS_PER_S - (ticks % TICKS_PER_S < 0);
        return true;
    case 7:
        *unix_s_out = (int64_t)(get_big_endian(bytes, 6) / 1000);
        return true;
    default:
        return false;
    }
}
