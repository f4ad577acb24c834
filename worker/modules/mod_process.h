/* mod_process -- the module `process`: this actor, others, names, the mailbox. */
#ifndef TROUPE_WORKER_MODULES_MOD_PROCESS_H
#define TROUPE_WORKER_MODULES_MOD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "worker/relations.h"

struct actor;
struct channel;
struct message;
struct runtime;

/* Pushes the module table. */
int mod_process_open(lua_State *L);

/* Adds the globals subscribe and unsubscribe (MB-6) to the table at idx. */
void mod_process_open_subscribe(lua_State *L, int idx);

/* ---- Between mod_process.c, process_mailbox.c, process_watch.c, process_names.c -- */

void process_mailbox_open(lua_State *L); /* adds to the module table on top */
void process_watch_open(lua_State *L);
void process_names_open(lua_State *L);
void process_spawn_open(lua_State *L);
void process_spawner_open(lua_State *L);
void process_upgrade_open(lua_State *L);
void process_message_open(lua_State *L); /* makes the metatable of messages */

void process_push_pid(lua_State *L, const char *host, size_t host_bytes, uint64_t pid);

/* A WATCH frame, see enum watch_op, that wants no answer. */
void process_send_watch(struct runtime *rt, uint64_t watcher, uint64_t target,
                        uint8_t op);

/* Its EXIT (or LINK_DOWN) is no concern of self's any more. */
void process_unwatch(struct actor *self, uint64_t pid, enum relation relation);

/* An operation on a pid, whether it was given as one or as a registered name: dest is
 * argument 1; run(L, pid) then ends the C function, if that is permitted. */
struct process_op {
    const char *name, *action; /* "send", "process.send" */
    int (*run)(lua_State *L, uint64_t pid);
};
int process_with_dest(lua_State *L, const struct process_op *op);

/* Asks for the host of pid: `return process_ask_host(L, pid, ctx, k);`. k first calls
 * process_learn_host(): true, peers_check_host() knows now; false, nil and err are
 * pushed. */
int process_ask_host(lua_State *L, uint64_t pid, lua_KContext ctx, lua_KFunction then);
bool process_learn_host(lua_State *L);

#endif
