/*
 * peers -- do actors of other workers live? Answered from their liveness tables.
 */
#ifndef TROUPE_WORKER_PEERS_H
#define TROUPE_WORKER_PEERS_H

#include <stdint.h>

#include "common/buf.h"

struct err;
struct runtime;
struct task;

enum peer_state {
    PEER_UNMAPPED, /* ask first: peers_ask() */
    PEER_DEAD,
    PEER_ALIVE,
    PEER_FULL,
};

struct peers *peers_create(struct runtime *rt);
void peers_destroy(struct peers *peers);

/* Of any pid, this worker's own too. */
enum peer_state peers_check(struct runtime *rt, uint64_t pid);

/* Asks for that worker's table; the task (about to block) is woken when the answer is
 * there, WAKE_PLAIN; still PEER_UNMAPPED then means that there is no such worker. */
void peers_ask(struct runtime *rt, uint32_t index, struct task *task);

int peers_on_mapped(struct runtime *rt, struct bytes body, struct err *err);

#endif
