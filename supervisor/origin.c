#include "supervisor/calls.h"

#include "common/err.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/worker.h"

struct conn *origin_conn(const struct origin *origin)
{
    if (origin->type == ORIGIN_WORKER)
        return origin->who.worker->conn;
    if (origin->type == ORIGIN_CLIENT)
        return ((const struct client_head *)(const void *)origin->who.client)->conn;
    return NULL;
}

void origin_reply(const struct origin *origin, uint8_t status, struct bytes result)
{
    struct frame_reply frame = {
        .call = origin->call, .status = status, .result = result};
    struct conn *conn = origin_conn(origin);

    if (origin->type == ORIGIN_INTERNAL)
        origin->who.internal.done(origin->who.internal.context, status, result);
    if (conn == NULL || conn_is_closed(conn))
        return;
    if (frame_encode_reply(conn_out(conn), &frame))
        conn_wrote(conn);
    else
        conn_shutdown(conn); /* it would wait for ever for this answer */
}

void origin_fail(const struct origin *origin, const struct err *err)
{
    struct buf buf;

    if (origin->type == ORIGIN_NONE)
        return;
    buf_init(&buf, 0);
    error_encode(&buf, err);
    origin_reply(origin, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
}

bool origin_item(const struct origin *origin, struct bytes item)
{
    struct frame_item frame = {.call = origin->call, .item = item};
    struct conn *conn = origin_conn(origin);

    if (conn == NULL || conn_is_closed(conn) || conn_is_congested(conn))
        return false;
    if (!frame_encode_item(conn_out(conn), &frame))
        return false;
    conn_wrote(conn);
    return true;
}
