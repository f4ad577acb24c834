/*
 * jail -- what workers may do to the machine, decided once, when the settings are
 * known.
 *
 * A jail has parts: the filter of system calls, Landlock, namespaces, another user, no
 * capabilities, a control group. jail_create() finds out which of them this machine
 * offers; SETUP then tells each worker which to put on (worker/confine.h), and a worker
 * that can't do one of those does not start. What is missing is no secret:
 * `supctl doctor` shows it, with the reason. Level "strict" wants all parts that keep
 * apps out (a control group only limits what they use), "off" none.
 */
#ifndef TROUPE_SUPERVISOR_JAIL_H
#define TROUPE_SUPERVISOR_JAIL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct frame_setup;
struct supervisor;
struct value;

struct jail_settings {
    const char *level;                   /* "on", "off" or "strict" */
    const char *user;                    /* "": nobody, if we may */
    uint32_t memory_mb, total_memory_mb; /* of one, of all; 0 = no limit */
    double total_cpus;                   /* 0 = no limit */
};

/* NULL (UNAVAILABLE, NOT_FOUND, INVALID): this machine can't do that, and it was asked
 * for. */
struct jail *jail_create(const struct jail_settings *settings, struct err *err);
void jail_destroy(struct jail *jail); /* NULL is fine */

/* Fills in what is about confinement; the filter stays the jail's. */
void jail_fill_setup(const struct jail *jail, struct frame_setup *frame);

/* What a worker inherits for it, CONFINE_N_FDS of them, -1 = missing. */
const int *jail_descriptors(const struct jail *jail);

/* A map {level, parts = {{part, in_force, why, needed}, ...}}, for people. */
struct value jail_describe(const struct jail *jail);

/* @system.confinement */
void jail_add_targets(struct supervisor *sup);

#endif
