/*
 * peers -- do actors of other workers live? Answered from their liveness tables.
 *
 * A pid is its number; the host in its text decides nothing but what a policy says of
 * it. So whoever is held to policies may name an actor only with the host that it has,
 * which its worker is asked for, once (a pid is never used again).
 */
#ifndef TROUPE_WORKER_PEERS_H
#define TROUPE_WORKER_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct err;
struct runtime;
struct task;

enum peer_state {
    PEER_UNMAPPED, /* ask first: peers_ask() */
    PEER_DEAD,
    PEER_ALIVE,
    PEER_FULL, /* its mailbox, or the way to its worker */
};

struct peers *peers_create(void);
void peers_destroy(struct peers *peers);

/* Of any pid, this worker's own too. */
enum peer_state peers_check(struct runtime *rt, uint64_t pid);

/* Asks for that worker's table; the task (about to block) is woken when the answer is
 * there, WAKE_PLAIN; still PEER_UNMAPPED then means that there is no such worker. */
void peers_ask(struct runtime *rt, uint32_t index, struct task *task);

enum host_claim { HOST_RIGHT, HOST_WRONG, HOST_UNKNOWN };

/* Is that the host of the actor? The dead are right: there is nothing to get at. */
enum host_claim peers_check_host(struct runtime *rt, uint64_t pid, const char *host,
                                 size_t host_bytes);
void peers_learn_host(struct runtime *rt, uint64_t pid, const char *host,
                      size_t host_bytes);

int peers_on_mapped(struct runtime *rt, struct bytes body, struct err *err);

#endif
