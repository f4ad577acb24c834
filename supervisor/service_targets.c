#include "supervisor/service_glue.h"

#include "common/err.h"

#include "supervisor/core.h"
#include "supervisor/system.h"

/* The service that the first argument names; NULL = answered. */
static struct service *get_service(struct request *request)
{
    const char *id = request_text(request, 0);
    struct service *service = NULL;
    struct err err = {0};

    if (id == NULL)
        err_set(&err, ERR_INVALID, "service ID required");
    else if ((service = services_find(request->sup->services, id)) == NULL)
        err_set(&err, ERR_NOT_FOUND, "service not found: %s", id);
    if (service == NULL)
        request_fail(request, &err);
    return service;
}

static void reply_record(struct request *request, const struct service *service)
{
    struct value record = service_describe(service);

    request_reply_taken(request, record);
}

static void handle_list(struct request *request)
{
    struct value list = services_describe(request->sup);

    request_reply_taken(request, list);
}

static void handle_get(struct request *request)
{
    const struct service *service = get_service(request);

    if (service != NULL)
        reply_record(request, service);
}

static void on_verb_done(void *context, const struct service *service,
                         const struct err *err)
{
    struct request *request = context;

    if (err != NULL)
        request_fail(request, err);
    else
        reply_record(request, service);
}

/* Whoever asked is gone; what was asked for goes on. */
static bool on_verb_cancelled(struct request *request)
{
    services_drop_verb(request->state);
    return true;
}

/* [id, no_wait] */
static void handle_verb(struct request *request, enum verb_kind kind)
{
    const struct value *second = request_arg_as(request, 1, VALUE_BOOL);
    bool no_wait = second != NULL && second->as.boolean;
    struct service *service = get_service(request);
    struct err err = {0};

    if (service == NULL)
        return;
    request->state = services_begin(request->sup->services, service, kind,
                                    no_wait ? NULL : on_verb_done, request, &err);
    if (request->state != NULL)
        request->on_cancel = on_verb_cancelled;
    else if (err.text[0] != '\0')
        request_fail(request, &err);
    else
        reply_record(request, service);
}

static void handle_start(struct request *request)
{
    handle_verb(request, VERB_START);
}

static void handle_stop(struct request *request)
{
    handle_verb(request, VERB_STOP);
}

static void handle_restart(struct request *request)
{
    handle_verb(request, VERB_RESTART);
}

static void handle_reset_failed(struct request *request)
{
    struct service *service = get_service(request);

    if (service == NULL)
        return;
    services_reset_failed(service);
    reply_record(request, service);
}

static const struct system_target targets[] = {
    {"services.get", handle_get, ALLOW_ANY},
    {"services.list", handle_list, ALLOW_ANY},
    {"services.reset_failed", handle_reset_failed, ALLOW_CLIENT},
    {"services.restart", handle_restart, ALLOW_CLIENT},
    {"services.start", handle_start, ALLOW_CLIENT},
    {"services.stop", handle_stop, ALLOW_CLIENT},
};

void service_targets_add(struct supervisor *sup)
{
    if (sup->system != NULL)
        system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
