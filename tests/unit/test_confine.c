#include "worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"
#include "common/landlock.h"

#include "proto/frame.h"

#include "supervisor/jail.h"
#include "supervisor/jail_filter.h"
#include "supervisor/jail_user.h"

#include "tests/unit/unit.h"

/*
 * Each is tried by a process that is confined as a worker is; true = it was denied.
 * Whatever is tried must be harmless where it is not denied, for root too: signal 0,
 * paths that don't exist, descriptors that aren't open.
 */

#define NOWHERE "/nowhere/to/be/found"

static pid_t sibling;
static int open_socket;      /* made before */
static uint32_t confinement; /* of the whole jail */

static bool denied(long result)
{
    return result == -1 && (errno == EPERM || errno == EACCES);
}

/* So does a file that is not even in sight, or on a read-only disk. */
static bool out_of_reach(long result)
{
    return denied(result) || (result == -1 && (confinement & CONFINE_MOUNTS) != 0 &&
                              (errno == ENOENT || errno == EROFS));
}

static bool reads_shadow(void)
{
    return out_of_reach(open("/etc/shadow", O_RDONLY));
}

static bool reads_passwd(void)
{
    return out_of_reach(open("/etc/passwd", O_RDONLY));
}

static bool lists_root(void)
{
    return out_of_reach(open("/", O_RDONLY | O_DIRECTORY));
}

static bool reads_memory(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)sibling);
    return out_of_reach(open(path, O_RDWR));
}

static bool writes_proc(void)
{
    return out_of_reach(open("/proc/self/oom_score_adj", O_WRONLY));
}

static bool makes_files(void)
{
    return out_of_reach(open("/tmp", O_TMPFILE | O_WRONLY, 0600)) &&
           out_of_reach(open("/usr/lib", O_TMPFILE | O_WRONLY, 0600)) &&
           out_of_reach(open("/dev/null", O_WRONLY)) && denied(mkdir(NOWHERE, 0700)) &&
           denied(unlink(NOWHERE)) && denied(rename(NOWHERE, NOWHERE));
}

static bool truncates(void)
{
    return denied(truncate(NOWHERE, 0));
}

static bool traces(void)
{
    return denied(ptrace(PTRACE_ATTACH, sibling, NULL, NULL));
}

static bool connects(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

    return denied(socket(AF_INET, SOCK_STREAM, 0)) &&
           denied(socket(AF_UNIX, SOCK_STREAM, 0)) &&
           denied(connect(open_socket, (struct sockaddr *)&to, sizeof(to)));
}

static bool binds(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};

    return denied(bind(open_socket, (struct sockaddr *)&at, sizeof(at))) &&
           denied(listen(open_socket, 1));
}

static bool changes_identity(void)
{
    return denied(setuid(0)) && denied(setgid(0)) && denied(setresuid(0, 0, 0)) &&
           denied(syscall(SYS_capset, NULL, NULL));
}

static bool mounts(void)
{
    return denied(mount("none", NOWHERE, "tmpfs", 0, NULL)) &&
           denied(chroot(NOWHERE)) && denied(syscall(SYS_unshare, 0));
}

static bool reaches_the_kernel(void)
{
    return denied(syscall(SYS_io_uring_setup, 1, NULL)) &&
           denied(syscall(SYS_bpf, 0, NULL, 0)) &&
           denied(syscall(SYS_keyctl, 0, 0, 0, 0, 0)) &&
           denied(syscall(SYS_userfaultfd, 0)) &&
           denied(syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0)) &&
           denied(syscall(SYS_init_module, NULL, 0, NULL)) &&
           denied(syscall(SYS_kexec_load, 0, 0, NULL, 0)) &&
           denied(syscall(SYS_settimeofday, NULL, NULL));
}

static bool signals_others(void)
{
    return denied(kill(-1, 0)) && denied(kill(sibling, 0)) &&
           denied(kill(getppid(), 0)) &&
           denied(syscall(SYS_tgkill, sibling, sibling, 0));
}

/* The kernel would send what was asked for, on our behalf. */
static bool has_signals_sent(void)
{
    return denied(fcntl(open_socket, F_SETOWN, sibling)) &&
           denied(fcntl(open_socket, F_SETSIG, SIGURG)) &&
           denied(syscall(SYS_fcntl, open_socket, 1L << 32 | F_SETOWN, sibling)) &&
           denied(fcntl(open_socket, F_SETFL, O_NONBLOCK | O_ASYNC)) &&
           denied(fcntl(open_socket, F_SETLEASE, F_RDLCK)) &&
           denied(fcntl(open_socket, F_NOTIFY, 0)) &&
           fcntl(open_socket, F_SETFL, O_NONBLOCK) == 0;
}

static bool makes_processes(void)
{
    char program[] = "/bin/true", *const argv[] = {program, NULL};

    return denied(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) &&
           denied(execve(program, argv, argv));
}

static bool changes_limits(void)
{
    const struct rlimit more = {1 << 20, 1 << 20};

    return denied(setrlimit(RLIMIT_CORE, &more)) &&
           denied(prlimit(sibling, RLIMIT_CORE, NULL, &(struct rlimit){0}));
}

static bool injects_input(void)
{
    return denied(syscall(SYS_ioctl, -1, 0x5412 /* TIOCSTI */, "x"));
}

/* What must go on working counts as denied here when it does. */
static bool goes_on(void)
{
    struct timespec now;
    void *memory =
        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int zone = open("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY);

    return memory != MAP_FAILED && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
           (zone != -1 || errno == ENOENT) && getpid() > 1 &&
           denied(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static const struct {
    const char *title;
    bool (*try)(void);
} probes[] = {
    {"reading /etc/shadow", reads_shadow},
    {"reading any other file", reads_passwd},
    {"listing a folder", lists_root},
    {"another's memory", reads_memory},
    {"writing below /proc", writes_proc},
    {"making files", makes_files},
    {"truncating by path", truncates},
    {"tracing a sibling", traces},
    {"connecting", connects},
    {"binding", binds},
    {"changing who it is", changes_identity},
    {"mounting", mounts},
    {"corners of the kernel", reaches_the_kernel},
    {"signalling others", signals_others},
    {"having signals sent", has_signals_sent},
    {"making processes", makes_processes},
    {"changing limits", changes_limits},
    {"typing for its terminal", injects_input},
    {"what a worker needs", goes_on},
};

static int in_jail(uint32_t bits, bool (*try)(void))
{
    struct frame_setup setup = {.confinement = bits};
    struct buf filter;
    struct err err;
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        buf_init(&filter, 0);
        if (jail_make_filter(&filter, &err) == -1)
            _exit(3);
        setup.filter = buf_bytes(&filter);
        if (confine_self(&setup, &err) == -1)
            _exit(4);
        _exit(try() ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The whole jail, as this machine offers it; filter NULL = its own. 99: can't be
 * made. */
static int in_whole_jail(const struct bytes *filter, bool (*try)(void))
{
    static const struct jail_settings settings = {.level = "on", .user = ""};
    struct frame_setup setup = {0};
    struct err err = {0};
    const int *fds;
    struct jail *jail;
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        jail = jail_create(&settings, &err);
        if (jail == NULL)
            _exit(99);
        jail_fill_setup(jail, &setup);
        fds = jail_descriptors(jail);
        for (int i = 0; i < CONFINE_N_FDS; i++)
            if (fds[i] != -1 && (dup2(fds[i], 100 + i) == -1))
                _exit(98);
        for (int i = 0; i < CONFINE_N_FDS; i++)
            if (fds[i] != -1 && (dup2(100 + i, CONFINE_FD + i) == -1))
                _exit(97);
        if (filter != NULL)
            setup.filter = *filter;
        if (confine_self(&setup, &err) == -1)
            _exit(4);
        confinement = setup.confinement;
        _exit(try() ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

START_TEST(s1_a_confined_worker_is_denied)
{
    int status;

    if (!jail_is_possible() || unit_is_slowed())
        return;
    open_socket = socket(AF_INET, SOCK_STREAM, 0);
    sibling = fork();
    if (sibling == 0) {
        pause();
        _exit(0);
    }
    ck_assert_int_eq(in_whole_jail(NULL, probes[_i].try), 0);
    status = in_jail(CONFINE_FILTER | (landlock_abi() > 0 ? CONFINE_LANDLOCK : 0),
                     probes[_i].try);
    kill(sibling, SIGKILL);
    waitpid(sibling, NULL, 0);
    close(open_socket);
    ck_assert_msg(status == 0, "%s: %d", probes[_i].title, status);
}
END_TEST

/* Where there is nothing else that would. */
static bool only_reads_files(void)
{
    return denied(open("/dev/null", O_WRONLY)) && denied(open("/dev/null", O_RDWR)) &&
           denied(open("/dev/null", O_RDONLY | O_TRUNC)) &&
           denied(openat(AT_FDCWD, NOWHERE, O_RDONLY | O_CREAT, 0600)) &&
           denied(syscall(SYS_openat2, AT_FDCWD, NOWHERE, NULL, 0)) &&
           denied(creat(NOWHERE, 0600)) && open("/dev/null", O_RDONLY) != -1;
}

START_TEST(s1_the_filter_alone_leaves_files_as_they_are)
{
    if (jail_is_possible() && !unit_is_slowed())
        ck_assert_int_eq(in_jail(CONFINE_FILTER, only_reads_files), 0);
}
END_TEST

/* A step that fails means no worker, rather than one that is confined by half. */
START_TEST(s1_what_is_no_filter_fails_closed)
{
    static const uint8_t junk[16] = {0xff, 0xff};
    static const struct bytes filters[] = {{junk, 0}, {junk, 7}, {junk, 16}};
    struct err err;
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        bool refused = true;

        for (size_t i = 0; i < N_ELEMENTS(filters); i++) {
            struct frame_setup setup = {.confinement = CONFINE_FILTER,
                                        .filter = filters[i]};

            refused = confine_self(&setup, &err) == -1 && refused;
        }
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/*
 * What each part keeps out by itself: below, nothing stands in its way but the part.
 * true also where the part is missing.
 */

static bool has(uint32_t bit)
{
    return (confinement & bit) != 0;
}

static bool sees_no_files(void)
{
    return (!has(CONFINE_MOUNTS) && !has(CONFINE_LANDLOCK)) ||
           (open("/etc/passwd", O_RDONLY) == -1 &&
            open("/proc/self/status", O_RDONLY) == -1 &&
            open("/usr/lib/file", O_WRONLY | O_CREAT, 0600) == -1 &&
            open("/file", O_WRONLY | O_CREAT, 0600) == -1 &&
            mkdir("/folder", 0700) == -1);
}

static bool sees_its_own_files(void)
{
    return open("/usr/lib", O_RDONLY | O_DIRECTORY) != -1 &&
           (access("/lib", F_OK) == 0 || !has(CONFINE_MOUNTS));
}

static bool has_no_network(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return !has(CONFINE_NETWORK) ||
           (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
            errno == ENETUNREACH);
}

static bool has_no_processes(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid == -1 && errno == EAGAIN;
}

static bool has_no_rights(void)
{
    return !jail_has_capability(0) && !jail_has_capability(21) &&
           (!has(CONFINE_CAPABILITIES) || prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0) &&
           mount("none", "/", "tmpfs", 0, NULL) == -1 && setgroups(0, NULL) == -1 &&
           (geteuid() == 0 || setuid(0) == -1);
}

static bool is_somebody_else(void)
{
    return !has(CONFINE_USER) ||
           (getuid() != 0 && getgid() != 0 && getgroups(0, NULL) == 0);
}

static bool has_few_descriptors(void)
{
    for (int i = 0; i < CONFINE_N_FDS; i++)
        if (fcntl(CONFINE_FD + i, F_GETFD) != -1)
            return false;
    return dup2(0, 256) == -1;
}

static bool dies_with_its_parent(void)
{
    int signal_number = 0;

    return prctl(PR_GET_PDEATHSIG, &signal_number) == 0 && signal_number == SIGKILL &&
           prctl(PR_GET_DUMPABLE) == 0;
}

static const struct {
    const char *title;
    bool (*try)(void);
} parts[] = {
    {"files of others", sees_no_files},
    {"files of its own", sees_its_own_files},
    {"no network", has_no_network},
    {"no processes", has_no_processes},
    {"no rights", has_no_rights},
    {"somebody else", is_somebody_else},
    {"few descriptors", has_few_descriptors},
    {"its parent's death", dies_with_its_parent},
};

START_TEST(s1_each_part_holds_by_itself)
{
    static const struct sock_filter allow_all[] = {
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct bytes filter = {(const uint8_t *)allow_all, sizeof(allow_all)};
    int status;

    if (!jail_is_possible() || unit_is_slowed())
        return;
    status = in_whole_jail(&filter, parts[_i].try);
    ck_assert_msg(status == 0, "%s: %d", parts[_i].title, status);
}
END_TEST

/* The same for every other part: what it needs isn't there. */
START_TEST(s1_a_part_that_cannot_be_put_on_fails_closed)
{
    static const uint32_t bits[] = {CONFINE_USER_NAMESPACE, CONFINE_MOUNTS,
                                    CONFINE_NETWORK, CONFINE_IPC, CONFINE_CGROUP};
    int status = 0;
    pid_t pid;

    if (!jail_is_possible() || unit_is_slowed())
        return;
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        close_range(CONFINE_FD, ~0U, 0);
        _exit(in_jail(CONFINE_FILTER | bits[_i], goes_on));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 4);
}
END_TEST

/* As root, where namespaces may be made without a user namespace and users change. */
START_TEST(s1_root_becomes_somebody_else_for_good)
{
    struct frame_setup setup = {.confinement = CONFINE_FILTER | CONFINE_USER |
                                               CONFINE_CAPABILITIES,
                                .uid = 12345,
                                .gid = 23456};
    struct buf filter;
    struct err err;
    int status;
    pid_t pid;

    if (!jail_is_possible() || !jail_may_change_user() || unit_is_slowed())
        return;
    pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        buf_init(&filter, 0);
        jail_make_filter(&filter, &err);
        setup.filter = buf_bytes(&filter);
        if (confine_self(&setup, &err) == -1)
            _exit(1);
        _exit(getuid() == 12345 && getegid() == 23456 && changes_identity() ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, s1_a_confined_worker_is_denied, 0, N_ELEMENTS(probes));
    tcase_add_test(tc, s1_the_filter_alone_leaves_files_as_they_are);
    tcase_add_test(tc, s1_what_is_no_filter_fails_closed);
    tcase_add_loop_test(tc, s1_each_part_holds_by_itself, 0, N_ELEMENTS(parts));
    tcase_add_loop_test(tc, s1_a_part_that_cannot_be_put_on_fails_closed, 0, 5);
    tcase_add_test(tc, s1_root_becomes_somebody_else_for_good);
}

int main(void)
{
    return unit_main("confine", fill);
}
