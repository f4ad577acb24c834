#include "supervisor/spawn_reply.h"

#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

int spawn_reply_read(struct bytes result, struct value *list, uint64_t *pid_out,
                     struct bytes *host_out, struct err *err)
{
    const struct value *answer = list, *pid, *host;

    if (payload_decode(result, list, NULL) == -1)
        goto malformed;
    /* A payload of one value that is a list, or of two values. */
    if (value_list_n(answer) == 1)
        answer = value_item(answer, 0);
    pid = value_item(answer, 0);
    host = value_item(answer, 1);
    if (value_list_n(answer) != 2 || pid->type != VALUE_INT ||
        host->type != VALUE_STRING)
        goto malformed;
    *pid_out = (uint64_t)pid->as.integer;
    *host_out = value_to_bytes(host);
    return 0;
malformed:
    return err_set(err, ERR_INTERNAL, "the host's answer to a spawn is malformed");
}
