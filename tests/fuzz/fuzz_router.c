/*
 * What a worker may send: any sequence of frames with any bodies. The supervisor must
 * live on; what it answers goes to two processes that read it and say nothing.
 *
 * Input: frames as type (u8), body length (u16, big endian), body. The top bit of the
 * type chooses the worker.
 */
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#include "supervisor/router.h"

#include "tests/fuzz/floor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct supervisor *sup = floor_take();
    struct err err = {0};

    while (size >= 3) {
        size_t n = (size_t)data[1] << 8 | data[2];
        struct bytes body = {data + 3, n < size - 3 ? n : size - 3};

        router_on_worker_frame(sup, floor_worker(data[0] >> 7), data[0] & 0x7f, body,
                               &err);
        data += 3 + body.n;
        size -= 3 + body.n;
    }
    conn_flush_all(&sup->conns);
    return 0;
}
