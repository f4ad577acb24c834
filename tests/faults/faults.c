/*
 * faults -- a preload library that lets the n-th call of one function go wrong.
 *
 * TROUPE_FAULT = "CALL N ACTION LOG": CALL is a name of the table below, N counts from
 * 1 in this process, ACTION is an errno's number (the N-th call fails with it), the
 * number and a plus (so do all calls after it), or "before" or "after" (the process
 * gets SIGKILL there). LOG is a file that gets one byte when it has happened; a run
 * that leaves it empty had fewer than N calls. Only calls made outside of libc are
 * seen.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOG_FD 200 /* out of everybody's way */
#define EXPORT __attribute__((visibility("default")))

enum action { ACTION_NONE, ACTION_FAIL, ACTION_FAIL_ON, ACTION_BEFORE, ACTION_AFTER };

static struct {
    char call[32], log[256];
    int log_fd;
    enum action action;
    unsigned long at, count;
    int error;
} plan;

static struct {
    uintptr_t from, to;
} exempt;

/* Nor does what libc looks users up with, in 2.36. */
static __thread bool is_looking_up;

/* Opened at once: what confines itself later can't any more. */
static void open_log(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan.log,
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    plan.log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD);
    syscall(SYS_close, fd);
}

/* No libc from here: malloc is one of those that are counted. */
static void note_that_it_happened(void)
{
    syscall(SYS_write, plan.log_fd, "x", 1);
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* libseccomp doesn't look at what its allocations return; that is not ours to mend. */
static int find_seccomp(struct dl_phdr_info *info, size_t n, void *context)
{
    (void)n, (void)context;
    if (strstr(info->dlpi_name, "libseccomp") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

        if (info->dlpi_phdr[i].p_type == PT_LOAD &&
            exempt.to < from + info->dlpi_phdr[i].p_memsz) {
            exempt.from = exempt.from == 0 ? from : exempt.from;
            exempt.to = from + info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1;
}

static void __attribute__((constructor)) read_plan(void)
{
    const char *text = getenv("TROUPE_FAULT");
    char action[32] = "";

    if (text == NULL ||
        sscanf(text, "%31s %lu %31s %255s", plan.call, &plan.at, action, plan.log) != 4)
        return;
    plan.error = (int)strtol(action, NULL, 10);
    if (strcmp(action, "before") == 0)
        plan.action = ACTION_BEFORE;
    else if (strcmp(action, "after") == 0)
        plan.action = ACTION_AFTER;
    else
        plan.action = strchr(action, '+') != NULL ? ACTION_FAIL_ON : ACTION_FAIL;
    open_log();
    dl_iterate_phdr(find_seccomp, NULL);
}

static bool is_exempt(const void *caller)
{
    return is_looking_up ||
           ((uintptr_t)caller >= exempt.from && (uintptr_t)caller < exempt.to);
}

/* Is this the call? Then it has failed (true, errno is set), or the process ends now,
 * or *dies_after tells that it must when the call has been made. */
static bool strikes(const char *call, bool *dies_after)
{
    unsigned long n;

    *dies_after = false;
    if (plan.action == ACTION_NONE || strcmp(plan.call, call) != 0)
        return false;
    n = ++plan.count;
    if (n < plan.at || (n > plan.at && plan.action != ACTION_FAIL_ON))
        return false;
    if (n == plan.at)
        note_that_it_happened();
    if (plan.action == ACTION_BEFORE)
        die();
    *dies_after = plan.action == ACTION_AFTER;
    errno = plan.error;
    return !*dies_after;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists. */
/* A wrapper of the same name; failed = what it returns when it fails. */
#define WRAP(type, name, params, args, failed)                                         \
    EXPORT type name params                                                            \
    {                                                                                  \
        static type(*real) params;                                                     \
        bool dies_after;                                                               \
        type result;                                                                   \
                                                                                       \
        if (strikes(#name, &dies_after))                                               \
            return failed;                                                             \
        if (real == NULL)                                                              \
            real = REAL(name);                                                         \
        result = real args;                                                            \
        if (dies_after)                                                                \
            die();                                                                     \
        return result;                                                                 \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

WRAP(ssize_t, send, (int fd, const void *data, size_t n, int flags),
     (fd, data, n, flags), -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags), -1)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
     (fd, message, flags), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, fdatasync, (int fd), (fd), -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(int, unlink, (const char *path), (path), -1)
WRAP(ssize_t, pread, (int fd, void *data, size_t n, off_t at), (fd, data, n, at), -1)
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at),
     -1)
WRAP(pid_t, fork, (void), (), -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), -1)
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *n, int flags),
     (fd, from, n, flags), -1)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
WRAP(void *, mmap,
     (void *at, size_t n, int protection, int flags, int fd, off_t offset),
     (at, n, protection, flags, fd, offset), MAP_FAILED)

/* For vfork(); 0 = go on. */
__attribute__((visibility("hidden"), used)) int faults_vfork_strikes(void);
int faults_vfork_strikes(void)
{
    bool dies_after;

    return strikes("vfork", &dies_after) || dies_after;
}

#ifdef __x86_64__
/* As libc has it: whoever returns twice must keep its return address off the stack. */
__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        "    subq $8, %rsp\n"
        "    call faults_vfork_strikes\n"
        "    addq $8, %rsp\n"
        "    testl %eax, %eax\n"
        "    jnz 1f\n"
        "    popq %rdi\n"
        "    movl $58, %eax\n"
        "    syscall\n"
        "    pushq %rdi\n"
        "    testq %rax, %rax\n"
        "    js 1f\n"
        "    ret\n"
        "1:  movq $-1, %rax\n"
        "    ret\n"
        ".size vfork, .-vfork\n");
#else
/* A copy of us instead of us, whose calls are its own. */
EXPORT pid_t vfork(void)
{
    pid_t pid =
        faults_vfork_strikes() ? -1 : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        plan.action = ACTION_NONE;
    return pid;
}
#endif

/* Disks fill up and fail; the event loop's own counters don't. */
static bool is_file(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

EXPORT ssize_t write(int fd, const void *data, size_t n)
{
    bool dies_after = false;
    ssize_t result;

    if (is_file(fd) && strikes("write", &dies_after))
        return -1;
    result = syscall(SYS_write, fd, data, n);
    if (dies_after)
        die();
    return result;
}

EXPORT ssize_t read(int fd, void *data, size_t n)
{
    bool dies_after = false;
    ssize_t result;

    if (is_file(fd) && strikes("read", &dies_after))
        return -1;
    result = syscall(SYS_read, fd, data, n);
    if (dies_after)
        die();
    return result;
}

/* dlsym itself allocates, so these have libc's own names. */
void *__libc_malloc(size_t n_bytes);             // NOLINT: its name
void *__libc_calloc(size_t n, size_t size);      // NOLINT: its name
void *__libc_realloc(void *ptr, size_t n_bytes); // NOLINT: its name

EXPORT void *malloc(size_t n_bytes)
{
    bool dies_after;

    return !is_exempt(__builtin_return_address(0)) && strikes("malloc", &dies_after)
               ? NULL
               : __libc_malloc(n_bytes);
}

EXPORT void *calloc(size_t n, size_t size)
{
    bool dies_after;

    return !is_exempt(__builtin_return_address(0)) && strikes("malloc", &dies_after)
               ? NULL
               : __libc_calloc(n, size);
}

EXPORT void *realloc(void *ptr, size_t n_bytes)
{
    bool dies_after;

    return !is_exempt(__builtin_return_address(0)) && strikes("malloc", &dies_after)
               ? NULL
               : __libc_realloc(ptr, n_bytes);
}

EXPORT struct passwd *getpwnam(const char *name)
{
    struct passwd *user;

    is_looking_up = true;
    user = REAL(getpwnam)(name);
    is_looking_up = false;
    return user;
}

EXPORT struct group *getgrnam(const char *name)
{
    struct group *group;

    is_looking_up = true;
    group = REAL(getgrnam)(name);
    is_looking_up = false;
    return group;
}

static int open_with_mode(const char *call, int folder, const char *path, int flags,
                          va_list args)
{
    int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0, fd;
    bool dies_after;

    if (strikes(call, &dies_after))
        return -1;
    fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (dies_after)
        die();
    return fd;
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list args;
    int fd;

    va_start(args, flags);
    fd = open_with_mode("open", AT_FDCWD, path, flags, args);
    va_end(args);
    return fd;
}

EXPORT int openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    int fd;

    va_start(args, flags);
    fd = open_with_mode("open", folder, path, flags, args);
    va_end(args);
    return fd;
}
