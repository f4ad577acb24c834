#include "supervisor/groups_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/worker.h"

/* ---- lists of members ------------------------------------------------------------ */

/* What is being made: hosts that were seen, memberships as bytes. */
struct roll {
    struct groups *groups;
    struct value hosts;
    struct buf members;
    uint32_t n_hosts;
};

static void roll_init(struct roll *roll, struct groups *groups)
{
    *roll = (struct roll){.groups = groups, .hosts = value_list()};
    buf_init(&roll->members, 0);
    groups->round++;
}

static void roll_add(struct roll *roll, const struct member *member, uint32_t count)
{
    struct host *host = member->host;
    uint8_t row[16];

    if (host->round != roll->groups->round) {
        host->round = roll->groups->round;
        host->index = roll->n_hosts++;
        value_append(&roll->hosts, value_string(host->text));
    }
    memcpy(row, &member->pid, 8);
    memcpy(row + 8, &host->index, 4);
    memcpy(row + 12, &count, 4);
    buf_append(&roll->members, row, sizeof(row));
}

static struct value roll_finish(struct roll *roll)
{
    struct value map = value_map();
    struct bytes members = buf_bytes(&roll->members);

    value_put(&map, "hosts", roll->hosts);
    value_put(&map, "members", value_bytes(members.data, members.n));
    buf_finish(&roll->members);
    return map;
}

struct value groups_members(struct groups *groups, const struct group *group)
{
    struct roll roll;

    roll_init(&roll, groups);
    if (group != NULL)
        LIST_FOREACH (node, &group->memberships) {
            const struct membership *one =
                container_of(node, struct membership, of_group);

            if (groups_is_alive(groups, one))
                roll_add(&roll, one->member, one->count);
        }
    return roll_finish(&roll);
}

struct value groups_all_members(struct groups *groups, const struct scope *scope)
{
    struct value list = value_list(), map = value_map();

    MAP_FOREACH (row, &scope->groups) {
        const struct group *group = row->value;
        struct value members;

        if (group->n_members == 0)
            continue;
        members = groups_members(groups, group);
        if (value_get(&members, "members")->as.string.n != 0) {
            value_put(&members, "name", value_bytes(group->name, group->name_bytes));
            value_append(&list, members);
        } else {
            value_finish(&members);
        }
    }
    value_put(&map, "groups", list);
    return map;
}

/* ---- watches --------------------------------------------------------------------- */

static struct list *place_of(struct scope *scope, struct group *group)
{
    return group != NULL ? &group->watches : &scope->watches;
}

static struct watch *find_watch(const struct list *place, const struct peer *peer)
{
    LIST_FOREACH (node, place) {
        struct watch *watch = container_of(node, struct watch, of_place);

        if (watch->peer == peer)
            return watch;
    }
    return NULL;
}

int groups_watch(struct groups *groups, struct scope *scope, struct group *group,
                 struct worker *worker, struct err *err)
{
    struct peer *peer = groups_peer(groups, worker);
    struct list *place = place_of(scope, group);
    struct watch *watch = find_watch(place, peer);

    if (watch == NULL) {
        if (groups->n_watches == GROUPS_MAX_ROWS)
            return err_set(err, ERR_RATE_LIMITED,
                           "pg: maximum number of subscriptions reached");
        groups->n_watches++;
        watch = xcalloc(1, sizeof(*watch));
        watch->peer = peer;
        watch->group = group;
        list_append(place, &watch->of_place);
        list_append(&peer->watches, &watch->of_peer);
    }
    watch->n_refs++;
    return 0;
}

void groups_free_watch(struct groups *groups, struct watch *watch)
{
    struct group *group = watch->group;

    groups->n_watches--;
    list_remove(&watch->of_place);
    list_remove(&watch->of_peer);
    free(watch);
    if (group != NULL)
        groups_tidy(group);
}

void groups_unwatch(struct groups *groups, struct scope *scope, struct group *group,
                    struct worker *worker)
{
    struct watch *watch =
        find_watch(place_of(scope, group), groups_peer(groups, worker));

    if (watch != NULL && --watch->n_refs == 0)
        groups_free_watch(groups, watch);
}

/* ---- news ------------------------------------------------------------------------ */

static bool encode_news(struct groups *groups, const struct group *group,
                        const struct member *member, int64_t count, struct buf *out)
{
    struct frame_group frame = {
        .what = count > 0 ? GROUP_JOINED : GROUP_LEFT,
        .scope = bytes_of_text(group->scope->id),
        .group = {(const uint8_t *)group->name, group->name_bytes},
    };
    struct roll roll;
    struct value map;
    struct buf members;
    bool made;

    roll_init(&roll, groups);
    roll_add(&roll, member, (uint32_t)(count > 0 ? count : -count));
    map = roll_finish(&roll);
    buf_init(&members, 0);
    made = value_encode(&members, &map);
    frame.members = buf_bytes(&members);
    made = made && frame_encode_group(out, &frame);
    buf_finish(&members);
    value_finish(&map);
    return made;
}

static void send_to(const struct list *place, struct bytes body,
                    const struct list *but_not_of)
{
    LIST_FOREACH (node, place) {
        const struct watch *watch = container_of(node, struct watch, of_place);

        if (watch->peer->worker != NULL && watch->peer->worker->conn != NULL &&
            (but_not_of == NULL || find_watch(but_not_of, watch->peer) == NULL))
            conn_forward(watch->peer->worker->conn, FRAME_GROUP, body);
    }
}

void groups_tell(struct groups *groups, const struct group *group,
                 const struct member *member, int64_t count)
{
    struct bytes body;
    struct buf frame;

    if (list_empty(&group->watches) && list_empty(&group->scope->watches))
        return;
    buf_init(&frame, 0);
    if (encode_news(groups, group, member, count, &frame) &&
        frame_body(&frame, &body)) {
        send_to(&group->watches, body, NULL);
        send_to(&group->scope->watches, body, &group->watches);
    }
    buf_finish(&frame);
}
