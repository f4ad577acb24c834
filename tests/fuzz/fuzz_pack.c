/*
 * A pack is refused or read; what was read makes a pack that reads back. Bytes are
 * tried as they are, and as the table and the files of a pack whose head and hash are
 * right: no fuzzer would ever guess those.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"

#include "supervisor/entry.h"
#include "supervisor/pack.h"
#include "supervisor/registry_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { AT_SIZES = 80, AT_HASH = 96, AT_TABLE = 128, HASH_BYTES = 32 };

static void try_pack(struct bytes bytes)
{
    struct entry_list entries = {0}, again = {0};
    struct buf pack;
    struct err err;

    if (pack_decode(bytes, "x.wapp", &entries, &err) == 0) {
        buf_init(&pack, 0);
        if (pack_encode(&entries, &pack, &err) == -1 ||
            pack_decode(buf_bytes(&pack), "x.wapp", &again, &err) == -1 ||
            again.n != entries.n)
            abort();
        buf_finish(&pack);
    }
    entry_list_finish(&entries);
    entry_list_finish(&again);
}

/* The first two bytes say how many of the rest are the table. */
static void try_sealed(const uint8_t *data, size_t n)
{
    struct entry_list none = {0};
    uint64_t sizes[2] = {0};
    uint8_t hash[DIGEST_MAX_BYTES];
    struct bytes parts[2];
    struct err err;
    struct buf pack;

    if (n < 2)
        return;
    sizes[0] = (data[0] | (size_t)data[1] << 8) % (n - 1);
    sizes[1] = n - 2 - sizes[0];
    buf_init(&pack, 0);
    if (pack_encode(&none, &pack, &err) == -1)
        abort();
    pack.end = pack.start + AT_TABLE;
    memcpy(buf_head(&pack) + AT_SIZES, sizes, sizeof(sizes));
    buf_append(&pack, data + 2, n - 2);
    parts[0] = (struct bytes){buf_head(&pack), AT_HASH};
    parts[1] = (struct bytes){buf_head(&pack) + AT_TABLE, n - 2};
    if (!digest_compute(DIGEST_SHA256, parts, 2, hash, &(size_t){0}))
        abort();
    memcpy(buf_head(&pack) + AT_HASH, hash, HASH_BYTES);
    try_pack(buf_bytes(&pack));
    buf_finish(&pack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    try_pack((struct bytes){data, n});
    try_sealed(data, n);
    return 0;
}
