#include "supervisor/groups_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "supervisor/actors.h"
#include "supervisor/core.h"
#include "supervisor/registry_config.h"
#include "supervisor/slice.h"
#include "supervisor/worker.h"

#define COUNT_MAX 100000 /* how often one may join one group */

/* ---- the table ------------------------------------------------------------------- */

struct scope *groups_scope(struct groups *groups, const char *id)
{
    struct scope *scope = map_find(&groups->scopes, id, strlen(id));

    if (scope != NULL)
        return scope;
    scope = xcalloc(1, sizeof(*scope));
    scope->id = xstrdup(id);
    map_init(&scope->groups);
    list_init(&scope->watches);
    map_put(&groups->scopes, scope->id, strlen(scope->id), scope);
    return scope;
}

struct group *groups_find(struct scope *scope, struct bytes name)
{
    return map_find(&scope->groups, (const char *)name.data, name.n);
}

struct group *groups_get(struct scope *scope, struct bytes name)
{
    struct group *group = groups_find(scope, name);

    if (group != NULL)
        return group;
    group = xcalloc(1, sizeof(*group));
    group->scope = scope;
    group->name = xstrndup((const char *)name.data, name.n);
    group->name_bytes = name.n;
    list_init(&group->memberships);
    list_init(&group->watches);
    map_put(&scope->groups, group->name, group->name_bytes, group);
    return group;
}

static void free_group(struct group *group)
{
    map_remove(&group->scope->groups, group->name, group->name_bytes);
    free(group->name);
    free(group);
}

static void free_scope(struct scope *scope)
{
    map_finish(&scope->groups);
    free(scope->id);
    free(scope);
}

void groups_tidy(struct group *group)
{
    if (list_empty(&group->memberships) && list_empty(&group->watches))
        free_group(group);
}

struct peer *groups_peer(struct groups *groups, struct worker *worker)
{
    struct peer *peer = groups->peers[worker->index];

    if (peer != NULL)
        return peer;
    peer = xcalloc(1, sizeof(*peer));
    peer->worker = worker;
    list_init(&peer->members);
    list_init(&peer->watches);
    list_init(&peer->in_dead);
    groups->peers[worker->index] = peer;
    return peer;
}

static struct host *get_host(struct groups *groups, struct bytes text)
{
    struct host *host = map_find(&groups->hosts, (const char *)text.data, text.n);

    if (host != NULL)
        return host;
    host = xcalloc(1, sizeof(*host));
    host->text = xstrndup((const char *)text.data, text.n);
    host->n_bytes = text.n;
    map_put(&groups->hosts, host->text, text.n, host);
    return host;
}

static void leave_host(struct groups *groups, struct host *host)
{
    if (--host->n_members != 0)
        return;
    map_remove(&groups->hosts, host->text, host->n_bytes);
    free(host->text);
    free(host);
}

bool groups_is_alive(const struct groups *groups, const struct membership *membership)
{
    return actors_alive(groups->sup, membership->member->pid);
}

/* ---- joining, leaving ------------------------------------------------------------ */

static struct membership *find_membership(const struct groups *groups,
                                          const struct member *member,
                                          const struct group *group)
{
    const void *key[2] = {member, group};

    return map_find(&groups->memberships, (const char *)key, sizeof(key));
}

static void free_membership(struct groups *groups, struct membership *membership)
{
    struct group *group = membership->group;

    map_remove(&groups->memberships, (const char *)membership->key,
               sizeof(membership->key));
    list_remove(&membership->of_member);
    list_remove(&membership->of_group);
    group->scope->n_joined -= list_empty(&group->memberships);
    free(membership);
}

static struct membership *add_membership(struct groups *groups, struct member *member,
                                         struct group *group)
{
    struct membership *membership = xcalloc(1, sizeof(*membership));

    membership->key[0] = membership->member = member;
    membership->key[1] = membership->group = group;
    list_append(&member->memberships, &membership->of_member);
    group->scope->n_joined += list_empty(&group->memberships);
    list_append(&group->memberships, &membership->of_group);
    map_put(&groups->memberships, (const char *)membership->key,
            sizeof(membership->key), membership);
    return membership;
}

static struct member *get_member(struct groups *groups, struct worker *worker,
                                 uint64_t pid, struct bytes host)
{
    struct member *member = map_find_number(&groups->members, pid);

    if (member != NULL)
        return member;
    member = xcalloc(1, sizeof(*member));
    member->pid = pid;
    member->host = get_host(groups, host);
    member->host->n_members++;
    list_init(&member->memberships);
    list_append(&groups_peer(groups, worker)->members, &member->of_peer);
    map_put_number(&groups->members, pid, member);
    return member;
}

static void tidy_member(struct groups *groups, struct member *member)
{
    if (!list_empty(&member->memberships))
        return;
    map_remove_number(&groups->members, member->pid);
    list_remove(&member->of_peer);
    leave_host(groups, member->host);
    free(member);
}

static int check_limits(const struct groups *groups, const struct scope *scope,
                        const struct group *group,
                        const struct group_scope_config *limits, struct err *err)
{
    bool is_new = group == NULL || list_empty(&group->memberships);

    if (groups->n_joined >= GROUPS_MAX_ROWS ||
        (is_new && limits->max_groups != 0 && scope->n_joined >= limits->max_groups))
        return err_set(err, ERR_RATE_LIMITED, "pg: maximum number of groups reached");
    if (limits->max_members != 0 &&
        (group != NULL ? group->n_members : 0) >= limits->max_members)
        return err_set(err, ERR_RATE_LIMITED, "pg: maximum members per group reached");
    return 0;
}

int groups_join(struct groups *groups, struct scope *scope, struct worker *worker,
                uint64_t pid, struct bytes host, struct bytes name,
                const struct group_scope_config *limits, struct err *err)
{
    struct group *group = groups_find(scope, name);
    struct membership *membership;
    struct member *member;

    if (check_limits(groups, scope, group, limits, err) == -1)
        return -1;
    member = get_member(groups, worker, pid, host);
    group = groups_get(scope, name);
    membership = find_membership(groups, member, group);
    if (membership == NULL)
        membership = add_membership(groups, member, group);
    if (membership->count == COUNT_MAX)
        return err_set(err, ERR_RATE_LIMITED, "pg: maximum members per group reached");
    membership->count++;
    group->n_members++;
    groups->n_joined++;
    return 0;
}

bool groups_leave(struct groups *groups, struct scope *scope, uint64_t pid,
                  struct bytes name)
{
    struct group *group = groups_find(scope, name);
    struct member *member = map_find_number(&groups->members, pid);
    struct membership *membership =
        group != NULL && member != NULL ? find_membership(groups, member, group) : NULL;

    if (membership == NULL)
        return false;
    group->n_members--;
    groups->n_joined--;
    if (--membership->count == 0)
        free_membership(groups, membership);
    tidy_member(groups, member);
    groups_tidy(group);
    return true;
}

/* ---- ends ------------------------------------------------------------------------ */

static void drop_membership(struct groups *groups, struct membership *membership)
{
    struct group *group = membership->group;
    uint32_t count = membership->count;

    group->n_members -= count;
    groups->n_joined -= count;
    groups_tell(groups, group, membership->member, -(int64_t)count);
    free_membership(groups, membership);
    groups_tidy(group);
}

/* false when the slice is over before the work. */
static bool drop_member(struct groups *groups, struct member *member,
                        struct slice *slice)
{
    struct list *node;

    while ((node = list_first(&member->memberships)) != NULL) {
        drop_membership(groups, container_of(node, struct membership, of_member));
        if (slice_is_over(slice))
            return false;
    }
    tidy_member(groups, member);
    return true;
}

static bool drop_members(struct groups *groups, struct list *members,
                         struct slice *slice)
{
    struct list *node;

    while ((node = list_first(members)) != NULL)
        if (!drop_member(groups, container_of(node, struct member, of_peer), slice))
            return false;
    return true;
}

static bool drop_peer(struct groups *groups, struct peer *peer, struct slice *slice)
{
    struct list *node;

    while ((node = list_first(&peer->watches)) != NULL) {
        groups_free_watch(groups, container_of(node, struct watch, of_peer));
        if (slice_is_over(slice))
            return false;
    }
    if (!drop_members(groups, &peer->members, slice))
        return false;
    list_remove(&peer->in_dead);
    free(peer);
    return true;
}

static bool do_some(struct groups *groups, struct slice *slice)
{
    struct list *node;

    if (!drop_members(groups, &groups->leaving, slice))
        return false;
    while ((node = list_first(&groups->dead)) != NULL)
        if (!drop_peer(groups, container_of(node, struct peer, in_dead), slice))
            return false;
    return true;
}

static void work(struct groups *groups)
{
    struct slice slice = slice_begin();

    if (ev_is_active(&groups->work_timer) || do_some(groups, &slice))
        return;
    ev_timer_set(&groups->work_timer, 0, 0);
    ev_timer_start(groups->sup->loop, &groups->work_timer);
}

static void on_work(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    work(container_of(timer, struct groups, work_timer));
}

void groups_on_gone(struct groups *groups, uint64_t pid)
{
    struct member *member = map_find_number(&groups->members, pid);

    if (member == NULL)
        return;
    list_remove(&member->of_peer);
    list_append(&groups->leaving, &member->of_peer);
    work(groups);
}

void groups_on_worker_dead(struct groups *groups, uint32_t index)
{
    struct peer *peer = groups->peers[index];

    if (peer == NULL)
        return;
    groups->peers[index] = NULL;
    peer->worker = NULL;
    list_append(&groups->dead, &peer->in_dead);
    work(groups);
}

size_t groups_count(const struct groups *groups)
{
    return groups->n_joined;
}

/* ---- life ------------------------------------------------------------------------ */

struct groups *groups_create(struct supervisor *sup)
{
    struct groups *groups = xcalloc(1, sizeof(*groups));

    groups->sup = sup;
    map_init(&groups->scopes);
    map_init(&groups->members);
    map_init(&groups->memberships);
    map_init(&groups->hosts);
    list_init(&groups->leaving);
    list_init(&groups->dead);
    list_init(&groups->casts);
    ev_timer_init(&groups->work_timer, on_work, 0, 0);
    if (sup->system != NULL)
        groups_add_targets(sup);
    return groups;
}

void groups_destroy(struct groups *groups)
{
    struct slice forever = slice_without_end();

    if (groups == NULL)
        return;
    ev_timer_stop(groups->sup->loop, &groups->work_timer);
    for (uint32_t i = 0; i < PID_MAX_WORKERS; i++) {
        struct peer *peer = groups->peers[i];

        if (peer == NULL)
            continue;
        groups->peers[i] = NULL;
        peer->worker = NULL;
        list_append(&groups->dead, &peer->in_dead);
    }
    do_some(groups, &forever);
    groups_drop_casts(groups);
    MAP_FOREACH (row, &groups->scopes)
        free_scope(row->value);
    map_finish(&groups->hosts);
    map_finish(&groups->memberships);
    map_finish(&groups->members);
    map_finish(&groups->scopes);
    free(groups);
}
