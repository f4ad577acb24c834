#include "tests/unit/service_world.h"

#include <stdio.h>
#include <string.h>

#include "supervisor/service_order.h"

struct world world;

struct fake *world_fake_of(const struct service *service)
{
    for (size_t i = 0; i < world.n_fakes; i++)
        if (strcmp(world.fakes[i].id, service->id) == 0)
            return &world.fakes[i];
    ck_assert_uint_lt(world.n_fakes, MAX_FAKES);
    snprintf(world.fakes[world.n_fakes].id, sizeof(world.fakes[0].id), "%s",
             service->id);
    return &world.fakes[world.n_fakes++];
}

static void note(char what, const struct service *service)
{
    size_t at = strlen(world.trace);

    snprintf(world.trace + at, sizeof(world.trace) - at, "%c%s", what, service->id);
}

static uint64_t fake_now_ms(void)
{
    return world.now_ms;
}

static double fake_random(void)
{
    return 0.5;
}

static void fake_set_timer(struct service *service, uint64_t after_ms)
{
    world_fake_of(service)->due_at_ms = world.now_ms + after_ms;
}

static void fake_clear_timer(struct service *service)
{
    world_fake_of(service)->due_at_ms = 0;
}

static void fake_kick(struct services *services)
{
    (void)services;
    world.kicked = true;
}

static void fake_ignore(struct service *service)
{
    (void)service;
}

static const struct services_env fake_env = {
    .now_ms = fake_now_ms,
    .random = fake_random,
    .set_timer = fake_set_timer,
    .clear_timer = fake_clear_timer,
    .kick = fake_kick,
    .changed = fake_ignore,
    .added = fake_ignore,
    .removed = fake_ignore,
};

static void fake_start(struct service *service)
{
    note('+', service);
    world_fake_of(service)->starts = true;
    if (world.quick) {
        world_fake_of(service)->starts = false;
        service_on_started(service);
    }
}

static void fake_stop(struct service *service, uint64_t timeout_ms)
{
    ck_assert_uint_eq(timeout_ms, 10000);
    note('-', service);
    world_fake_of(service)->stops = true;
    if (world.quick) {
        world_fake_of(service)->stops = false;
        service_on_ended(service, NULL);
    }
}

static void fake_kill(struct service *service)
{
    note('!', service);
    world_fake_of(service)->starts = world_fake_of(service)->stops = false;
}

static const struct service_backend fake_backend = {
    .kind = "*", .start = fake_start, .stop = fake_stop, .kill = fake_kill};

/* ---- building -------------------------------------------------------------------- */

static const struct machine_policy policy = {
    .start_timeout_ms = 10000,
    .stop_timeout_ms = 10000,
    .stable_threshold_ms = 5000,
    .backoff = {.initial_delay_ms = 1000, .max_delay_ms = 90000, .factor = 2},
};

void world_load(const char *ids, const char *const *edges)
{
    struct order *order = order_create();
    struct service_spec specs[MAX_FAKES];
    char names[MAX_FAKES][2];
    size_t n = 0;
    bool optional = false;

    for (; *ids != '\0'; ids++) {
        if (*ids == '?') {
            optional = true;
            continue;
        }
        snprintf(names[n], 2, "%c", *ids);
        specs[n] = (struct service_spec){.id = names[n],
                                         .kind = "fake",
                                         .auto_start = *ids < 'a',
                                         .optional = optional,
                                         .policy = policy};
        order_add_node(order, names[n++], true);
        optional = false;
    }
    for (; edges != NULL && *edges != NULL; edges++) {
        char from[2] = {(*edges)[0], 0}, to[2] = {(*edges)[2], 0};

        order_add_edge(order, order_add_node(order, from, false), to,
                       (*edges)[1] == '!');
    }
    order_resolve(order);
    services_load(&world.services, specs, n, order, world.services.n != 0);
    order_destroy(order);
}

void world_setup(void)
{
    memset(&world, 0, sizeof(world));
    world.now_ms = 1000000;
    services_init(&world.services, NULL, &fake_env);
    services_add_backend(&world.services, &fake_backend);
}

void world_teardown(void)
{
    services_finish(&world.services);
}

/* ---- playing --------------------------------------------------------------------- */

struct service *world_get(const char *id)
{
    struct service *service = services_find(&world.services, id);

    ck_assert_msg(service != NULL, "no service %s", id);
    return service;
}

const char *world_state_of(const char *id)
{
    static const char *const names[] = {"unknown", "starting", "running", "stopping",
                                        "stopped", "failed",   "exited"};

    return names[service_shown_state(world_get(id))];
}

void world_settle(void)
{
    while (world.kicked) {
        world.kicked = false;
        services_settle(&world.services);
    }
}

void world_pass(uint64_t ms)
{
    uint64_t until = world.now_ms + ms;

    for (;;) {
        struct fake *next = NULL;

        world_settle();
        for (size_t i = 0; i < world.n_fakes; i++) {
            struct fake *fake = &world.fakes[i];

            if (fake->due_at_ms != 0 && fake->due_at_ms <= until &&
                (next == NULL || fake->due_at_ms < next->due_at_ms))
                next = fake;
        }
        if (next == NULL)
            break;
        world.now_ms = next->due_at_ms;
        next->due_at_ms = 0;
        service_on_timer(world_get(next->id));
    }
    world.now_ms = until;
    world_settle();
}

void world_started(const char *id)
{
    ck_assert_msg(world_fake_of(world_get(id))->starts, "%s was not asked to start",
                  id);
    world_fake_of(world_get(id))->starts = false;
    service_on_started(world_get(id));
    world_settle();
}

void world_start_fails(const char *id, enum err_kind kind)
{
    struct err err = {0};

    err_set(&err, kind, "no such luck");
    ck_assert_msg(world_fake_of(world_get(id))->starts, "%s was not asked to start",
                  id);
    world_fake_of(world_get(id))->starts = false;
    service_on_start_failed(world_get(id), &err);
    world_settle();
}

void world_ended(const char *id)
{
    world_fake_of(world_get(id))->stops = false;
    service_on_ended(world_get(id), NULL);
    world_settle();
}

void world_crashes(const char *id, enum err_retry retryable)
{
    struct err err = {0};

    err_set(&err, ERR_INTERNAL, "boom");
    err.retryable = retryable;
    world_fake_of(world_get(id))->stops = false;
    service_on_ended(world_get(id), &err);
    world_settle();
}

void world_on_answer(void *context, const struct service *service,
                     const struct err *err)
{
    struct answer *answer = context;

    (void)service;
    answer->n++;
    answer->failed = err != NULL;
    if (err != NULL)
        answer->err = *err;
}

void world_begin(const char *id, enum verb_kind kind, struct answer *answer)
{
    struct err err = {0};

    if (answer != NULL)
        *answer = (struct answer){0};
    services_begin(&world.services, world_get(id), kind,
                   answer != NULL ? world_on_answer : NULL, answer, &err);
    ck_assert_str_eq(err.text, "");
}

void world_count_call(void *context)
{
    (*(int *)context)++;
}

void world_boot(int *done)
{
    services_begin_boot(&world.services, world_count_call, done);
    world_settle();
}
