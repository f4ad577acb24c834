/*
 * worker -- one process of a supervisor: runs functions, actors, or the compiler.
 *
 * Started by the supervisor only: descriptor 3 is the socket to it, 4 the liveness
 * table of this worker's actors. Everything else comes with SETUP.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/exit.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "worker/metrics.h"
#include "worker/relations.h"
#include "worker/role.h"
#include "worker/runtime.h"
#include "worker/terminal.h"
#include "worker/uplink.h"

#define SOCKET_FD   3
#define LIVENESS_FD 4
#define BUDGET_NS   2000000 /* of running actors between two looks at the socket */

static void refuse_to_start(void)
{
    fprintf(stderr, "worker: this program is started by supervisor, not by hand; "
                    "try 'supervisor --help'\n");
    exit(EXIT_USAGE);
}

static bool is_socket(int fd)
{
    int type;
    socklen_t n = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

static void say_hello(struct runtime *rt)
{
    struct conn *conn = uplink_conn(rt->uplink);
    struct frame_hello hello = {.version = PROTO_VERSION, .os_pid = (uint32_t)getpid()};

    frame_encode_hello(conn_out(conn), &hello);
    conn_wrote(conn);
    conn_flush(conn);
}

static void set_up(struct runtime *rt)
{
    rt->liveness = liveness_map(LIVENESS_FD, true);
    if (rt->liveness == NULL || !is_socket(SOCKET_FD))
        refuse_to_start();
    close(LIVENESS_FD);
    signal(SIGPIPE, SIG_IGN);
    ev_set_allocator(mem_allocate); /* its own way of having no memory is abort() */
    rt->loop = ev_default_loop(EVFLAG_NOENV);
    runtime_init(rt, SOCKET_FD);
}

/* Actors that send faster than the supervisor reads wait until it has caught up; what
 * is left after a flush makes the loop wait for the socket. */
static bool may_run(const struct runtime *rt)
{
    struct conn *conn = uplink_conn(rt->uplink);

    if (conn_is_congested(conn))
        conn_flush(conn);
    return sched_has_work(&rt->sched) && !conn_is_congested(conn);
}

/* Results and messages that nobody else has must get there before we end, however many
 * they are; a supervisor that reads no more kills us at its deadline. */
static void flush_rest(struct conn *conn)
{
    struct pollfd pfd = {.fd = conn_fd(conn), .events = POLLOUT};

    conn_flush(conn);
    while (conn_pending_bytes(conn) != 0 && !conn_is_closed(conn)) {
        if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
            break;
        conn_flush(conn);
    }
}

/* Slices and I/O alternate; with nothing to run the worker sleeps in the loop. */
static void run(struct runtime *rt)
{
    while (!rt->stop) {
        ev_run(rt->loop, may_run(rt) ? EVRUN_NOWAIT : EVRUN_ONCE);
        if (may_run(rt))
            sched_run(&rt->sched, BUDGET_NS);
        else
            sched_settle(&rt->sched); /* calls that ended while frames came in */
        if (rt->draining)
            role_check_drained(rt);
    }
    relations_finish(rt);
    metrics_flush(rt->metrics);
    flush_rest(uplink_conn(rt->uplink));
}

/* Until the kernel closes it: who closes it is killed at once, checked or not. */
static int keep_socket_open(void)
{
    return fcntl(SOCKET_FD, F_DUPFD_CLOEXEC, 0) == -1 ? -1 : 0;
}

int main(int argc, char **argv)
{
    static struct runtime rt;

    (void)argv; /* for people who look at the list of processes */
    if (argc != 3)
        refuse_to_start();
    log_set_program("worker");
    set_up(&rt);
    say_hello(&rt);
    run(&rt);
    terminal_restore(rt.terminal);
    if (getenv("TROUPE_TEAR_DOWN") != NULL && /* leak checkers; the kernel is faster */
        keep_socket_open() == 0) {
        runtime_finish(&rt);
        liveness_unmap(rt.liveness);
    }
    return rt.exit_status;
}
