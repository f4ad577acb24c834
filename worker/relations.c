#include "worker/relations.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/mem.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define TOLD_AT_ONCE 1000 /* less than a millisecond's work */

/* pid → bits of enum relation, as the pointer's value */
struct relations {
    struct map watchers, watched;
};

static struct relations *relations_of(struct actor *actor)
{
    if (actor->relations == NULL) {
        actor->relations = xcalloc(1, sizeof(*actor->relations));
        map_init(&actor->relations->watchers);
        map_init(&actor->relations->watched);
    }
    return actor->relations;
}

static bool add(struct map *map, uint64_t pid, uintptr_t bit)
{
    uintptr_t bits = (uintptr_t)map_find_number(map, pid);

    map_put_number(map, pid, (void *)(bits | bit));
    return (bits & bit) == 0;
}

static void take(struct map *map, uint64_t pid, uintptr_t bit)
{
    uintptr_t bits = (uintptr_t)map_find_number(map, pid);

    if (bits == 0)
        return;
    if ((bits & ~bit) == 0)
        map_remove_number(map, pid);
    else
        map_put_number(map, pid, (void *)(bits & ~bit));
}

bool relations_add_watcher(struct actor *target, uint64_t watcher,
                           enum relation relation)
{
    return add(&relations_of(target)->watchers, watcher, relation);
}

bool relations_add_watched(struct actor *watcher, uint64_t target,
                           enum relation relation)
{
    return add(&relations_of(watcher)->watched, target, relation);
}

void relations_remove_watcher(struct actor *target, uint64_t watcher,
                              enum relation relation)
{
    if (target->relations != NULL)
        take(&target->relations->watchers, watcher, relation);
}

void relations_remove_watched(struct actor *watcher, uint64_t target,
                              enum relation relation)
{
    if (watcher->relations != NULL)
        take(&watcher->relations->watched, target, relation);
}

bool relations_has_watched(const struct actor *watcher, uint64_t target,
                           enum relation relation)
{
    const struct relations *relations = watcher->relations;

    return relations != NULL &&
           ((uintptr_t)map_find_number(&relations->watched, target) & relation) != 0;
}

bool relations_join(struct actor *watcher, struct actor *target, enum relation relation)
{
    if (watcher == target)
        return true; /* linking oneself has no effect */
    if (!relations_add_watched(watcher, target->pid, relation))
        return false;
    relations_add_watcher(target, watcher->pid, relation);
    if (relation == RELATION_LINK) {
        relations_add_watched(target, watcher->pid, relation);
        relations_add_watcher(watcher, target->pid, relation);
    }
    return true;
}

void relations_part(struct runtime *rt, uint64_t watcher, struct actor *target)
{
    struct actor *actor = slots_find(&rt->slots, watcher);

    relations_remove_watcher(target, watcher, RELATION_MONITOR);
    if (actor != NULL)
        relations_remove_watched(actor, target->pid, RELATION_MONITOR);
}

/* ---- ends ------------------------------------------------------------------------ */

/* An actor that has ended: what is left to be told. */
struct ending {
    struct list in_sched;
    struct relations *relations;
    const struct map_row *done; /* of the map that is being walked */
    bool has_left;              /* what it watched has forgotten it */
    uint64_t pid;
    const char *host;
    struct outcome outcome;
    uint8_t result[]; /* what outcome points to, when it has to last */
};

static void tell_near(struct actor *watcher, const struct ending *dead,
                      enum message_kind kind)
{
    actor_tell(watcher, kind, dead->pid, bytes_of_text(dead->host),
               dead->outcome.failed, dead->outcome.result);
}

static void tell_far(struct runtime *rt, const struct ending *dead, uint64_t watcher,
                     uintptr_t bits)
{
    struct frame_exit frame = {.to = watcher,
                               .from = dead->pid,
                               .from_host = bytes_of_text(dead->host),
                               .failed = dead->outcome.failed,
                               .result = dead->outcome.result};

    if (bits & RELATION_MONITOR)
        frame.what |= EXIT_EVENT;
    if ((bits & RELATION_LINK) != 0 && dead->outcome.failed)
        frame.what |= LINK_DOWN_EVENT;
    if (frame.what != 0)
        uplink_send_exit(rt->uplink, &frame);
}

/* EX-1: a success ends links in silence; a process that has both gets EXIT first. Who
 * has thought better of it meanwhile hears nothing. */
static void tell_watcher(struct runtime *rt, const struct ending *dead,
                         uint64_t watcher_pid, uintptr_t bits)
{
    struct actor *watcher;

    if (pid_index(watcher_pid) != rt->slots.index) {
        tell_far(rt, dead, watcher_pid, bits);
        return;
    }
    watcher = slots_find(&rt->slots, watcher_pid);
    if (watcher == NULL)
        return;
    bits &= (uintptr_t)map_find_number(&relations_of(watcher)->watched, dead->pid);
    take(&relations_of(watcher)->watched, dead->pid, bits);
    take(&relations_of(watcher)->watchers, dead->pid, RELATION_LINK);
    if ((bits & RELATION_MONITOR) != 0 &&
        !actor_take_exit(watcher, dead->pid, dead->outcome.failed,
                         dead->outcome.result))
        tell_near(watcher, dead, MSG_EXIT);
    if ((bits & RELATION_LINK) != 0 && dead->outcome.failed)
        tell_near(watcher, dead, MSG_DOWN);
}

static void leave(struct runtime *rt, uint64_t pid, const struct map_row *row)
{
    struct actor *target = slots_find(&rt->slots, row->number);

    if (target != NULL)
        take(&relations_of(target)->watchers, pid, (uintptr_t)row->value);
}

/* Tells at most `most` of them; false when some are left. Nobody else changes the maps
 * of the dead. */
static bool tell_some(struct runtime *rt, struct ending *dead, unsigned most)
{
    while (most-- > 0) {
        const struct map *map =
            dead->has_left ? &dead->relations->watchers : &dead->relations->watched;

        dead->done = map_next(map, dead->done);
        if (dead->done == NULL && dead->has_left)
            return true;
        if (dead->done == NULL)
            dead->has_left = true;
        else if (dead->has_left)
            tell_watcher(rt, dead, dead->done->number, (uintptr_t)dead->done->value);
        else
            leave(rt, dead->pid, dead->done);
    }
    return false;
}

static void free_relations(struct relations *relations)
{
    map_finish(&relations->watchers);
    map_finish(&relations->watched);
    free(relations);
}

static void go_on_later(struct runtime *rt, const struct ending *dead)
{
    size_t n = dead->outcome.result.n;
    struct ending *ending = xmalloc(sizeof(*ending) + n);

    *ending = *dead;
    if (n != 0)
        memcpy(ending->result, dead->outcome.result.data, n);
    ending->outcome.result.data = ending->result;
    list_append(&rt->sched.endings, &ending->in_sched);
}

void relations_end(struct actor *actor, uint64_t pid, const struct outcome *outcome)
{
    struct runtime *rt = actor->vm->rt;
    struct ending dead = {.relations = actor->relations,
                          .pid = pid,
                          .host = actor->host,
                          .outcome = *outcome};

    if (actor->relations == NULL)
        return;
    actor->relations = NULL;
    if (tell_some(rt, &dead, TOLD_AT_ONCE))
        free_relations(dead.relations);
    else
        go_on_later(rt, &dead);
}

void relations_go_on(struct runtime *rt, unsigned most)
{
    struct list *first = list_first(&rt->sched.endings);
    struct ending *dead;

    if (first == NULL)
        return;
    dead = container_of(first, struct ending, in_sched);
    if (!tell_some(rt, dead, most))
        return;
    list_remove(&dead->in_sched);
    free_relations(dead->relations);
    free(dead);
}

void relations_finish(struct runtime *rt)
{
    while (!list_empty(&rt->sched.endings))
        relations_go_on(rt, UINT_MAX);
}
