#include "worker/confine.h"

#include <errno.h>
#include <fcntl.h>
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
#include "proto/frame.h"
#include "supervisor/jail.h"

#include "tests/unit/unit.h"

/*
 * Each is tried by a process that is confined as a worker is; true = it was denied.
 * Whatever is tried must be harmless where it is not denied, for root too: signal 0,
 * paths that don't exist, descriptors that aren't open.
 */

#define NOWHERE "/nowhere/to/be/found"

static pid_t sibling;
static int open_socket; /* made before */

static bool denied(long result)
{
    return result == -1 && (errno == EPERM || errno == EACCES);
}

static bool reads_shadow(void)
{
    return denied(open("/etc/shadow", O_RDONLY));
}

static bool reads_passwd(void)
{
    return denied(open("/etc/passwd", O_RDONLY));
}

static bool lists_root(void)
{
    return denied(open("/", O_RDONLY | O_DIRECTORY));
}

static bool reads_memory(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)sibling);
    return denied(open(path, O_RDWR));
}

static bool writes_proc(void)
{
    return denied(open("/proc/self/oom_score_adj", O_WRONLY));
}

static bool makes_files(void)
{
    return denied(open("/tmp", O_TMPFILE | O_WRONLY, 0600)) &&
           denied(open("/usr/lib", O_TMPFILE | O_WRONLY, 0600)) &&
           denied(open("/dev/null", O_WRONLY)) && denied(mkdir(NOWHERE, 0700)) &&
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
    {"making processes", makes_processes},
    {"changing limits", changes_limits},
    {"typing for its terminal", injects_input},
    {"what a worker needs", goes_on},
};

static int in_jail(enum confinement level, bool (*try)(void))
{
    struct buf filter;
    struct err err;
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        buf_init(&filter, 0);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
            jail_make_filter(&filter, &err) == -1 ||
            confine_self((uint8_t)level, buf_bytes(&filter), &err) == -1)
            _exit(3);
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
    status = in_jail(CONFINE_ON, probes[_i].try);
    kill(sibling, SIGKILL);
    waitpid(sibling, NULL, 0);
    close(open_socket);
    ck_assert_msg(status == 0, "%s: %d", probes[_i].title, status);
}
END_TEST

/* A step that fails means no worker, rather than one that is confined by half. */
START_TEST(s1_what_is_no_filter_fails_closed)
{
    const uint8_t junk[16] = {0xff, 0xff};
    struct err err;
    int status;
    pid_t pid = fork();

    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        bool refused = confine_self(CONFINE_ON, (struct bytes){junk, 0}, &err) == -1 &&
                       confine_self(CONFINE_ON, (struct bytes){junk, 7}, &err) == -1 &&
                       confine_self(CONFINE_ON, (struct bytes){junk, 16}, &err) == -1;
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, s1_a_confined_worker_is_denied, 0, N_ELEMENTS(probes));
    tcase_add_test(tc, s1_what_is_no_filter_fails_closed);
}

int main(void)
{
    return unit_main("confine", fill);
}
