#include "supervisor/code_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/module_method.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

static void on_request_chunk(struct waiter *waiter, const struct chunk *chunk)
{
    struct request *request = waiter->context;

    free(waiter);
    if (chunk->state == CHUNK_COMPILED)
        request_reply_raw(request, buf_bytes(&chunk->payload));
    else
        request_fail(request, &chunk->err);
}

/* The module's code under the method's name. */
static void reply_with_method(struct request *request, const struct chunk *chunk)
{
    const struct value *id = &request->args.as.list.items[0];
    const char *method = strrchr(value_text(id), '.') + 1;
    struct value list = {0};
    struct err err;

    if (payload_decode(buf_bytes(&chunk->payload), &list, &err) == -1) {
        request_fail(request, &err);
        return;
    }
    value_put(&list.as.list.items[0], "id", value_copy(id));
    value_put(&list.as.list.items[0], "method", value_string(method));
    request_reply(request, &list.as.list.items[0]);
    value_finish(&list);
}

static void on_method_chunk(struct waiter *waiter, const struct chunk *chunk)
{
    struct request *request = waiter->context;

    free(waiter);
    if (chunk->state == CHUNK_COMPILED)
        reply_with_method(request, chunk);
    else
        request_fail(request, &chunk->err);
}

/* A process that isn't ready yet asks for its pool's own code: of the change that it is
 * started for, or of the state that its pool belongs to. */
static const struct snapshot *view_of(const struct request *request)
{
    const struct worker *worker = request->origin.who.worker;
    const struct snapshot *view = NULL;

    if (request->origin.type == ORIGIN_WORKER && worker->pool != NULL &&
        worker->ready_at_ns == 0)
        view = pool_view(worker->pool);
    return view != NULL ? view : registry_state(request->sup->registry);
}

static void on_get(struct request *request)
{
    const struct snapshot *view = view_of(request);
    const char *id = request_text(request, 0);
    const struct entry *entry = NULL;
    struct code *code = request->sup->code; /* the request may be gone soon */
    void (*ready)(struct waiter *, const struct chunk *) = on_request_chunk;
    struct bytes method;

    if (id != NULL)
        entry = snapshot_find(view, id, strlen(id));
    if (entry == NULL && id != NULL) {
        entry = module_method_find(registry_state(request->sup->registry),
                                   bytes_of_text(id), &method);
        ready = on_method_chunk;
    }
    if (entry == NULL || !code_has_code(entry)) {
        request_refuse(request, ERR_NOT_FOUND, "no code for entry %s",
                       id != NULL ? id : "?");
        return;
    }
    code_want(code, entry, code_make_waiter(ready, NULL, request));
    code_send_pending(code);
}

static const struct system_target targets[] = {{"code.get", on_get, ALLOW_WORKER}};

void code_add_targets(struct system *system)
{
    system_add_targets(system, targets, N_ELEMENTS(targets));
}
