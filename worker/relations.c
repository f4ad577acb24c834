#include "worker/relations.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/map.h"
#include "common/mem.h"
#include "proto/frame.h"
#include "worker/actor.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

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

static void tell_near(struct actor *watcher, struct actor *dead, uint64_t pid,
                      enum message_kind kind, const struct outcome *outcome)
{
    struct message *message = message_create(kind, pid, bytes_of_text(dead->host),
                                             (struct bytes){NULL, 0}, outcome->result);

    if (message == NULL) {
        actor_doom(watcher, DOOM_UNTOLD);
        return;
    }
    message->at_ns = clock_wall_ns();
    message->failed = outcome->failed;
    actor_deliver(watcher, message);
}

static void tell_far(struct actor *dead, uint64_t pid, uint64_t watcher, uint8_t what,
                     const struct outcome *outcome)
{
    struct frame_exit frame = {.to = watcher,
                               .from = pid,
                               .what = what,
                               .from_host = bytes_of_text(dead->host),
                               .failed = outcome->failed,
                               .result = outcome->result};

    uplink_send_exit(dead->vm->rt->uplink, &frame);
}

/* EX-1: a success ends links in silence; a process that has both gets EXIT first. */
static void tell_watcher(struct actor *dead, uint64_t pid, uint64_t watcher_pid,
                         uintptr_t bits, const struct outcome *outcome)
{
    struct slots *slots = &dead->vm->rt->slots;
    struct actor *watcher;
    bool down = (bits & RELATION_LINK) != 0 && outcome->failed;
    bool exit = (bits & RELATION_MONITOR) != 0;

    if (pid_index(watcher_pid) != slots->index) {
        if (exit || down)
            tell_far(dead, pid, watcher_pid,
                     (uint8_t)((exit ? EXIT_EVENT : 0) | (down ? LINK_DOWN_EVENT : 0)),
                     outcome);
        return;
    }
    watcher = slots_find(slots, watcher_pid);
    if (watcher == NULL)
        return;
    take(&relations_of(watcher)->watched, pid, bits);
    take(&relations_of(watcher)->watchers, pid, RELATION_LINK);
    if (exit && !actor_take_exit(watcher, pid, outcome->failed, outcome->result))
        tell_near(watcher, dead, pid, MSG_EXIT, outcome);
    if (down)
        tell_near(watcher, dead, pid, MSG_DOWN, outcome);
}

void relations_end(struct actor *actor, uint64_t pid, const struct outcome *outcome)
{
    struct relations *relations = actor->relations;

    if (relations == NULL)
        return;
    actor->relations = NULL;
    MAP_FOREACH (row, &relations->watched) {
        struct actor *target = slots_find(&actor->vm->rt->slots, row->number);

        if (target != NULL)
            take(&relations_of(target)->watchers, pid, (uintptr_t)row->value);
    }
    MAP_FOREACH (row, &relations->watchers)
        tell_watcher(actor, pid, row->number, (uintptr_t)row->value, outcome);
    map_finish(&relations->watchers);
    map_finish(&relations->watched);
    free(relations);
}
