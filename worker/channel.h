/*
 * channel -- CSP channels of one actor, and everything else that can be received from.
 *
 * A plain channel passes Lua values between the actor's tasks, with a buffer of `size`
 * values or none. A queue channel is fed from outside with encoded messages (inbox,
 * events, listen, subscriptions, timers, futures) and decodes on receipt; what the app
 * sends on it is received after that. Both share the queues of waiting tasks, close and
 * select (processes.md CH-*).
 */
#ifndef TROUPE_WORKER_CHANNEL_H
#define TROUPE_WORKER_CHANNEL_H

#include <stdbool.h>

#include <lua.h>

#include "common/list.h"

#include "worker/message.h"

struct actor;
struct task;
struct waiter;

struct channel {
    struct actor *actor;
    struct list receivers; /* struct waiter */
    union {
        struct list senders;  /* plain: struct waiter */
        struct list in_actor; /* queue: in actor->queues */
    };
    bool closed;
    bool is_queue;
    bool close_when_empty; /* time.after, futures: one value, then closed */
    bool wants_message;    /* listen{message = true} */
    uint32_t queue_max;    /* more are dropped (tickers); 0 = the mailbox's bound */
    uint32_t room;  /* of a topic's: what is its own already, see actor_take_back() */
    uint32_t n_own; /* queue: what the app itself has sent on it, see keep_own() */
    union {
        struct { /* the ring lies in uservalue 1 */
            uint32_t size, head, n_buffered;
        };
        struct {
            struct msgq queue;
            struct topic *topic; /* listen, subscribe: owned; NULL for other sources */
            /* Pushes the one value that message stands for; doesn't free it. */
            void (*decode)(lua_State *L, struct channel *channel,
                           struct message *message);
        };
    };
};

/* The topic that a channel is tied to. */
struct topic {
    size_t n_bytes;
    char text[];
};
void channel_set_topic(struct channel *channel, const char *text, size_t n_bytes);

/* Its topic is free for others, and so is what it had no room for; the actor holds on
 * to the channel no more. */
void channel_untie(lua_State *L, struct channel *channel);

/* The one of an actor's queues that is tied to that topic, or NULL. */
struct channel *channel_find(const struct list *queues, const char *text,
                             size_t n_bytes);

/* The plain channel on top, which was never used, becomes a queue of its actor. */
void channel_make_queue(lua_State *L, struct channel *channel,
                        void (*decode)(lua_State *L, struct channel *channel,
                                       struct message *message));

/* Pushes the module table `channel`; makes the metatables. */
int channel_open(lua_State *L);

/* Pushes a new queue channel of actor (which runs in L's VM). */
struct channel *channel_push_queue(lua_State *L, struct actor *actor,
                                   void (*decode)(lua_State *L, struct channel *channel,
                                                  struct message *message));

/* The channel at idx; raises an argument error if it is none. */
struct channel *channel_check(lua_State *L, int idx);
struct channel *channel_test(lua_State *L, int idx);

/* Takes message: hands it to the first waiting receiver or queues it. */
void channel_deliver(struct channel *channel, struct message *message);

/* Closes it; waiting receivers get nil, false. */
void channel_close(struct channel *channel);

/* The actor has ended, its tasks are gone: frees what is queued. Who still waits is of
 * another call that shares the VM's state, and finds it closed. */
void channel_abandon(struct channel *channel);

#endif
