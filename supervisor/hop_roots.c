#include "supervisor/hops.h"

#include <string.h>

#include "proto/context_map.h"
#include "proto/frame.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/hops_private.h"
#include "supervisor/pool.h"
#include "supervisor/service.h"
#include "supervisor/worker.h"

/* NULL: what the context says, if anything. */
static const char *root_of(const struct supervisor *sup, const struct origin *origin,
                           const struct frame_call *frame)
{
    const struct worker *worker;

    if (origin->type == ORIGIN_CLIENT)
        return "control";
    if (origin->type != ORIGIN_WORKER)
        return NULL;
    worker = origin->who.worker;
    if (strcmp(worker_role(worker), "gateway") == 0)
        return "http";
    if (worker->pool == NULL || !pool_kind_is_host(pool_kind(worker->pool)))
        return NULL;
    if (services_has_actor(sup->services, frame->caller))
        return "service";
    return context_map_find_text(frame->context, HOPS_ROOT).n != 0 ? NULL : "process";
}

struct bytes hops_mark_root(const struct supervisor *sup, const struct origin *origin,
                            const struct frame_call *frame, struct buf *out)
{
    const char *root = root_of(sup, origin, frame);
    struct bytes present;

    if (root == NULL)
        return frame->context;
    present = context_map_find_text(frame->context, HOPS_ROOT);
    if (bytes_equal_text(present, root) ||
        !context_map_put_text(out, frame->context, HOPS_ROOT, bytes_of_text(root)))
        return frame->context;
    return buf_bytes(out);
}

struct bytes hops_unmark(struct bytes context, struct buf *out)
{
    const struct bytes none = {(const uint8_t *)"", 0};
    struct bytes result = context;
    struct buf half;

    if (context_map_find_text(context, HOPS_ROOT).n == 0 &&
        context_map_find_text(context, HOPS_VIA).n == 0)
        return context;
    buf_init(&half, 0);
    if (context_map_put_text(&half, context, HOPS_ROOT, none) &&
        context_map_put_text(out, buf_bytes(&half), HOPS_VIA, none))
        result = buf_bytes(out);
    buf_finish(&half);
    return result;
}
