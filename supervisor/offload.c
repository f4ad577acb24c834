#include "supervisor/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/log.h"
#include "common/mem.h"

struct offload {
    struct ev_loop *loop;
    struct ev_async wake; /* the thread has finished something */
    pthread_t thread;
    bool is_running; /* the thread was started */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    struct list waiting, finished;
    bool is_ending;
};

static void *run(void *context)
{
    struct offload *offload = context;
    struct list *node;

    pthread_mutex_lock(&offload->lock);
    for (;;) {
        node = list_take_first(&offload->waiting);
        if (node != NULL) {
            struct offload_job *job = container_of(node, struct offload_job, link);

            pthread_mutex_unlock(&offload->lock);
            job->work(job);
            pthread_mutex_lock(&offload->lock);
            list_append(&offload->finished, &job->link);
            ev_async_send(offload->loop, &offload->wake);
        } else if (offload->is_ending) {
            break;
        } else {
            pthread_cond_wait(&offload->more, &offload->lock);
        }
    }
    pthread_mutex_unlock(&offload->lock);
    return NULL;
}

static void call_done(struct offload *offload)
{
    struct list *node;

    do {
        pthread_mutex_lock(&offload->lock);
        node = list_take_first(&offload->finished);
        pthread_mutex_unlock(&offload->lock);
        if (node != NULL) {
            struct offload_job *job = container_of(node, struct offload_job, link);

            job->done(job);
        }
    } while (node != NULL);
}

static void on_wake(struct ev_loop *loop, struct ev_async *wake, int revents)
{
    (void)loop, (void)revents;
    call_done(container_of(wake, struct offload, wake));
}

/* Signals are the loop's: the thread is born with all of them blocked. */
static int start_thread(struct offload *offload)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&offload->thread, NULL, run, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    offload->is_running = rc == 0;
    return rc;
}

struct offload *offload_create(struct ev_loop *loop)
{
    struct offload *offload = xcalloc(1, sizeof(*offload));

    offload->loop = loop;
    list_init(&offload->waiting);
    list_init(&offload->finished);
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->more, NULL);
    ev_async_init(&offload->wake, on_wake);
    ev_async_start(loop, &offload->wake);
    ev_unref(loop); /* it alone keeps no loop alive */
    return offload;
}

void offload_destroy(struct offload *offload)
{
    if (offload == NULL)
        return;
    if (offload->is_running) {
        pthread_mutex_lock(&offload->lock);
        offload->is_ending = true;
        pthread_cond_signal(&offload->more);
        pthread_mutex_unlock(&offload->lock);
        pthread_join(offload->thread, NULL);
        call_done(offload);
    }
    ev_ref(offload->loop);
    ev_async_stop(offload->loop, &offload->wake);
    pthread_cond_destroy(&offload->more);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
}

void offload_submit(struct offload *offload, struct offload_job *job)
{
    int rc = offload->is_running ? 0 : start_thread(offload);

    if (rc != 0) { /* better late than never */
        log_warn("no thread for file work, doing it in the loop", "why=%s",
                 strerror(rc));
        job->work(job);
        job->done(job);
        return;
    }
    pthread_mutex_lock(&offload->lock);
    list_append(&offload->waiting, &job->link);
    pthread_cond_signal(&offload->more);
    pthread_mutex_unlock(&offload->lock);
}
