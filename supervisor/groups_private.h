/* groups_private -- between groups*.c: the table and who looks at it. */
#ifndef TROUPE_SUPERVISOR_GROUPS_PRIVATE_H
#define TROUPE_SUPERVISOR_GROUPS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <ev.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/list.h"
#include "common/map.h"
#include "common/value.h"

#include "supervisor/groups.h"

struct err;
struct group_scope_config;
struct request;
struct worker;

/* Everything that one worker has here; dies with it, in slices. */
struct peer {
    struct worker *worker; /* NULL once it is dead */
    struct list members, watches;
    struct list in_dead;
};

/* A host's text, as long as somebody who is there says that it is theirs. */
struct host {
    char *text;
    size_t n_bytes, n_members;
    uint64_t round; /* the list of members that it was last put into */
    uint32_t index; /* there */
};

/* One pg.scope; there are as many as there are entries. */
struct scope {
    char *id;
    struct map groups; /* by name */
    size_t n_joined;   /* of them, those with members */
    struct list watches;
};

struct group {
    struct scope *scope;
    char *name;
    size_t name_bytes;
    struct list memberships; /* in order of joining */
    struct list watches;
    size_t n_members; /* counted as often as they have joined */
};

struct member {
    uint64_t pid;
    struct host *host;
    struct list memberships;
    struct list of_peer; /* or in groups->leaving */
};

struct membership {
    const void *key[2]; /* member, group */
    struct member *member;
    struct group *group;
    struct list of_member, of_group;
    uint32_t count;
};

struct watch {
    struct peer *peer;
    struct group *group; /* NULL: of all groups */
    struct list of_place, of_peer;
    uint32_t n_refs;
};

struct groups {
    struct supervisor *sup;
    struct map scopes;      /* by id */
    struct map members;     /* by pid */
    struct map memberships; /* by key, as 16 bytes of text */
    struct map hosts;       /* by text */
    struct peer *peers[PID_MAX_WORKERS];
    struct list leaving; /* members that have ended */
    struct list dead;    /* peers */
    struct list casts;
    size_t n_joined; /* counted as often as they have joined */
    size_t n_watches;
    struct ev_timer work_timer;
    uint64_t round;
};

/* ---- groups.c -------------------------------------------------------------------- */

struct scope *groups_scope(struct groups *groups, const char *id); /* makes it */
struct group *groups_find(struct scope *scope, struct bytes name);
struct group *groups_get(struct scope *scope, struct bytes name); /* makes it */
/* A group that nobody is in and nobody looks at goes. */
void groups_tidy(struct group *group);
struct peer *groups_peer(struct groups *groups, struct worker *worker);

/* Counts pid in once more; tells nobody. -1 and err at a limit. */
int groups_join(struct groups *groups, struct scope *scope, struct worker *worker,
                uint64_t pid, struct bytes host, struct bytes name,
                const struct group_scope_config *limits, struct err *err);
/* ... and out; false: it is no member. */
bool groups_leave(struct groups *groups, struct scope *scope, uint64_t pid,
                  struct bytes name);
bool groups_is_alive(const struct groups *groups, const struct membership *membership);

/* ---- groups_watch.c -------------------------------------------------------------- */

/* count > 0: has joined that often, < 0 has left. */
void groups_tell(struct groups *groups, const struct group *group,
                 const struct member *member, int64_t count);
struct value groups_members(struct groups *groups, const struct group *group);
struct value groups_all_members(struct groups *groups, const struct scope *scope);
/* group NULL: all of the scope. -1 and err when there are too many. */
int groups_watch(struct groups *groups, struct scope *scope, struct group *group,
                 struct worker *worker, struct err *err);
void groups_unwatch(struct groups *groups, struct scope *scope, struct group *group,
                    struct worker *worker);
void groups_free_watch(struct groups *groups, struct watch *watch);

/* ---- groups_cast.c --------------------------------------------------------------- */

/* Answers request (takes it) when the message is in all mailboxes. */
void groups_cast(struct groups *groups, const struct group *group,
                 struct request *request, uint64_t timeout_ms);
void groups_drop_casts(struct groups *groups);

/* ---- groups_targets.c ------------------------------------------------------------ */

void groups_add_targets(struct supervisor *sup);

#endif
