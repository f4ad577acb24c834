/*
 * core -- the one struct that sees everything; main.c fills it in and hands it on.
 *
 * Modules of this floor get a struct supervisor and use their neighbours through it, in
 * the direction that style gives: registry → code → pool → worker ⇄ calls, router →
 * actors, names, bus → service → system → control. Upwards only by callback.
 */
#ifndef TROUPE_SUPERVISOR_CORE_H
#define TROUPE_SUPERVISOR_CORE_H

#include <stdbool.h>

#include <ev.h>

#include "proto/conn.h"

struct frame_exit;

/* Who stops us and has no exit status to give; no status that a process can have. */
enum { EXIT_KEPT = 256 };

struct supervisor {
    struct ev_loop *loop;
    struct conn_set conns;
    struct config *config;             /* command line and supervisor.yaml */
    struct registry *registry;         /* what exists */
    struct registry_store *history;    /* its versions in a file; NULL: in memory */
    struct code *code;                 /* compiled chunks, made by the compile worker */
    struct workers *workers;           /* every worker process, by index */
    struct calls *calls;               /* requests under way: who asked, who answers */
    struct pools *pools;               /* workers behind function entries and hosts */
    struct code_news *code_news;       /* who must hear that code has changed */
    struct reloads *reloads;           /* files that are read again */
    struct rollouts *rollouts;         /* changes of the registry on their way */
    struct router *router;             /* spawns that wait for a name */
    struct actors *actors;             /* who watches whom across workers */
    struct names *names;               /* registered names */
    struct groups *groups;             /* process groups and their members */
    struct names *locks;               /* held by actors, by name */
    struct bus *bus;                   /* event subscriptions */
    struct services *services;         /* lifecycle of everything supervised */
    struct system *system;             /* table of @targets */
    struct control *control;           /* control socket and its clients */
    struct logs *logs;                 /* ring of recent records, followers */
    struct env *env;                   /* environment variables of apps */
    struct policy_spread *policies;    /* brings security policies to the workers */
    struct stores *stores;             /* key-value stores in memory */
    struct offload *offload;           /* a thread for writing files */
    struct status *status;             /* figures about all of it */
    struct metrics *metrics;           /* figures for programs, and what apps count */
    struct spans *spans;               /* of recorded traces */
    struct otel *otel;                 /* where ended ones go; NULL: nowhere */
    struct metrics_http *metrics_http; /* NULL: not served */
    struct function_table *functions;  /* what became of calls, by function */
    struct interceptors *interceptors; /* what stands around calls */
    struct process_calls *process_calls; /* that an actor of their own answers */

    /* Upwards to program.h. stop: an orderly end (now: at once) with that exit status;
     * the last one counts (TH-4), EXIT_KEPT leaves what is set. on_exit: an EXIT for a
     * control pid (worker index 0) that no service has. Both may be NULL. */
    void (*stop)(struct supervisor *sup, int exit_code, bool now);
    void (*on_exit)(struct supervisor *sup, const struct frame_exit *frame);
};

#endif
