#include "supervisor/worker.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

/* ---- in place of libc's ---------------------------------------------------------- */

static unsigned n_kills;
static bool has_pidfds;

int kill(pid_t pid, int number)
{
    ck_assert_int_gt(pid, 1);
    n_kills++;
    return (int)syscall(SYS_kill, pid, number);
}

int pidfd_open(pid_t pid, unsigned flags)
{
    return has_pidfds ? (int)syscall(SYS_pidfd_open, pid, flags) : -1;
}

/* ---- */

/* Old kernels have none, and valgrind neither. */
static bool can_have_pidfds(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd != -1)
        close(fd);
    return fd != -1;
}

static struct worker *begin(bool with_pidfds, struct pool **pool_out)
{
    n_kills = 0;
    has_pidfds = with_pidfds && can_have_pidfds();
    floor_open();
    *pool_out = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    FLOOR_UNTIL(floor_n_ready(*pool_out) == 1);
    return floor_worker(*pool_out, 0);
}

static bool is_replaced(struct pool *pool, pid_t old)
{
    const struct worker *w = floor_worker(pool, 0);

    return floor_n_ready(pool) == 1 && w != NULL && w->os_pid != old;
}

/* P3: the child has been reaped, its pid may be anybody's, and the news of it is still
 * on the way when its worker is to be killed. */
START_TEST(worker_kill_spares_who_has_a_reaped_pid)
{
    struct pool *pool;
    struct worker *w = begin(_i == 1, &pool);
    pid_t pid = w->os_pid;
    int status;

    ck_assert_int_eq(syscall(SYS_kill, pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    worker_kill(w, "was killed too late");
    ck_assert_uint_eq(n_kills, 0);
    w->child.rstatus = status;
    ev_feed_event(sup.loop, &w->child, EV_CHILD);
    FLOOR_UNTIL(is_replaced(pool, pid));
    ck_assert_uint_eq(n_kills, 0);
    floor_close();
}
END_TEST

START_TEST(worker_kill_ends_a_child_with_and_without_pidfd)
{
    struct pool *pool;
    struct worker *w = begin(_i == 1, &pool);
    pid_t pid = w->os_pid;

    worker_kill(w, "was killed by the test");
    ck_assert_uint_eq(n_kills, has_pidfds ? 0 : 1);
    FLOOR_UNTIL(is_replaced(pool, pid));
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, worker_kill_spares_who_has_a_reaped_pid, 0, 2);
    tcase_add_loop_test(tc, worker_kill_ends_a_child_with_and_without_pidfd, 0, 2);
}

int main(void)
{
    return unit_main("worker_kill", fill);
}
