/*
 * sched -- who runs next: actors in a FIFO, the tasks of one actor in a FIFO.
 *
 * A task is one coroutine that the scheduler knows: an actor's main or one made by
 * coroutine.spawn. It runs until it blocks (a C function yields through any depth of
 * the app's own coroutines, see coroutines.c) or its slice is over: a timer signal that
 * finds the same slice still running sets a count hook, and the hook yields. Code that
 * is never caught by the signal pays nothing for it. Other actors run then; the task's
 * siblings don't: apps share tables between coroutines and rely on nobody coming in
 * between two calls that may block (CO-2).
 *
 * Nothing here raises, nothing here blocks.
 */
#ifndef TROUPE_WORKER_SCHED_H
#define TROUPE_WORKER_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"
#include "common/list.h"

struct actor;
struct channel;
struct context;
struct message;
struct runtime;

enum task_state { TASK_IDLE, TASK_READY, TASK_RUNNING, TASK_BLOCKED, TASK_DONE };

/* One place in a channel's queue of waiting receivers or senders. */
struct waiter {
    struct list node;
    struct task *task;
    struct channel *channel;
    int case_index; /* 1-based in a select, 0 for a plain send or receive */
    bool sends;
};

/* What a blocked task is told when it runs again. */
enum wake {
    WAKE_VALUES,  /* its results lie on its stack */
    WAKE_MESSAGE, /* task->message has been taken from a queue for it */
    WAKE_VALUE,   /* select: the value lies on its stack, case in task->case_index */
    WAKE_SENT,    /* select: its value was taken */
    WAKE_CLOSED,  /* the channel was closed (or the select's, case in case_index) */
    WAKE_REPLY,   /* task->reply, task->reply_status */
    WAKE_PLAIN,   /* slept enough, flushed, ... */
};

/* A million of them are idle: its small members stand where they leave no holes. */
struct task {
    struct list ready; /* in actor->ready */
    struct actor *actor;
    lua_State *co;      /* the coroutine that the scheduler resumes */
    lua_State *blocked; /* the innermost one, which yielded to the scheduler */
    enum task_state state : 8;
    enum wake wake : 8;
    bool to_scheduler; /* the yield under way is the scheduler's, not the app's */
    /* It runs before its siblings: when a slice ended in the middle of it, and when it
     * waits for a pid, which it must have before one of them takes the EXIT. */
    bool goes_first;
    uint8_t reply_status;
    bool owns_work;     /* it received that message itself */
    int16_t n_values;   /* results on blocked's stack */
    int16_t case_index; /* which case of a select */
    uint16_t n_cases;
    uint32_t reply_bytes;
    struct waiter waiter;    /* of a plain send or receive */
    struct waiter *cases;    /* of a select: on blocked's stack, n_cases of them */
    struct message *message; /* WAKE_MESSAGE; owned */
    uint8_t *reply;          /* WAKE_REPLY: malloc'ed, owned */
    struct context *work; /* of the traced message it works for, see trace.h; or NULL */
    /* What else must be withdrawn when the task is dropped while it waits. */
    void (*withdraw)(struct task *task);
    void *withdraw_state;
};

struct sched {
    struct runtime *rt;
    struct list ready;     /* actors with a ready task */
    struct list doomed;    /* actors to end before anything else runs */
    struct list graveyard; /* ended ones, freed when nothing of them is running */
    struct list endings;   /* those who are to be told of more ends, see relations.c */
    struct task *current;
    uint64_t n_slices; /* grows with each: names the slice under way */
};

/* Makes the scheduler; installs the signal handler (one scheduler per process). */
void sched_init(struct sched *sched, struct runtime *rt);
void sched_finish(struct sched *sched);

static inline bool sched_has_work(const struct sched *sched)
{
    return !list_empty(&sched->ready) || !list_empty(&sched->doomed) ||
           !list_empty(&sched->graveyard) || !list_empty(&sched->endings);
}

/* Runs ready actors, oldest first, until none is left or budget_ns has passed. */
void sched_run(struct sched *sched, int64_t budget_ns);

/* Ends the doomed and frees what ended ones left. Not from inside a task. */
void sched_settle(struct sched *sched);

/* Puts a blocked or new task into its actor's queue, behind the others. */
void task_make_ready(struct task *task);

/* A blocked task gets its results: the n values on top of blocked's stack, or what wake
 * says. Then it is ready. */
void task_wake(struct task *task, enum wake wake, int n_values);

/* The same with WAKE_REPLY and a copy of result; status as in REPLY. */
void task_wake_reply(struct task *task, uint8_t status, struct bytes result);

/* C functions that block call begin() first: it raises when L can't yield (file level
 * of a chunk, a sort comparator) and returns the task. Then they say where they wait,
 * and end with `return task_block(L, ctx, k);`: k runs when the task is woken. */
struct task *task_begin_block(lua_State *L);

/* The same for what may be asked at file level, too; only a file that all calls share
 * can't wait there. */
struct task *task_begin_read(lua_State *L);

int task_block(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* The same, but the task is ready again at once, behind the others. */
int task_pause(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* What never waits for long may still be called without end: mailboxes that are never
 * empty, messages sent in a loop. Functions that "yield" (processes.md C-4, PR-3, PR-4,
 * and receiving what comes from outside) ask this before they begin, of an actor that
 * is_crowded: true when siblings were ready for a whole turn and got none of it. Then
 * `return task_give_way(L, f)` runs them first, and f from its beginning afterwards. */
bool task_should_give_way(lua_State *L, struct actor *actor);
int task_give_way(lua_State *L, lua_CFunction f);

/* Runs one ready task now, out of turn, nested in the one that calls this. */
void task_run_now(struct task *task);

/* Resumes a coroutine that is no task's with the n_args on top of it, on nobody's
 * behalf: it can neither block nor resume others, nothing in it is trusted, and when it
 * takes longer than a slice it is left where it is (LUA_YIELD). Status and results as
 * of lua_resume. */
int sched_run_aside(struct sched *sched, lua_State *co, int n_args, int *n_results);

/* The task that runs now, or NULL (file level before the scheduler runs it). */
struct task *task_current(lua_State *L);

/* Calls lua_resume and keeps book of which lua_State executes now: the handler of the
 * timer needs to know. */
int sched_resume(lua_State *co, lua_State *from, int n_args, int *n_results);

/* Asks for a hook on whatever runs now, at its next instruction (memory ceiling). */
void sched_interrupt_running(void);

#endif
