/*
 * actor -- one run of a process.lua entry, or of one call of a function.
 *
 * An actor is userdata of its VM's heap (so that its memory is the app's): a main task,
 * the tasks it spawned, a mailbox of encoded messages, channels, watchers. It is
 * LOADING while its chunks run (they may not block), RUNNING from the first step of its
 * method, ENDED after. A spawn is answered when loading is over, so whoever got the pid
 * can send to it, and an error at file level is the spawner's.
 *
 * Order at the end (processes.md PM-5): tasks dropped, timers and calls withdrawn,
 * names released (GONE), pid dead, then EXIT and LINK_DOWN to whoever watches.
 */
#ifndef TROUPE_WORKER_ACTOR_H
#define TROUPE_WORKER_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/list.h"

#include "worker/context.h"
#include "worker/message.h"
#include "worker/sched.h"

struct channel;
struct err;
struct program;
struct relations;
struct runtime;
struct vm;

enum actor_stage {
    ACTOR_LOADING,
    ACTOR_RUNNING,
    ACTOR_UPGRADING, /* only holds its pid until there is new code, see upgrade.h */
    ACTOR_ENDED,
};

/* What must be withdrawn when its actor ends: timers, futures, subscriptions. */
struct resource {
    struct list node; /* in belongings->resources */
    void (*withdraw)(struct resource *resource);
};

/* How a main ended; result is a payload of at most one value, or one error. */
struct outcome {
    bool failed;
    struct bytes result;
};

/* What an actor needs only until its method runs. */
struct start {
    /* Told when loading has ended: with err NULL, or why it failed. May be NULL. */
    void (*on_loaded)(void *context, struct actor *actor, const struct err *err);
    void *context;
    uint32_t load_at;   /* the binding that loads */
    bool has_run_chunk; /* all of them have */
    bool only_loads;    /* the method isn't run: an instance that is to be warm */
    bool is_upgrade;    /* the entry's id lies behind args, see upgrade.c */
    uint32_t args_bytes;
    uint8_t args[]; /* payload of main's arguments; none when args_bytes is 0 */
};
struct start *start_create(struct bytes args); /* malloc'ed; NULL: no memory */

/* Why an actor is doomed. */
enum doom {
    DOOM_NONE,
    DOOM_TERMINATED,
    DOOM_LINK,
    DOOM_CANCELED,
    DOOM_LINGER,
    DOOM_UNTOLD,  /* no memory for what it may wait for: that would be for ever */
    DOOM_UPGRADE, /* it isn't ended, another run takes its place */
};

struct actor {
    struct vm *vm;
    const char *host; /* host part of its pid's text; lives as long as the worker */
    struct instance *instance; /* of functions.c, for it runs calls; NULL: a process */
    uint32_t vm_index;         /* in the VM's table of actors */
    int fn_ref; /* instances: the method, LUA_NOREF before it is loaded */
    /* From here on everything is of one run: cleared before the next one. */
    uint64_t pid;         /* 0 = none */
    struct list in_ready; /* sched->ready or doomed; once ended: graveyard, vm->idle */
    struct list ready;    /* tasks */
    struct task main;
    struct start *start;    /* NULL once its method runs */
    struct msgq mailbox;    /* what has no taker yet */
    uint64_t mailbox_bytes; /* of it and of all queue channels */
    uint64_t full_at_bytes; /* of is_full: what they were when it became so */
    struct channel *inbox, *events;
    struct list queues;            /* channels that are fed by topic or source */
    struct belongings *belongings; /* NULL while it has none */
    struct relations *relations;
    struct context *context;
    int64_t started_at_ns; /* wall clock */
    uint64_t n_steps;
    uint32_t mailbox_n;
    uint32_t n_counted; /* messages so far: numbers them in their order */
    uint16_t n_running; /* on the C stack that often */
    enum actor_stage stage : 8;
    enum doom doom : 8;
    bool trap_links : 1;
    bool upgradable : 1;     /* wants OUTDATED */
    bool is_known : 1;       /* the supervisor must hear of its end (GONE) */
    bool is_full : 1;        /* the liveness table says so */
    bool misses_news : 1;    /* while it is: the log says so */
    bool is_crowded : 1;     /* see task_should_give_way() */
    bool keeps_main : 1;     /* its coroutine ended well and may run again */
    bool has_uservalues : 1; /* others than main were set */
};

/* Somebody who waits for one exit, which then is no event of the app. */
struct exit_wait {
    struct list node; /* in belongings->exits */
    uint64_t pid;
    /* result: payload or error, as in EXIT. */
    void (*done)(struct exit_wait *wait, bool failed, struct bytes result);
};

/* The watcher hears that pid has ended; true: somebody waited for just that. */
bool actor_take_exit(struct actor *watcher, uint64_t pid, bool failed,
                     struct bytes result);

/* Spawned tasks, timers, futures, subscriptions. */
struct belongings {
    struct list tasks; /* struct extra_task */
    uint32_t n_tasks;
    struct list resources; /* struct resource */
    struct list exits;     /* struct exit_wait; each is withdrawn by its task */
};
struct belongings *actor_belongings(struct actor *actor); /* makes them */
void actor_add_resource(struct actor *actor, struct resource *resource);

/* A task made by coroutine.spawn, userdata. */
struct extra_task {
    struct list node; /* in belongings->tasks */
    struct task task;
};

/* An actor without a pid yet, from the VM's idle ones or new. */
struct actor *actor_create(struct vm *vm, const char *host);

enum actor_uservalue {
    ACTOR_UV_MAIN = 1, /* main coroutine */
    ACTOR_UV_INBOX,
    ACTOR_UV_ANCHORS, /* table: queues, tasks and the like by pointer */
};
#define ACTOR_N_UV 3

/* Gives it a pid and starts it: loads at once (nested in whatever runs) and answers
 * start->on_loaded as soon as that is over; its method is ready to run then. Takes
 * start. -1: no pid to be had, on_loaded is not called. */
int actor_start(struct actor *actor, struct start *start, struct err *err);

/* Starts an instance that is loaded already: the method runs with the args. */
int actor_restart(struct actor *actor, struct start *start, struct err *err);

/* Pushes the actor's userdata, or one of its uservalues, onto L (of the same VM). */
void actor_push(struct actor *actor, lua_State *L);
void actor_push_uservalue(struct actor *actor, lua_State *L, int n);
void actor_set_uservalue(struct actor *actor, lua_State *L, int n); /* pops it */

/* Keeps the value on top of L (not popped) alive as long as the actor runs; key is any
 * pointer that names it. actor_release lets go. */
void actor_anchor(struct actor *actor, lua_State *L, const void *key);
void actor_push_anchored(struct actor *actor, lua_State *L, const void *key);
void actor_release(struct actor *actor, lua_State *L, const void *key);

/* The actor that runs, in a C function; raises at file level of nothing. */
struct actor *actor_current(lua_State *L);

/* See task_give_way(). */
static inline bool actor_should_give_way(lua_State *L, struct actor *actor)
{
    return __builtin_expect(actor->is_crowded, 0) && task_should_give_way(L, actor);
}

/* A task's coroutine has returned or raised (status of lua_resume). */
void actor_task_ended(struct task *task, int status, int n_results);

/* Makes and readies a task that runs the function on top of L (popped). */
struct task *actor_spawn_task(struct actor *actor, lua_State *L);

/* Ends it now. Nothing of it runs any more. */
void actor_end(struct actor *actor, const struct outcome *outcome);
void actor_fail(struct actor *actor, const struct err *err);

/* Ends it with err before it runs again; right away unless it (or what it started) is
 * running. Cascades of any length cost no C stack: the scheduler ends the doomed. */
void actor_doom(struct actor *actor, enum doom doom);
void actor_end_doomed(struct actor *actor);

/* Ends every actor of the worker and frees what they leave (leak checkers, tests). Not
 * from inside a task. */
void actors_end_all(struct runtime *rt);

/* A buried instance will get no call any more: the collector may have it. */
void actor_retire(struct actor *actor);

/* Drops everything of the run but what another run under the same pid inherits. */
void actor_strip(struct actor *actor);

/* The new actor goes on under old's pid, with all that actor_strip() has left, and runs
 * old->start. Old is ended, nobody hears of it. */
void actor_take_over(struct actor *actor, struct actor *old);

/* Frees what ended actors leave; the scheduler calls it when none of them is
 * running. */
void actor_bury(struct actor *actor);

/* Puts a message into the actor's mailbox (takes it) and wakes a receiver. -1 when the
 * mailbox is full (then it is freed). */
int actor_deliver(struct actor *actor, struct message *message);

/* The same for one from another worker, whose sender was told that it is accepted: a
 * mailbox that became full while it was on its way takes it all the same. */
int actor_deliver_accepted(struct actor *actor, struct message *message);

/* The same for what comes through a subscription's channel. One that a full mailbox
 * doesn't take is missed: the log says so once, until there is room again. */
void actor_deliver_news(struct actor *actor, struct channel *channel,
                        struct message *message);

/* Tells the actor of an EXIT, DOWN or CANCEL that happens now, caused by from on that
 * host. It would wait for ever if it never heard, so without memory it is doomed. */
void actor_tell(struct actor *actor, enum message_kind kind, uint64_t from,
                struct bytes host, bool failed, struct bytes payload);

/* Everything of the mailbox that this new queue channel takes moves into it. */
void actor_reroute(struct actor *actor, struct channel *channel);

/* The channel's topic is not its own any more: of what waits in it, all that it has no
 * room for finds another taker, in its place among the others (MB-2). */
void actor_take_back(struct actor *actor, struct channel *channel);

/* Every message that no task has decoded yet goes back into the mailbox, in order of
 * arrival. */
void actor_recall_messages(struct actor *actor);

/* The bytes of one message have left the mailbox or one of the queues. */
void actor_consumed(struct actor *actor, const struct message *message);

/* ---- Between actor.c and actor_end.c ---- */

/* The first run of its main coroutine has returned the method, which is on top of
 * it. */
void actor_loaded(struct actor *actor);

/* Everything but what outlives a run. */
void actor_reset(struct actor *actor, const char *host);

/* Its userdata may be collected; its place in the VM is free. */
void actor_forget(struct actor *actor, lua_State *L);

#endif
