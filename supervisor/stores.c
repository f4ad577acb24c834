#include "supervisor/stores.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"

#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/system.h"

#define MAX_KEYS_DEFAULT   10000
#define MAX_KEYS_MOST      100000000
#define CLEANUP_DEFAULT_MS 300000
#define KEY_MAX_BYTES      4096

struct item {
    uint64_t ends_at_ms; /* monotonic, 0 = never */
    char *key;
    size_t key_bytes;
    uint8_t *value;
    size_t value_bytes;
};

struct store {
    struct map items; /* by key */
    size_t n_bytes;
    size_t max_keys;
    uint64_t first_end_ms; /* no item ends before; 0: none ever does */
    struct ev_timer cleanup;
    struct stores *stores;
    char *id;
};

struct stores {
    struct supervisor *sup;
    struct map by_id; /* those that have been used */
};

/* ---- one store ------------------------------------------------------------------- */

static void free_item(struct store *store, struct item *item)
{
    store->n_bytes -= item->key_bytes + item->value_bytes;
    free(item->key);
    free(item->value);
    free(item);
}

static bool has_ended(const struct item *item, uint64_t now_ms)
{
    return item->ends_at_ms != 0 && item->ends_at_ms <= now_ms;
}

static void remove_item(struct store *store, struct item *item)
{
    map_remove(&store->items, item->key, item->key_bytes);
    free_item(store, item);
}

static void note_end(struct store *store, uint64_t ends_at_ms)
{
    if (ends_at_ms != 0 &&
        (store->first_end_ms == 0 || ends_at_ms < store->first_end_ms))
        store->first_end_ms = ends_at_ms;
}

/* What has ended goes; where nothing can have, nothing is looked at: whoever sets keys
 * of a full store asks for this each time. A map may not change while it is walked. */
static void purge(struct store *store)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct item **ended;
    size_t n = 0;

    if (store->first_end_ms == 0 || store->first_end_ms > now_ms)
        return;
    ended = xcalloc(store->items.n + 1, sizeof(struct item *));
    store->first_end_ms = 0;
    MAP_FOREACH (row, &store->items) {
        struct item *item = row->value;

        if (has_ended(item, now_ms))
            ended[n++] = item;
        else
            note_end(store, item->ends_at_ms);
    }
    for (size_t i = 0; i < n; i++)
        remove_item(store, ended[i]);
    free(ended);
}

static void on_cleanup(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    purge(container_of(timer, struct store, cleanup));
}

static struct item *find_item(struct store *store, const struct value *key)
{
    struct item *item = map_find(&store->items, key->as.string.data, key->as.string.n);

    if (item == NULL || !has_ended(item, clock_monotonic_ms()))
        return item;
    remove_item(store, item);
    return NULL;
}

static void configure(struct store *store, const struct entry *entry)
{
    struct ev_loop *loop = store->stores->sup->loop;
    double every;

    store->max_keys =
        (size_t)entry_integer(entry, "max_size", 0, 0, MAX_KEYS_MOST, NULL);
    if (store->max_keys == 0)
        store->max_keys = MAX_KEYS_DEFAULT;
    every = (double)entry_duration_ms(entry, "cleanup_interval", CLEANUP_DEFAULT_MS,
                                      true, NULL) /
            1e3;
    ev_timer_stop(loop, &store->cleanup);
    ev_timer_set(&store->cleanup, every, every);
    ev_timer_start(loop, &store->cleanup);
}

static struct store *store_create(struct stores *stores, const struct entry *entry)
{
    struct store *store = xcalloc(1, sizeof(*store));

    store->stores = stores;
    store->id = xstrdup(entry->id);
    map_init(&store->items);
    ev_timer_init(&store->cleanup, on_cleanup, 0, 0);
    configure(store, entry);
    map_put(&stores->by_id, store->id, strlen(store->id), store);
    return store;
}

static void store_destroy(struct store *store)
{
    ev_timer_stop(store->stores->sup->loop, &store->cleanup);
    MAP_FOREACH (row, &store->items)
        free_item(store, row->value);
    map_finish(&store->items);
    free(store->id);
    free(store);
}

static struct store *get_store(struct stores *stores, const struct value *id,
                               struct err *err)
{
    const struct entry *entry =
        registry_find(stores->sup->registry, id->as.string.data, id->as.string.n);
    struct store *store;

    if (entry == NULL)
        return err_set(err, ERR_NOT_FOUND, "resource not found"), NULL;
    if (strcmp(entry->kind, "store.memory") != 0)
        return err_set(err, ERR_INVALID, "resource is not a key-value store: %s",
                       entry->kind),
               NULL;
    store = map_find(&stores->by_id, entry->id, strlen(entry->id));
    return store != NULL ? store : store_create(stores, entry);
}

/* ---- setting --------------------------------------------------------------------- */

/* The value's bytes; NULL when there is no memory for them. */
static uint8_t *encode(const struct value *value, size_t *n_out)
{
    struct buf buf;
    uint8_t *copy = NULL;

    buf_init(&buf, STORE_MAX_BYTES);
    if (value_encode(&buf, value) && (copy = malloc(buf_len(&buf))) != NULL) {
        memcpy(copy, buf_head(&buf), buf_len(&buf));
        *n_out = buf_len(&buf);
    }
    buf_finish(&buf);
    return copy;
}

/* A key that is there has its place already, and what it held makes room. */
static bool has_room(const struct store *store, const struct item *old,
                     const struct value *key, size_t n_bytes)
{
    size_t n_old = old != NULL ? old->key_bytes + old->value_bytes : 0;

    return (old != NULL || store->items.n < store->max_keys) &&
           store->n_bytes - n_old + key->as.string.n + n_bytes <= STORE_MAX_BYTES;
}

/* Takes bytes. */
static void put_item(struct store *store, const struct value *key, uint8_t *bytes,
                     size_t n_bytes, uint64_t ttl_ms)
{
    struct item *item = xcalloc(1, sizeof(*item));

    item->ends_at_ms = ttl_ms != 0 ? clock_monotonic_ms() + ttl_ms : 0;
    item->key_bytes = key->as.string.n;
    item->key = xstrndup(key->as.string.data, key->as.string.n);
    item->value = bytes;
    item->value_bytes = n_bytes;
    store->n_bytes += item->key_bytes + n_bytes;
    note_end(store, item->ends_at_ms);
    map_put(&store->items, item->key, item->key_bytes, item);
}

static int set(struct store *store, const struct value *key, const struct value *value,
               uint64_t ttl_ms, struct err *err)
{
    struct item *old = find_item(store, key);
    size_t n_bytes = 0;
    uint8_t *bytes = encode(value, &n_bytes);

    if (bytes != NULL && !has_room(store, old, key, n_bytes)) {
        purge(store);
        old = find_item(store, key);
    }
    if (bytes == NULL || !has_room(store, old, key, n_bytes)) {
        free(bytes);
        return err_set(err, ERR_UNAVAILABLE, "store is full");
    }
    if (old != NULL)
        remove_item(store, old);
    put_item(store, key, bytes, n_bytes, ttl_ms);
    return 0;
}

/* ---- targets --------------------------------------------------------------------- */

/* The store that the first argument names, with a key as second; NULL and err. */
static struct store *read_request(const struct request *request,
                                  const struct value **key_out, struct err *err)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct value *key = request_arg_as(request, 1, VALUE_STRING);

    *key_out = key;
    if (id == NULL || key == NULL)
        err_set(err, ERR_INVALID, "id and key must be texts");
    else if (key->as.string.n == 0 || key->as.string.n > KEY_MAX_BYTES)
        err_set(err, ERR_INVALID, "key is required");
    else
        return get_store(request->sup->stores, id, err);
    return NULL;
}

static void handle_get(struct request *request)
{
    const struct value *key;
    struct err err;
    struct store *store = read_request(request, &key, &err);
    struct value value = {0};
    struct item *item;

    if (store == NULL) {
        request_fail(request, &err);
        return;
    }
    item = find_item(store, key);
    if (item != NULL &&
        value_decode(item->value, item->value_bytes, NULL, &value, &err) == -1) {
        request_fail(request, &err); /* deeper than any value may be */
        return;
    }
    request_reply_taken(request, value);
}

static void handle_set(struct request *request)
{
    const struct value done = value_bool(true), *key;
    const struct value *value = request_arg(request, 2);
    const struct value *ttl = request_arg_as(request, 3, VALUE_INT);
    struct err err;
    struct store *store = read_request(request, &key, &err);

    if (store != NULL && (value == NULL || ttl == NULL || ttl->as.integer < 0)) {
        err_set(&err, ERR_INVALID, "value and time to live are required");
        store = NULL;
    }
    if (store == NULL || set(store, key, value, (uint64_t)ttl->as.integer, &err) == -1)
        request_fail(request, &err);
    else
        request_reply(request, &done);
}

static void handle_delete(struct request *request)
{
    const struct value *key;
    struct err err;
    struct store *store = read_request(request, &key, &err);
    struct value existed;
    struct item *item;

    if (store == NULL) {
        request_fail(request, &err);
        return;
    }
    item = find_item(store, key);
    existed = value_bool(item != NULL);
    if (item != NULL)
        remove_item(store, item);
    request_reply(request, &existed);
}

static const struct system_target targets[] = {
    {"store.delete", handle_delete, ALLOW_WORKER},
    {"store.get", handle_get, ALLOW_WORKER},
    {"store.set", handle_set, ALLOW_WORKER},
};

/* ---- in step with the registry --------------------------------------------------- */

static void on_changed(void *context, const struct changeset *changeset)
{
    struct stores *stores = context;

    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];
        struct store *store =
            map_find(&stores->by_id, change->of_id, strlen(change->of_id));

        if (store == NULL)
            continue;
        if (change->after != NULL && strcmp(change->after->kind, "store.memory") == 0) {
            configure(store, change->after);
        } else {
            map_remove(&stores->by_id, store->id, strlen(store->id));
            store_destroy(store);
        }
    }
}

struct stores *stores_create(struct supervisor *sup)
{
    struct stores *stores = xcalloc(1, sizeof(*stores));
    struct registry_observer observer = {.changed = on_changed, .context = stores};

    stores->sup = sup;
    map_init(&stores->by_id);
    registry_add_observer(sup->registry, &observer);
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return stores;
}

void stores_destroy(struct stores *stores)
{
    if (stores == NULL)
        return;
    MAP_FOREACH (row, &stores->by_id)
        store_destroy(row->value);
    map_finish(&stores->by_id);
    free(stores);
}

/* ---- figures --------------------------------------------------------------------- */

size_t stores_count_keys(const struct stores *stores)
{
    size_t n = 0;

    MAP_FOREACH (row, &stores->by_id)
        n += ((const struct store *)row->value)->items.n;
    return n;
}

size_t stores_count_keys_max(const struct stores *stores)
{
    size_t n = 0;

    MAP_FOREACH (row, &stores->by_id)
        n += ((const struct store *)row->value)->max_keys;
    return n;
}
