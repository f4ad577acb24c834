#include "supervisor/spawn_reply.h"

#include <stddef.h>

#include "common/value.h"

#include "proto/value_codec.h"

int spawn_reply_read(struct bytes result, struct value *list, uint64_t *pid_out,
                     struct bytes *host_out)
{
    const struct value *items;

    if (payload_decode(result, list, NULL) == -1)
        return -1;
    items = list->as.list.items;
    /* A payload of one value that is a list, or of two values. */
    if (list->as.list.n == 1 && items[0].type == VALUE_LIST) {
        if (items[0].as.list.n != 2)
            return -1;
        items = items[0].as.list.items;
    } else if (list->as.list.n != 2) {
        return -1;
    }
    if (items[0].type != VALUE_INT || items[1].type != VALUE_STRING)
        return -1;
    *pid_out = (uint64_t)items[0].as.integer;
    *host_out = value_to_bytes(&items[1]);
    return 0;
}
