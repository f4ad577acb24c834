#include "supervisor/peer_use.h"

#include "supervisor/calls.h"
#include "supervisor/worker.h"

struct peer_use *origin_use(const struct origin *origin)
{
    if (origin->type == ORIGIN_WORKER)
        return &origin->who.worker->use;
    if (origin->type == ORIGIN_CLIENT && origin->who.client != NULL)
        return &((struct client_head *)(void *)origin->who.client)->use;
    return NULL;
}
