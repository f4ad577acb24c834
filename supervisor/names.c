#include "supervisor/names.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/map.h"
#include "common/value.h"

#include "supervisor/actors.h"
#include "supervisor/core.h"
#include "supervisor/slice.h"
#include "supervisor/system.h"

/* All names of one actor. */
struct owner {
    uint64_t pid;
    struct list names;
    struct list of_worker; /* or in names->leaving */
    size_t host_bytes;
    char host[];
};

struct name {
    struct owner *owner; /* NULL while a spawn has it reserved */
    struct list of_owner;
    struct list waiters; /* spawns that wait for the reservation's end */
    size_t n_bytes;
    char text[];
};

struct names {
    struct supervisor *sup;
    struct map by_text;
    struct map owners; /* by pid */
    struct list of_worker[PID_MAX_WORKERS];
    struct list leaving; /* owners that have ended: their names are free already */
    struct ev_timer work_timer;
};

/* ---- the table ---------------------------------------------------------------- */

static void free_name(struct names *names, struct name *name)
{
    map_remove(&names->by_text, name->text, name->n_bytes);
    list_remove(&name->of_owner);
    free(name);
}

/* false when the slice is over before the work. */
static bool free_names(struct names *names, struct owner *owner, struct slice *slice)
{
    struct list *node;

    while ((node = list_first(&owner->names)) != NULL) {
        free_name(names, container_of(node, struct name, of_owner));
        if (slice_is_over(slice))
            return false;
    }
    return true;
}

static void free_owner(struct names *names, struct owner *owner)
{
    map_remove_number(&names->owners, owner->pid);
    list_remove(&owner->of_worker);
    free(owner);
}

static void forget_name(struct names *names, struct name *name)
{
    struct owner *owner = name->owner;

    free_name(names, name);
    if (owner != NULL && list_empty(&owner->names))
        free_owner(names, owner);
}

/* The row of a name that is reserved or has a live owner. A dead owner whose GONE is
 * still under way holds nothing any more. */
static struct name *find_name(struct names *names, struct bytes text)
{
    struct name *name = map_find(&names->by_text, (const char *)text.data, text.n);

    if (name == NULL || name->owner == NULL)
        return name;
    if (actors_alive(names->sup, name->owner->pid))
        return name;
    forget_name(names, name);
    return NULL;
}

static struct name *add_name(struct names *names, struct bytes text, struct err *err)
{
    struct name *name;

    if (names->by_text.n >= NAMES_MAX) {
        err_set(err, ERR_LIMIT_EXCEEDED, "too many registered names");
        return NULL;
    }
    name = xmalloc(sizeof(*name) + text.n);
    name->owner = NULL;
    name->n_bytes = text.n;
    memcpy(name->text, text.data, text.n);
    list_init(&name->of_owner);
    list_init(&name->waiters);
    map_put(&names->by_text, name->text, name->n_bytes, name);
    return name;
}

static void set_owner(struct names *names, struct name *name, uint64_t pid,
                      struct bytes host)
{
    struct owner *owner = map_find_number(&names->owners, pid);

    if (owner == NULL) {
        owner = xmalloc(sizeof(*owner) + host.n);
        owner->pid = pid;
        owner->host_bytes = host.n;
        if (host.n != 0)
            memcpy(owner->host, host.data, host.n);
        list_init(&owner->names);
        list_init(&owner->of_worker);
        list_append(&names->of_worker[pid_index(pid)], &owner->of_worker);
        map_put_number(&names->owners, pid, owner);
    }
    name->owner = owner;
    list_append(&owner->names, &name->of_owner);
}

static struct bytes host_of(const struct name *name)
{
    return (struct bytes){(const uint8_t *)name->owner->host, name->owner->host_bytes};
}

static int check_name(struct bytes name, struct err *err)
{
    if (name.n == 0)
        return err_set(err, ERR_INVALID, "name cannot be empty");
    if (name.n > NAME_MAX_BYTES)
        return err_set(err, ERR_INVALID, "name is longer than %d bytes",
                       NAME_MAX_BYTES);
    return 0;
}

uint64_t names_find(const struct names *names, struct bytes name,
                    struct bytes *host_out)
{
    struct name *found = map_find(&names->by_text, (const char *)name.data, name.n);

    if (found == NULL || found->owner == NULL ||
        !actors_alive(names->sup, found->owner->pid))
        return 0;
    if (host_out != NULL)
        *host_out = host_of(found);
    return found->owner->pid;
}

/* ---- ends --------------------------------------------------------------------- */

/* false when the slice is over before the work. */
static bool free_leaving(struct names *names, struct slice *slice)
{
    struct list *node;

    while ((node = list_first(&names->leaving)) != NULL) {
        struct owner *owner = container_of(node, struct owner, of_worker);

        if (!free_names(names, owner, slice))
            return false;
        free_owner(names, owner);
    }
    return true;
}

static void work(struct names *names)
{
    struct slice slice = slice_begin();

    if (ev_is_active(&names->work_timer) || free_leaving(names, &slice))
        return;
    ev_timer_set(&names->work_timer, 0, 0);
    ev_timer_start(names->sup->loop, &names->work_timer);
}

static void on_work(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    work(container_of(timer, struct names, work_timer));
}

static void let_leave(struct names *names, struct owner *owner)
{
    list_remove(&owner->of_worker);
    list_append(&names->leaving, &owner->of_worker);
}

void names_on_gone(struct names *names, uint64_t pid)
{
    struct owner *owner = map_find_number(&names->owners, pid);

    if (owner == NULL)
        return;
    let_leave(names, owner);
    work(names);
}

void names_on_worker_dead(struct names *names, uint32_t index)
{
    list_append_all(&names->leaving, &names->of_worker[index]);
    work(names);
}

/* ---- spawn or signal ---------------------------------------------------------- */

enum name_claim names_claim_for_spawn(struct names *names, struct bytes text,
                                      struct name_waiter *waiter, uint64_t *pid_out,
                                      struct bytes *host_out, struct err *err)
{
    struct name *name;

    if (check_name(text, err) != 0)
        return NAME_REFUSED;
    name = find_name(names, text);
    if (name == NULL)
        return add_name(names, text, err) != NULL ? NAME_CLAIMED : NAME_REFUSED;
    if (name->owner == NULL) {
        list_init(&waiter->link);
        list_append(&name->waiters, &waiter->link);
        return NAME_WAIT;
    }
    *pid_out = name->owner->pid;
    *host_out = host_of(name);
    return NAME_TAKEN;
}

static struct name *find_reserved(const struct names *names, struct bytes text)
{
    struct name *name = map_find(&names->by_text, (const char *)text.data, text.n);

    return name != NULL && name->owner == NULL ? name : NULL;
}

/* They are taken over first: whoever is called may claim, wait or stop waiting. */
static void wake_waiters(struct list *waiters)
{
    struct list *node;

    while ((node = list_take_first(waiters)) != NULL) {
        struct name_waiter *waiter = container_of(node, struct name_waiter, link);

        waiter->on_settled(waiter);
    }
}

static void move_waiters(struct name *name, struct list *to)
{
    struct list *node;

    list_init(to);
    while ((node = list_take_first(&name->waiters)) != NULL)
        list_append(to, node);
}

void names_claim_succeed(struct names *names, struct bytes text, uint64_t pid,
                         struct bytes host)
{
    struct name *name = find_reserved(names, text);
    struct list waiters;

    if (name == NULL)
        return;
    set_owner(names, name, pid, host);
    move_waiters(name, &waiters);
    wake_waiters(&waiters);
}

void names_claim_fail(struct names *names, struct bytes text)
{
    struct name *name = find_reserved(names, text);
    struct list waiters;

    if (name == NULL)
        return;
    move_waiters(name, &waiters);
    free_name(names, name);
    wake_waiters(&waiters);
}

void names_stop_waiting(struct name_waiter *waiter)
{
    list_remove(&waiter->link);
}

/* ---- targets ------------------------------------------------------------------ */

int names_register(struct names *names, struct bytes text, uint64_t pid,
                   struct bytes host, struct err *err)
{
    struct name *name;

    if (check_name(text, err) != 0)
        return -1;
    if (!actors_alive(names->sup, pid))
        return err_set(err, ERR_NOT_FOUND, "pid not registered");
    name = find_name(names, text);
    if (name != NULL && name->owner != NULL && name->owner->pid == pid)
        return 0;
    if (name != NULL)
        return err_set(err, ERR_ALREADY_EXISTS, "name already registered");
    name = add_name(names, text, err);
    if (name == NULL)
        return -1;
    set_owner(names, name, pid, host);
    return 0;
}

bool names_release(struct names *names, struct bytes text, uint64_t pid)
{
    struct name *name = find_name(names, text);

    if (name == NULL || name->owner == NULL || name->owner->pid != pid)
        return false;
    forget_name(names, name);
    return true;
}

static void handle_register(struct request *request)
{
    const struct value *name = request_arg_as(request, 0, VALUE_STRING);
    const struct value *pid = request_arg_as(request, 1, VALUE_INT);
    const struct value *host = request_arg_as(request, 2, VALUE_STRING);
    const struct value yes = value_bool(true);
    struct err err = {0};

    if (name == NULL || pid == NULL || host == NULL ||
        host->as.string.n > ID_MAX_BYTES) {
        request_refuse(request, ERR_INVALID,
                       "names.register takes a name, a pid and its host");
        return;
    }
    if (names_register(request->sup->names, value_to_bytes(name),
                       (uint64_t)pid->as.integer, value_to_bytes(host), &err) == 0)
        request_reply(request, &yes);
    else
        request_fail(request, &err);
}

static void handle_unregister(struct request *request)
{
    const struct value *text = request_arg_as(request, 0, VALUE_STRING);
    struct names *names = request->sup->names;
    struct value found = value_bool(false);
    struct name *name;

    if (text == NULL) {
        request_refuse(request, ERR_INVALID, "names.unregister takes a name");
        return;
    }
    name = find_name(names, value_to_bytes(text));
    if (name != NULL && name->owner != NULL) {
        forget_name(names, name);
        found = value_bool(true);
    }
    request_reply(request, &found);
}

static void handle_lookup(struct request *request)
{
    const struct value *name = request_arg_as(request, 0, VALUE_STRING);
    struct value answer;
    struct bytes host;
    uint64_t pid;

    if (name == NULL) {
        request_refuse(request, ERR_INVALID, "names.lookup takes a name");
        return;
    }
    pid = names_find(request->sup->names, value_to_bytes(name), &host);
    if (pid == 0) {
        request_refuse(request, ERR_NOT_FOUND, "name not registered");
        return;
    }
    answer = value_list();
    value_append(&answer, value_int((int64_t)pid));
    value_append(&answer, value_bytes(host.data, host.n));
    request_reply_taken(request, answer);
}

static int compare_rows(const void *a, const void *b)
{
    const struct value *left = a, *right = b;

    return strcmp(value_get_text(left, "name"), value_get_text(right, "name"));
}

static void handle_list(struct request *request)
{
    struct names *names = request->sup->names;
    struct value list = value_list();

    MAP_FOREACH (row, &names->by_text) {
        const struct name *name = row->value;
        char text[PID_TEXT_MAX];
        struct value *item;

        if (name->owner == NULL || !actors_alive(names->sup, name->owner->pid))
            continue;
        pid_format(text, name->owner->host, name->owner->host_bytes, name->owner->pid);
        item = value_append(&list, value_map());
        value_put(item, "name", value_bytes(name->text, name->n_bytes));
        value_put(item, "pid", value_string(text));
    }
    if (list.as.list.n > 1)
        qsort(list.as.list.items, list.as.list.n, sizeof(struct value), compare_rows);
    request_reply_taken(request, list);
}

static const struct system_target targets[] = {
    {"names.list", handle_list, ALLOW_CLIENT},
    {"names.lookup", handle_lookup, ALLOW_ANY},
    {"names.register", handle_register, ALLOW_WORKER},
    {"names.unregister", handle_unregister, ALLOW_WORKER},
};

size_t names_count(const struct names *names)
{
    return names->by_text.n;
}

struct names *names_create_plain(struct supervisor *sup)
{
    struct names *names = xcalloc(1, sizeof(*names));

    names->sup = sup;
    map_init(&names->by_text);
    map_init(&names->owners);
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        list_init(&names->of_worker[i]);
    list_init(&names->leaving);
    ev_timer_init(&names->work_timer, on_work, 0, 0);
    return names;
}

struct names *names_create(struct supervisor *sup)
{
    struct names *names = names_create_plain(sup);

    if (sup->system != NULL)
        system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return names;
}

void names_destroy(struct names *names)
{
    struct slice forever = slice_without_end();

    if (names == NULL)
        return;
    ev_timer_stop(names->sup->loop, &names->work_timer);
    for (uint32_t i = 0; i < PID_MAX_WORKERS; i++)
        list_append_all(&names->leaving, &names->of_worker[i]);
    free_leaving(names, &forever);
    /* What is left are reservations of spawns that nobody waits for any more. */
    while (names->by_text.n != 0) {
        MAP_FOREACH (row, &names->by_text) {
            free_name(names, row->value);
            break;
        }
    }
    map_finish(&names->by_text);
    map_finish(&names->owners);
    free(names);
}
