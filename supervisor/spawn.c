#include "supervisor/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"

#define MAX_ENVIRONMENT 64
#define N_OWN_FDS       3
#define N_FDS           (N_OWN_FDS + CONFINE_N_FDS)
#define FIRST_SPARE_FD  16 /* above every number that the child gets */

#ifndef TROUPE_LIBEXECDIR
#define TROUPE_LIBEXECDIR "/usr/local/libexec/troupe"
#endif

static_assert(CONFINE_FD == SPAWN_FD_EXTRA + 1, "in one row, without a gap");
static_assert(SPAWN_FD_SOCKET + N_FDS <= FIRST_SPARE_FD, "out of each other's way");

/* Everything that the child needs, made before it exists: until its exec it lives in
 * our memory and may call nothing but the kernel. */
struct plan {
    const struct spawn_spec *spec;
    const char *argv[4];
    char *envp[MAX_ENVIRONMENT + 1];
    pid_t parent;
    volatile int error; /* why exec failed; written by the child */
};

static bool may_inherit(const char *variable)
{
    static const char *const allowed[] = {
        "TZ=",     "LANG=",         "LC_ALL=",       "LC_CTYPE=",
        "TROUPE_", "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS="};

    for (size_t i = 0; i < N_ELEMENTS(allowed); i++)
        if (strncmp(variable, allowed[i], strlen(allowed[i])) == 0)
            return true;
    return false;
}

static void choose_environment(struct plan *plan)
{
    size_t n = 0;

    for (char **variable = environ; *variable != NULL && n < MAX_ENVIRONMENT;
         variable++)
        if (may_inherit(*variable))
            plan->envp[n++] = *variable;
    plan->envp[n] = NULL;
}

/* ---- in the child ---------------------------------------------------------------- */

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Where our errors go, but opened anew: what the child does to it (whether writing
 * waits, where the next byte goes) is not done to ours, and it can't read there. Where
 * that isn't possible, as for sockets, it stays the same. */
static void part_errors(void)
{
    /* Without O_NONBLOCK we would wait for a pipe's next reader. */
    int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
    struct stat info;

    if (fd == -1)
        return;
    /* In a file neither may write over what the other has written. */
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_APPEND);
    fcntl(fd, F_SETFL, O_APPEND);
    dup2(fd, STDERR_FILENO);
    if (fd != STDERR_FILENO)
        close(fd);
}

/* First out of the way, then into place: any source may sit on any target's number. */
static int place_descriptors(const struct spawn_spec *spec)
{
    int sources[N_FDS] = {spec->socket_fd, spec->liveness_fd, spec->extra_fd};
    int spare[N_FDS];
    int null_fd;

    for (size_t i = N_OWN_FDS; i < N_FDS; i++)
        sources[i] = spec->jail_fds != NULL ? spec->jail_fds[i - N_OWN_FDS] : -1;
    for (size_t i = 0; i < N_FDS; i++) {
        spare[i] = -1;
        if (sources[i] == -1)
            continue;
        spare[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
        if (spare[i] == -1)
            return -1;
    }
    if (!spec->terminal) {
        part_errors();
        null_fd = open("/dev/null", O_RDWR);
        if (null_fd == -1 || dup2(null_fd, 0) == -1 || dup2(null_fd, 1) == -1)
            return -1;
    }
    for (size_t i = 0; i < N_FDS; i++) {
        int target = SPAWN_FD_SOCKET + (int)i;

        if (spare[i] == -1)
            close(target);
        else if (dup2(spare[i], target) == -1)
            return -1;
    }
    close_range(SPAWN_FD_SOCKET + N_FDS, ~0U, 0);
    return 0;
}

static void __attribute__((noreturn)) run_child(struct plan *plan)
{
    /* Its own process group: Ctrl-C at our terminal is for us alone to act on. Not its
     * own session: the kernel shares the CPU out by session, and a worker of one's own
     * would get as much as everything else on the machine, or as little. */
    if (!plan->spec->terminal)
        setpgid(0, 0);
    if (place_descriptors(plan->spec) == -1 || prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        goto fail;
    if (getppid() != plan->parent) /* died before the signal was asked for */
        _exit(127);
    reset_signals();
    execve(plan->spec->path, (char *const *)plan->argv, plan->envp);
fail:
    plan->error = errno;
    _exit(127);
}

/* ---- in the parent --------------------------------------------------------------- */

/* Its own frame, so that the child's use of the stack can't touch its caller's. */
static pid_t __attribute__((noinline)) fork_and_run(struct plan *plan)
{
    pid_t pid = vfork(); // NOLINT: posix_spawn knows neither prctl nor close_range

    if (pid == 0)
        run_child(plan); // NOLINT: it calls nothing but the kernel
    return pid;
}

int spawn_worker(const struct spawn_spec *spec, pid_t *pid_out, int *pidfd_out,
                 struct err *err)
{
    struct plan plan = {.spec = spec, .parent = getpid()};
    sigset_t all, before;
    int saved_errno;
    pid_t pid;

    plan.argv[0] = "troupe-worker";
    plan.argv[1] = spec->role;
    plan.argv[2] = spec->entry;
    choose_environment(&plan);
    /* No handler of ours may run in the child while it shares our memory. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork_and_run(&plan);
    saved_errno = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid == -1)
        return err_set(err, ERR_UNAVAILABLE, "can't fork: %s", strerror(saved_errno));
    if (plan.error != 0) {
        waitpid(pid, NULL, 0);
        return err_set(err, ERR_UNAVAILABLE, "can't run %s: %s", spec->path,
                       strerror(plan.error));
    }
    *pid_out = pid;
    *pidfd_out = pidfd_open(pid, 0);
    return 0;
}

static bool is_program(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           access(path, X_OK) == 0;
}

/* Beside this program, or in one of the folders from there. */
static char *find_program(const char *name, const char *const *folders,
                          size_t n_folders, struct err *err)
{
    char self[PATH_MAX], *path;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < n_folders; i++) {
        path = xasprintf("%.*s/%s%s", (int)(slash - self), self, folders[i], name);
        if (is_program(path))
            return path;
        free(path);
    }
    path = xasprintf("%s/%s", TROUPE_LIBEXECDIR, name);
    if (is_program(path))
        return path;
    free(path);
    err_set(err, ERR_NOT_FOUND, "no %s program beside %s or in %s", name, self,
            TROUPE_LIBEXECDIR);
    return NULL;
}

char *spawn_find_worker(struct err *err)
{
    static const char *const folders[] = {"", "../worker/", "../libexec/troupe/"};

    return find_program("worker", folders, N_ELEMENTS(folders), err);
}

char *spawn_find_exporter(struct err *err)
{
    static const char *const folders[] = {"", "../libexec/troupe/"};

    return find_program("exporter", folders, N_ELEMENTS(folders), err);
}
