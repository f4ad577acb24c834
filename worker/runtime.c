#include "worker/runtime.h"

#include "common/buf.h"

#include "worker/actor.h"
#include "worker/contracts.h"
#include "worker/events.h"
#include "worker/functions.h"
#include "worker/groups.h"
#include "worker/metrics.h"
#include "worker/peers.h"
#include "worker/policies.h"
#include "worker/program.h"
#include "worker/relations.h"
#include "worker/terminal.h"
#include "worker/uplink.h"

void runtime_init(struct runtime *rt, int fd)
{
    buf_init(&rt->record, 0);
    buf_init(&rt->scratch, 0);
    conn_set_init(&rt->conns, rt->loop);
    sched_init(&rt->sched, rt);
    list_init(&rt->births);
    rt->programs = programs_create(rt);
    rt->functions = functions_create(rt);
    rt->policies = policies_create();
    rt->peers = peers_create();
    rt->contracts = contracts_create();
    rt->subscriptions = events_create();
    rt->group_watches = groups_create();
    rt->uplink = uplink_create(rt, fd);
    rt->metrics = metrics_create(rt);
}

void runtime_finish(struct runtime *rt)
{
    actors_end_all(rt);
    relations_finish(rt);
    sched_finish(&rt->sched);
    metrics_destroy(rt->metrics);
    terminal_destroy(rt->terminal);
    events_destroy(rt->subscriptions);
    contracts_destroy(rt->contracts);
    groups_destroy(rt->group_watches);
    programs_destroy(rt->programs);
    functions_destroy(rt->functions);
    policies_destroy(rt->policies);
    peers_destroy(rt->peers);
    uplink_destroy(rt->uplink);
    conn_set_finish(&rt->conns);
    slots_finish(&rt->slots);
    buf_finish(&rt->record);
    buf_finish(&rt->scratch);
}
