#include "supervisor/jail_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <seccomp.h>

#include "common/err.h"
#include "common/mem.h"

#define MAX_FILTER_BYTES 65536

/* What a worker does after its set-up. Not among them, on purpose: anything that makes
 * processes, threads or sockets, changes files or identities, or reaches other
 * processes. Names that an architecture lacks are skipped. */
static const char *const allowed[] = {
    // clang-format off
    /* the loop and the socket */
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll", "recvmsg",
    "recvfrom", "sendmsg", "sendto", "getsockopt", "shutdown", "eventfd2", "dup",
    "close",
    /* what a terminal's process prints, and what a module loads when it is asked to */
    "read", "readv", "pread64", "write", "writev", "lseek", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64",
    /* memory */
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "membarrier",
    "rseq",
    /* time and signals of its own */
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday",
    "timer_create", "timer_settime", "timer_gettime", "timer_delete", "restart_syscall",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    /* itself */
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getcwd",
    "getrusage", "getrandom", "sched_yield", "sched_getaffinity", "sysinfo", "uname",
    "exit", "exit_group",
    // clang-format on
};

static const unsigned long terminal_requests[] = {TCGETS,  TCSETS,     TCSETSW,
                                                  TCSETSF, TIOCGWINSZ, FIONREAD};

bool jail_is_possible(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

/* Not F_SETOWN and F_SETSIG: the kernel would send any signal to whoever they name. */
static const int fcntl_commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD,
                                     F_GETFL};

/* Files are for reading, wherever Landlock doesn't say so, too. */
#define WRITES ((uint64_t)(O_ACCMODE | O_CREAT | O_TRUNC))

/* What SCMP_A0() and its like say, with every field named. */
static struct scmp_arg_cmp equals(unsigned arg, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

/* Those of mask's bits that are set in the argument are none. */
static struct scmp_arg_cmp lacks(unsigned arg, uint64_t mask)
{
    return (struct scmp_arg_cmp){
        .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = 0};
}

static int add_file_rules(scmp_filter_ctx filter)
{
    int failed = 0;

    for (size_t i = 0; i < N_ELEMENTS(fcntl_commands) && failed == 0; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                  equals(1, (uint64_t)fcntl_commands[i]));
    if (failed == 0) /* O_ASYNC asks for signals, which nobody needs */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
                                  equals(1, F_SETFL), lacks(2, O_ASYNC));
    if (failed == 0)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                  lacks(2, WRITES));
    if (failed == 0 && SCMP_SYS(open) >= 0) /* not every architecture has it */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                                  lacks(1, WRITES));
    return failed;
}

static int add_rules(scmp_filter_ctx filter)
{
    int failed = 0;

    for (size_t i = 0; i < N_ELEMENTS(allowed) && failed == 0; i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);

        if (number != __NR_SCMP_ERROR && number >= 0)
            failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    for (size_t i = 0; i < N_ELEMENTS(terminal_requests) && failed == 0; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  equals(1, terminal_requests[i]));
    if (failed == 0)
        failed = add_file_rules(filter);
    if (failed == 0) /* reading its own limits, not setting anybody's */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                  equals(0, 0), equals(2, 0));
    return failed;
}

/* libseccomp 2.5 writes to a descriptor only. */
static int export_filter(scmp_filter_ctx filter, struct buf *out)
{
    int fd = memfd_create("jail", MFD_CLOEXEC), failed;
    uint8_t *to;
    ssize_t got = -1;

    if (fd == -1)
        return -errno;
    failed = seccomp_export_bpf(filter, fd);
    to = failed == 0 ? buf_reserve(out, MAX_FILTER_BYTES) : NULL;
    if (to != NULL)
        got = pread(fd, to, MAX_FILTER_BYTES, 0);
    if (got > 0)
        out->end += (size_t)got;
    close(fd);
    return failed != 0 ? failed : (got > 0 ? 0 : -EIO);
}

int jail_make_filter(struct buf *out, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter == NULL ? -ENOMEM : 0;

    if (failed == 0) /* a tree instead of a list: half a dozen steps a call */
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (failed == 0)
        failed = add_rules(filter);
    if (failed == 0)
        failed = export_filter(filter, out);
    if (filter != NULL)
        seccomp_release(filter);
    if (failed != 0)
        return err_set(err, ERR_UNAVAILABLE, "can't make the workers' jail: %s",
                       strerror(-failed));
    return 0;
}
