/*
 * registry_config -- the typed blocks of entries: pool, lifecycle, host,
 * scope of groups.
 *
 * Every default is resolved here, once, and every duration becomes milliseconds.
 * Reading never fails: what is wrong is added to problems (NULL: the entry was checked
 * before) and takes its default.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_CONFIG_H
#define TROUPE_SUPERVISOR_REGISTRY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry;
struct problems;

/* The named field of entry's data (dotted path) in ms; fallback when absent or wrong.
 * zero_means_default: an explicit 0 takes the fallback too (LIFE-01). */
int64_t entry_duration_ms(const struct entry *entry, const char *path, int64_t fallback,
                          bool zero_means_default, struct problems *problems);

/* An integer field of entry's data within [least, most]. */
int64_t entry_integer(const struct entry *entry, const char *path, int64_t fallback,
                      int64_t least, int64_t most, struct problems *problems);

/* What a worker of a pool or host may hold; ours. 0: the default. */
struct limits_config {
    int64_t vm_actors, vm_max_bytes, mailbox_max_bytes;
};

enum pool_type { POOL_INLINE, POOL_LAZY, POOL_STATIC, POOL_ADAPTIVE };

/* F-41, F-42; processes and isolation are ours (architecture, "Slots and
 * processes"). */
struct pool_config {
    enum pool_type type;
    bool is_default;    /* the entry has no pool block */
    uint32_t n_workers; /* static: all slots; lazy, adaptive: at the start */
    uint32_t max_size;  /* lazy, adaptive: most slots; static: n_workers */
    uint32_t buffer;    /* static, adaptive: places in the queue */
    bool warm_start;
    int64_t idle_timeout_ms;
    int64_t linger_ms;
    uint32_t n_processes;  /* 0: as many as CPUs, never more than slots */
    bool process_per_slot; /* isolation: process */
    struct limits_config limits;
};
void pool_config_read(const struct entry *entry, struct pool_config *out,
                      struct problems *problems);

/* LIFE-01. requires holds ids, each once, in their order; requires first, then
 * depends_on. */
struct lifecycle_config {
    bool present; /* the entry has a lifecycle block */
    bool auto_start;
    bool optional; /* startup: optional */
    int64_t start_timeout_ms, stop_timeout_ms, stable_threshold_ms;
    int64_t initial_delay_ms, max_delay_ms;
    double backoff_factor, jitter;
    uint32_t max_attempts; /* 0 = without end */
    char **requires;
    size_t n_requires;
};
void lifecycle_config_read(const struct entry *entry, struct lifecycle_config *out,
                           struct problems *problems);
void lifecycle_config_finish(struct lifecycle_config *config);

/* PH-1. */
struct host_config {
    uint32_t n_workers; /* 0 = number of CPUs */
    uint32_t queue_size, local_queue_size;
    bool hide_logs; /* terminal.host */
    struct limits_config limits;
};
void host_config_read(const struct entry *entry, struct host_config *out,
                      struct problems *problems);

/* PG-4: the fields that have an effect where there is one node. */
struct group_scope_config {
    size_t max_groups, max_members; /* 0 = none */
    int64_t broadcast_timeout_ms;
};
void group_scope_config_read(const struct entry *entry, struct group_scope_config *out,
                             struct problems *problems);

#endif
