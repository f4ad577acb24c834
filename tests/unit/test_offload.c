#include "supervisor/offload.h"

#include <pthread.h>

#include <ev.h>

#include "common/mem.h"

#include "tests/unit/unit.h"

struct count {
    struct offload_job job;
    unsigned number;
    pthread_t thread;
};

static unsigned order[100], n_done, n_wanted;
static struct ev_loop *loop;

static void work(struct offload_job *job)
{
    container_of(job, struct count, job)->thread = pthread_self();
}

static void done(struct offload_job *job)
{
    struct count *count = container_of(job, struct count, job);

    ck_assert(!pthread_equal(count->thread, pthread_self()));
    order[n_done++] = count->number;
    if (n_done == n_wanted)
        ev_break(loop, EVBREAK_ALL);
    free(count);
}

static void submit(struct offload *offload, unsigned number)
{
    struct count *count = xcalloc(1, sizeof(*count));

    count->job = (struct offload_job){.work = work, .done = done};
    count->number = number;
    offload_submit(offload, &count->job);
}

START_TEST(offload_keeps_the_order)
{
    struct offload *offload;

    loop = ev_default_loop(0);
    offload = offload_create(loop);
    n_done = 0;
    n_wanted = N_ELEMENTS(order);
    for (unsigned i = 0; i < n_wanted; i++)
        submit(offload, i);
    ev_ref(loop); /* nothing else keeps this loop alive */
    ev_run(loop, 0);
    ev_unref(loop);
    for (unsigned i = 0; i < n_wanted; i++)
        ck_assert_uint_eq(order[i], i);
    offload_destroy(offload);
}
END_TEST

START_TEST(offload_finishes_what_it_took)
{
    struct offload *offload;

    loop = ev_default_loop(0);
    offload = offload_create(loop);
    n_done = 0;
    n_wanted = 50;
    for (unsigned i = 0; i < n_wanted; i++)
        submit(offload, i);
    offload_destroy(offload);
    ck_assert_uint_eq(n_done, 50);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, offload_keeps_the_order);
    tcase_add_test(tc, offload_finishes_what_it_took);
}

int main(void)
{
    return unit_main("offload", fill);
}
