#include "supervisor/bus.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/shelves.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

/* What one worker has subscribed, once: each of its actors may have many subscriptions,
 * but they mostly ask for the same few things. */
struct pattern {
    struct list in_subscriber; /* of a worker: on its system's shelf, or in wild */
    struct list *shelf;        /* NULL: it stands for many systems */
    char *key;                 /* see key_of() */
    size_t key_bytes;
    struct bytes system, kind; /* within it */
    uint32_t n_refs;
};

struct subscriber {
    struct list in_bus;
    struct worker *worker;
    struct shelves by_system; /* of patterns */
    struct list wild;
    struct map by_key; /* all of them */
};

/* A stream of items to whoever called @events.follow. */
struct follower {
    struct list in_bus;
    struct request *request;
    struct pattern pattern;
};

struct bus {
    struct supervisor *sup;
    struct list subscribers, followers;
    struct ev_timer quiet; /* runs while a worker may publish nothing */
    unsigned n_followers;
    uint64_t n_events;
};

#define QUIET_LOOK_S  0.02
#define MANY_PATTERNS 1000 /* that an event is held against */

bool bus_pattern_matches(struct bytes pattern, struct bytes text)
{
    if (pattern.n == 0)
        return true;
    if (pattern.data[pattern.n - 1] == '*')
        return text.n >= pattern.n - 1 &&
               memcmp(pattern.data, text.data, pattern.n - 1) == 0;
    return pattern.n == text.n && memcmp(pattern.data, text.data, text.n) == 0;
}

static bool matches(const struct pattern *pattern, const struct frame_event *event)
{
    return bus_pattern_matches(pattern->system, event->system) &&
           bus_pattern_matches(pattern->kind, event->kind);
}

/* Both texts, and where the first one ends; returns owned. */
static char *key_of(struct bytes system, struct bytes kind, size_t *n_bytes_out)
{
    char *key = xmalloc(sizeof(system.n) + system.n + kind.n);

    memcpy(key, &system.n, sizeof(system.n));
    if (system.n > 0)
        memcpy(key + sizeof(system.n), system.data, system.n);
    if (kind.n > 0)
        memcpy(key + sizeof(system.n) + system.n, kind.data, kind.n);
    *n_bytes_out = sizeof(system.n) + system.n + kind.n;
    return key;
}

static void pattern_init(struct pattern *pattern, struct bytes system,
                         struct bytes kind)
{
    const uint8_t *at;

    list_init(&pattern->in_subscriber);
    pattern->shelf = NULL;
    pattern->key = key_of(system, kind, &pattern->key_bytes);
    at = (const uint8_t *)pattern->key + sizeof(system.n);
    pattern->system = (struct bytes){at, system.n};
    pattern->kind = (struct bytes){at + system.n, kind.n};
    pattern->n_refs = 1;
}

static void pattern_finish(struct pattern *pattern)
{
    free(pattern->key);
}

static struct subscriber *find_subscriber(const struct bus *bus,
                                          const struct worker *worker)
{
    LIST_FOREACH (node, &bus->subscribers) {
        struct subscriber *subscriber = container_of(node, struct subscriber, in_bus);

        if (subscriber->worker == worker)
            return subscriber;
    }
    return NULL;
}

static struct pattern *find_pattern(const struct subscriber *subscriber,
                                    struct bytes system, struct bytes kind)
{
    size_t n_bytes;
    char *key = key_of(system, kind, &n_bytes);
    struct pattern *pattern = map_find(&subscriber->by_key, key, n_bytes);

    free(key);
    return pattern;
}

static void add_pattern(struct subscriber *subscriber, struct bytes system,
                        struct bytes kind)
{
    struct pattern *pattern = xcalloc(1, sizeof(*pattern));

    pattern_init(pattern, system, kind);
    if (system.data[system.n - 1] != '*')
        pattern->shelf =
            shelves_get(&subscriber->by_system, (const char *)system.data, system.n);
    list_append(pattern->shelf != NULL ? pattern->shelf : &subscriber->wild,
                &pattern->in_subscriber);
    map_put(&subscriber->by_key, pattern->key, pattern->key_bytes, pattern);
}

static void free_pattern(struct subscriber *subscriber, struct pattern *pattern)
{
    list_remove(&pattern->in_subscriber);
    if (pattern->shelf != NULL)
        shelves_tidy(&subscriber->by_system, pattern->shelf);
    map_remove(&subscriber->by_key, pattern->key, pattern->key_bytes);
    pattern_finish(pattern);
    free(pattern);
}

static void free_subscriber(struct subscriber *subscriber)
{
    MAP_FOREACH (row, &subscriber->by_key) {
        struct pattern *pattern = row->value;

        list_remove(&pattern->in_subscriber);
        pattern_finish(pattern);
        free(pattern);
    }
    map_finish(&subscriber->by_key);
    shelves_finish(&subscriber->by_system);
    list_remove(&subscriber->in_bus);
    free(subscriber);
}

/* ---- publishers who have to wait ------------------------------------------------- */

static bool is_anyone_held(const struct bus *bus)
{
    LIST_FOREACH (node, &bus->subscribers)
        if (worker_is_held(container_of(node, struct subscriber, in_bus)->worker))
            return true;
    return false;
}

static void on_quiet_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct bus *bus = container_of(timer, struct bus, quiet);

    (void)revents;
    if (is_anyone_held(bus))
        return;
    WORKERS_FOREACH (worker, bus->sup->workers)
        if (worker->liveness != NULL)
            liveness_set_bit(worker->liveness, LIVENESS_QUIET_BIT, false);
    ev_timer_stop(loop, timer);
}

static void quieten(struct bus *bus, const struct worker *publisher)
{
    if (publisher->liveness == NULL)
        return;
    liveness_set_bit(publisher->liveness, LIVENESS_QUIET_BIT, true);
    if (!ev_is_active(&bus->quiet)) {
        ev_timer_set(&bus->quiet, QUIET_LOOK_S, QUIET_LOOK_S);
        ev_timer_start(bus->sup->loop, &bus->quiet);
    }
}

void bus_on_worker_dead(struct bus *bus, const struct worker *worker)
{
    struct subscriber *subscriber = find_subscriber(bus, worker);

    if (ev_is_active(&bus->quiet) && worker->liveness != NULL)
        liveness_set_bit(worker->liveness, LIVENESS_QUIET_BIT, false);
    if (subscriber != NULL)
        free_subscriber(subscriber);
}

/* ---- events ------------------------------------------------------------------- */

static bool any_matches(const struct list *patterns, const struct frame_event *event)
{
    LIST_FOREACH (node, patterns)
        if (matches(container_of(node, struct pattern, in_subscriber), event))
            return true;
    return false;
}

static bool wants(const struct subscriber *subscriber, const struct frame_event *event)
{
    const struct list *shelf = shelves_find(
        &subscriber->by_system, (const char *)event->system.data, event->system.n);

    return any_matches(&subscriber->wild, event) ||
           (shelf != NULL && any_matches(shelf, event));
}

/* The item of a follower. Data that no plain tree can hold is left out. */
static struct value describe_event(const struct frame_event *event)
{
    struct value item = value_map(), list;
    struct err err = {0};

    value_put(&item, "system", value_bytes(event->system.data, event->system.n));
    value_put(&item, "kind", value_bytes(event->kind.data, event->kind.n));
    value_put(&item, "path", value_bytes(event->path.data, event->path.n));
    if (payload_decode(event->payload, &list, &err) != 0)
        return item;
    if (list.as.list.n != 0) {
        value_put(&item, "data", list.as.list.items[0]);
        list.as.list.items[0] = (struct value){0};
    }
    value_finish(&list);
    return item;
}

static void free_follower(struct bus *bus, struct follower *follower)
{
    bus->n_followers--;
    list_remove(&follower->in_bus);
    pattern_finish(&follower->pattern);
    free(follower);
}

static void tell_follower(struct bus *bus, struct follower *follower,
                          const struct value *item)
{
    struct request *request = follower->request;

    if (request_item(request, item))
        return;
    free_follower(bus, follower);
    request_refuse(request, ERR_UNAVAILABLE, "the reader of events is too slow");
}

static void tell_followers(struct bus *bus, const struct frame_event *event)
{
    struct value item = {0};

    LIST_FOREACH_SAFE (node, &bus->followers) {
        struct follower *follower = container_of(node, struct follower, in_bus);

        if (!matches(&follower->pattern, event))
            continue;
        if (item.type == VALUE_NIL)
            item = describe_event(event);
        tell_follower(bus, follower, &item);
    }
    value_finish(&item);
}

/* true: somebody who wants it doesn't read any more. */
static bool spread(struct bus *bus, const struct frame_event *event, struct bytes body,
                   bool may_miss)
{
    bool is_held = false;

    LIST_FOREACH (node, &bus->subscribers) {
        struct subscriber *subscriber = container_of(node, struct subscriber, in_bus);
        struct worker *worker = subscriber->worker;

        if (!wants(subscriber, event) || (may_miss && worker_is_held(worker)))
            continue;
        worker_pass_message(worker, FRAME_EVENT, body);
        is_held |= worker_is_held(worker);
    }
    tell_followers(bus, event);
    return is_held;
}

size_t bus_count_subscriptions(const struct bus *bus)
{
    size_t n = 0;

    LIST_FOREACH (node, &bus->subscribers)
        n += container_of(node, struct subscriber, in_bus)->by_key.n;
    return n;
}

unsigned bus_count_followers(const struct bus *bus)
{
    return bus->n_followers;
}

uint64_t bus_count_events(const struct bus *bus)
{
    return bus->n_events;
}

int bus_on_event(struct supervisor *sup, struct worker *from,
                 const struct frame_event *frame, struct bytes body, struct err *err)
{
    if (frame->system.n == 0 || frame->kind.n == 0 || frame->path.n == 0)
        return err_set(err, ERR_INVALID, "event without system, kind or path");
    sup->bus->n_events++;
    if (__builtin_expect(bus_count_subscriptions(sup->bus) > MANY_PATTERNS, 0))
        conn_set_take_time(&sup->conns);
    if (__builtin_expect(spread(sup->bus, frame, body, false), 0))
        quieten(sup->bus, from);
    return 0;
}

void bus_publish(struct supervisor *sup, const char *system, const char *kind,
                 const char *path, const struct value *data)
{
    struct frame_event event = {
        .system = bytes_of_text(system),
        .kind = bytes_of_text(kind),
        .path = bytes_of_text(path),
    };
    bool has_data = data != NULL && data->type != VALUE_NIL;
    struct buf payload, frame;
    struct bytes body;

    if (sup->bus == NULL)
        return;
    sup->bus->n_events++;
    if (list_empty(&sup->bus->subscribers) && list_empty(&sup->bus->followers))
        return;
    buf_init(&payload, 0);
    buf_init(&frame, 0);
    if (payload_encode(&payload, has_data ? data : NULL, has_data ? 1 : 0)) {
        event.payload = buf_bytes(&payload);
        frame_encode_event(&frame, &event);
    }
    if (frame_body(&frame, &body))
        spread(sup->bus, &event, body, strcmp(system, "logs") == 0);
    else
        log_warn("event can't be encoded, nobody hears of it", "kind=%s path=%s", kind,
                 path);
    buf_finish(&payload);
    buf_finish(&frame);
}

/* ---- targets ------------------------------------------------------------------ */

/* [system, kind]; kind may be absent, nil or "". false = answered. */
static bool get_patterns(struct request *request, struct bytes *system_out,
                         struct bytes *kind_out)
{
    const struct value *system = request_arg_as(request, 0, VALUE_STRING);
    const struct value *kind = request_arg(request, 1);

    *kind_out = bytes_of_text("");
    if (system == NULL || system->as.string.n == 0 ||
        system->as.string.n > STR_MAX_BYTES) {
        request_refuse(request, ERR_INVALID, "system pattern is required");
        return false;
    }
    *system_out = value_to_bytes(system);
    if (kind == NULL || kind->type == VALUE_NIL)
        return true;
    if (kind->type != VALUE_STRING || kind->as.string.n > STR_MAX_BYTES) {
        request_refuse(request, ERR_INVALID, "kind pattern must be a string");
        return false;
    }
    *kind_out = value_to_bytes(kind);
    return true;
}

static struct subscriber *get_subscriber(struct bus *bus, struct worker *worker)
{
    struct subscriber *subscriber = find_subscriber(bus, worker);

    if (subscriber != NULL)
        return subscriber;
    subscriber = xcalloc(1, sizeof(*subscriber));
    map_init(&subscriber->by_key);
    subscriber->worker = worker;
    list_init(&subscriber->wild);
    shelves_init(&subscriber->by_system);
    list_append(&bus->subscribers, &subscriber->in_bus);
    return subscriber;
}

static void handle_subscribe(struct request *request)
{
    struct subscriber *subscriber;
    struct pattern *pattern;
    struct bytes system, kind;

    if (!get_patterns(request, &system, &kind))
        return;
    if (request->origin.type != ORIGIN_WORKER) {
        request_refuse(request, ERR_INVALID,
                       "only workers subscribe; use @events.follow");
        return;
    }
    subscriber = get_subscriber(request->sup->bus, request->origin.who.worker);
    pattern = find_pattern(subscriber, system, kind);
    if (pattern != NULL) {
        pattern->n_refs++;
    } else if (subscriber->by_key.n >= BUS_PATTERNS_MAX_PER_WORKER) {
        request_refuse(request, ERR_LIMIT_EXCEEDED, "too many different subscriptions");
        return;
    } else {
        add_pattern(subscriber, system, kind);
    }
    request_reply(request, NULL);
}

static void handle_unsubscribe(struct request *request)
{
    struct subscriber *subscriber = NULL;
    struct pattern *pattern = NULL;
    struct bytes system, kind;

    if (!get_patterns(request, &system, &kind))
        return;
    if (request->origin.type == ORIGIN_WORKER)
        subscriber = find_subscriber(request->sup->bus, request->origin.who.worker);
    if (subscriber != NULL)
        pattern = find_pattern(subscriber, system, kind);
    if (pattern != NULL && --pattern->n_refs == 0)
        free_pattern(subscriber, pattern);
    if (subscriber != NULL && subscriber->by_key.n == 0)
        free_subscriber(subscriber);
    request_reply(request, NULL);
}

static bool on_follow_cancelled(struct request *request)
{
    free_follower(request->sup->bus, request->state);
    return true;
}

static void handle_follow(struct request *request)
{
    struct bus *bus = request->sup->bus;
    struct follower *follower;
    struct bytes system, kind;

    if (!get_patterns(request, &system, &kind))
        return;
    if (bus->n_followers >= BUS_MAX_FOLLOWERS) {
        request_refuse(request, ERR_RATE_LIMITED, "%d clients follow the bus already",
                       BUS_MAX_FOLLOWERS);
        return;
    }
    follower = xcalloc(1, sizeof(*follower));
    follower->request = request;
    pattern_init(&follower->pattern, system, kind);
    list_append(&bus->followers, &follower->in_bus);
    bus->n_followers++;
    request->state = follower;
    request->on_cancel = on_follow_cancelled;
}

static const struct system_target targets[] = {
    {"events.follow", handle_follow, ALLOW_CLIENT},
    {"events.subscribe", handle_subscribe, ALLOW_WORKER},
    {"events.unsubscribe", handle_unsubscribe, ALLOW_WORKER},
};

struct bus *bus_create(struct supervisor *sup)
{
    struct bus *bus = xcalloc(1, sizeof(*bus));

    bus->sup = sup;
    list_init(&bus->subscribers);
    list_init(&bus->followers);
    ev_timer_init(&bus->quiet, on_quiet_tick, 0., 0.);
    if (sup->system != NULL)
        system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return bus;
}

/* Requests of followers belong to system.c, which drops them on its own. */
void bus_destroy(struct bus *bus)
{
    struct list *node;

    if (bus == NULL)
        return;
    ev_timer_stop(bus->sup->loop, &bus->quiet);
    while ((node = list_first(&bus->subscribers)) != NULL)
        free_subscriber(container_of(node, struct subscriber, in_bus));
    while ((node = list_first(&bus->followers)) != NULL)
        free_follower(bus, container_of(node, struct follower, in_bus));
    free(bus);
}
