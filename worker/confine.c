#include "worker/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h> /* <sched.h> would be ours */
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/err.h"
#include "common/landlock.h"
#include "common/mem.h"
#include "common/readable.h"

#include "proto/frame.h"

#define MAX_DESCRIPTORS 256
#define N_CAPABILITIES  64 /* that a kernel can have; more than any has */

static int refuse(struct err *err, const char *what)
{
    return err_set(err, ERR_UNAVAILABLE, "can't confine the worker: %s: %s", what,
                   strerror(errno));
}

static int limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limits;

    if (getrlimit(resource, &limits) == -1)
        return -1;
    limits.rlim_max = most < limits.rlim_max ? most : limits.rlim_max;
    limits.rlim_cur = limits.rlim_max;
    return setrlimit(resource, &limits);
}

static int set_limits(const struct frame_setup *setup, struct err *err)
{
    static const struct {
        const char *name;
        __rlimit_resource_t resource;
        rlim_t most;
    } rows[] = {{"no core", RLIMIT_CORE, 0},
                {"no locked memory", RLIMIT_MEMLOCK, 0},
                {"no message queues", RLIMIT_MSGQUEUE, 0},
                {"no processes", RLIMIT_NPROC, 0},
                {"few descriptors", RLIMIT_NOFILE, MAX_DESCRIPTORS}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (limit(rows[i].resource, rows[i].most) == -1)
            return refuse(err, rows[i].name);
    }
    if ((setup->confinement & CONFINE_MEMORY) != 0 &&
        limit(RLIMIT_DATA, (rlim_t)setup->memory_mb << 20) == -1)
        return refuse(err, "memory");
    umask(077);
    return 0;
}

static int join_cgroup(struct err *err)
{
    return write(CONFINE_FD + CONFINE_FD_CGROUP, "0", 1) == 1
               ? 0
               : refuse(err, "control group");
}

static int enter_namespaces(uint32_t confinement, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t bit;
        int fd, type;
    } rows[] = {
        {"user namespace", CONFINE_USER_NAMESPACE, CONFINE_FD_USER, CLONE_NEWUSER},
        {"mounts", CONFINE_MOUNTS, CONFINE_FD_MOUNTS, CLONE_NEWNS},
        {"network", CONFINE_NETWORK, CONFINE_FD_NETWORK, CLONE_NEWNET},
        {"IPC", CONFINE_IPC, CONFINE_FD_IPC, CLONE_NEWIPC}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if ((confinement & rows[i].bit) != 0 &&
            syscall(SYS_setns, CONFINE_FD + rows[i].fd, rows[i].type) == -1)
            return refuse(err, rows[i].name);
    }
    return chdir("/") == -1 ? refuse(err, "folder") : 0;
}

/* While there is still the right to: none can come back by any exec. */
static int empty_bounding_set(struct err *err)
{
    for (unsigned long number = 0; number < N_CAPABILITIES; number++) {
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == -1 && errno != EINVAL)
            return refuse(err, "bounding set");
    }
    return 0;
}

static int become(uid_t uid, gid_t gid, struct err *err)
{
    uid_t uids[3];
    gid_t gids[3];

    if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
        setresuid(uid, uid, uid) == -1)
        return refuse(err, "user");
    if (getresuid(&uids[0], &uids[1], &uids[2]) == -1 ||
        getresgid(&gids[0], &gids[1], &gids[2]) == -1)
        return refuse(err, "user");
    for (size_t i = 0; i < 3; i++) {
        if (uids[i] != uid || gids[i] != gid)
            return err_set(err, ERR_UNAVAILABLE,
                           "can't confine the worker: it is still somebody else");
    }
    return 0;
}

static int give_up_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 ||
        syscall(SYS_capset, &header, none) == -1)
        return refuse(err, "capabilities");
    return 0;
}

/* The kernel forgets what was asked for when a process becomes somebody else. */
static int die_with_parent(struct err *err)
{
    pid_t parent = getppid();

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return refuse(err, "signal of the parent's death");
    if (getppid() != parent)
        return err_set(err, ERR_UNAVAILABLE, "the supervisor is gone");
    return 0;
}

static int change_identity(const struct frame_setup *setup, struct err *err)
{
    if ((setup->confinement & CONFINE_CAPABILITIES) != 0 &&
        empty_bounding_set(err) == -1)
        return -1;
    if ((setup->confinement & CONFINE_USER) != 0 &&
        become(setup->uid, setup->gid, err) == -1)
        return -1;
    return give_up_capabilities(err) == -1 || die_with_parent(err) == -1 ? -1 : 0;
}

static int set_filter(struct bytes filter, struct err *err)
{
    struct sock_fprog program = {
        .len = (unsigned short)(filter.n / sizeof(struct sock_filter))};
    int failed;

    if (filter.n == 0 || filter.n % sizeof(struct sock_filter) != 0 ||
        filter.n / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_set(err, ERR_INVALID,
                       "can't confine the worker: %zu bytes are no "
                       "filter",
                       filter.n);
    program.filter = xmalloc(filter.n); /* a frame's bytes are aligned for nothing */
    memcpy(program.filter, filter.data, filter.n);
    failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    free(program.filter);
    return failed == -1 ? refuse(err, "seccomp") : 0;
}

static int confine(const struct frame_setup *setup, struct err *err)
{
    if (set_limits(setup, err) == -1)
        return -1;
    if ((setup->confinement & CONFINE_CGROUP) != 0 && join_cgroup(err) == -1)
        return -1;
    if (enter_namespaces(setup->confinement, err) == -1)
        return -1;
    close_range(CONFINE_FD, CONFINE_FD + CONFINE_N_FDS - 1, 0);
    if (change_identity(setup, err) == -1)
        return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        return refuse(err, "not dumpable");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return refuse(err, "no new privileges");
    if ((setup->confinement & CONFINE_LANDLOCK) != 0 &&
        landlock_read_only(readable_paths, err) == -1)
        return -1;
    return set_filter(setup->filter, err);
}

int confine_self(const struct frame_setup *setup, struct err *err)
{
    return setup->confinement == 0 ? 0 : confine(setup, err);
}
