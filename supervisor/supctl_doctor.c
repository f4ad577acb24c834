/* What this machine lacks, what that costs, and what to do about it. */
#include "supervisor/supctl.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/exit.h"
#include "common/landlock.h"
#include "common/mem.h"
#include "common/paths.h"

#include "supervisor/supctl_table.h"

#define ZONES              "/usr/share/zoneinfo"
#define MIN_FREE_BYTES     ((uint64_t)16 << 20)
#define LITTLE_FREE_BYTES  ((uint64_t)512 << 20)
#define MIN_FREE_INODES    100u
#define LITTLE_FREE_INODES 10000u
#define MIN_FREE_FDS       16

/* FINE: nothing to say. LACK: it costs something. SERIOUS: much won't work. */
enum verdict { FINE, LACK, SERIOUS };

/* cure: what to do; both texts only count where the verdict is not FINE. */
static void note(struct value *list, const char *check, const char *found,
                 enum verdict verdict, const char *costs, const char *cure)
{
    static const char *const names[] = {"fine", "lack", "serious"};
    struct value row = value_map();

    value_put(&row, "check", value_string(check));
    value_put(&row, "state", value_string(found));
    value_put(&row, "verdict", value_string(names[verdict]));
    value_put(&row, "costs", value_string(verdict == FINE ? "" : costs));
    value_put(&row, "cure", value_string(verdict == FINE ? "" : cure));
    value_append(list, row);
}

static void note_number(struct value *list, const char *check, uint64_t number,
                        enum verdict verdict, const char *costs, const char *cure)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    note(list, check, text, verdict, costs, cure);
}

/* ---- kernel ---------------------------------------------------------------------- */

static void check_kernel(struct value *list)
{
    struct utsname name;
    int major = 0, minor = 0;

    uname(&name);
    if (sscanf(name.release, "%d.%d", &major, &minor) != 2)
        major = minor = 0;
    note(list, "kernel", name.release,
         major > 5 || (major == 5 && minor >= 9) ? FINE : SERIOUS,
         "older than 5.9: pidfds and close_range are missing", "run a newer kernel");
}

static void check_landlock(struct value *list)
{
    int abi = landlock_abi();
    char text[32];

    snprintf(text, sizeof(text), abi > 0 ? "ABI %d" : "missing", abi);
    if (abi == 0)
        note(list, "landlock", text, LACK,
             "files are kept from workers by seccomp and namespaces only",
             "a kernel from 5.13 on, with landlock in its parameter lsm=");
    else
        note(list, "landlock", text, abi < 4 ? LACK : FINE,
             "no second lock on TCP: seccomp and namespaces alone deny it",
             "a kernel from 6.7 on");
}

static void check_seccomp(struct value *list)
{
    bool there = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != -1 || errno != EINVAL;

    note(list, "seccomp", there ? "available" : "missing", there ? FINE : SERIOUS,
         "no worker starts unless workers.confine is off",
         "a kernel with CONFIG_SECCOMP_FILTER");
}

/* Tried by a child, so that we stay where we are. */
static bool can_make_namespaces(void)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWNET) == 0 ||
                      unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0
                  ? 0
                  : 1);
    return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void check_namespaces(struct value *list)
{
    bool can = can_make_namespaces();

    note(
        list, "namespaces", can ? "available" : "refused", can ? FINE : LACK,
        "workers aren't cut off from network and files by a second lock",
        "sysctl user.max_user_namespaces, and kernel.apparmor_restrict_"
        "unprivileged_userns or kernel.unprivileged_userns_clone where there are such");
}

static void check_cgroup(struct value *list)
{
    bool there = access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0;

    note(list, "cgroup v2", there ? "mounted" : "missing", there ? FINE : LACK,
         "no limits for all workers together",
         "boot with systemd.unified_cgroup_hierarchy=1");
}

static void check_proc(struct value *list)
{
    bool there = access("/proc/self/statm", R_OK) == 0;

    note(list, "/proc", there ? "mounted" : "missing", there ? FINE : SERIOUS,
         "memory of workers isn't shown, namespaces can't be made", "mount it");
}

/* ---- limits ---------------------------------------------------------------------- */

static bool read_number(const char *path, uint64_t *out)
{
    FILE *file = fopen(path, "re");
    bool ok = file != NULL && fscanf(file, "%" SCNu64, out) == 1; // NOLINT: no user's

    if (file != NULL)
        fclose(file);
    return ok;
}

static enum verdict judge(uint64_t number, uint64_t enough, uint64_t least)
{
    if (number >= enough)
        return FINE;
    return number >= least ? LACK : SERIOUS;
}

static void check_limit(struct value *list, const char *check,
                        __rlimit_resource_t resource, uint64_t enough, uint64_t least,
                        const char *costs, const char *cure)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) == -1)
        return;
    if (limit.rlim_max == RLIM_INFINITY)
        note(list, check, "unlimited", FINE, "", "");
    else
        note_number(list, check, limit.rlim_max, judge(limit.rlim_max, enough, least),
                    costs, cure);
}

static void check_limits(struct value *list)
{
    check_limit(list, "open files (hard limit)", RLIMIT_NOFILE, 4096, 256,
                "few connections and workers: a worker needs two to four",
                "ulimit -Hn 65536, or LimitNOFILE= in the unit");
    check_limit(list, "processes", RLIMIT_NPROC, 512, 64,
                "few workers can be started: the limit counts all of this user's",
                "ulimit -u 4096, or TasksMax= in the unit");
}

static const struct number {
    const char *check, *path;
    uint64_t enough, least;
    const char *costs, *cure;
} numbers[] = {
    {"process ids", "/proc/sys/kernel/pid_max", 4096, 512,
     "pids run out, or come round quickly", "sysctl kernel.pid_max=32768 or more"},
    {"connections that wait", "/proc/sys/net/core/somaxconn", 128, 8,
     "many clients of the control socket at once are refused",
     "sysctl net.core.somaxconn=4096"},
    {"datagrams that wait", "/proc/sys/net/unix/max_dgram_qlen", 10, 1,
     "what we tell the service manager may be lost",
     "sysctl net.unix.max_dgram_qlen=512"},
};

static void check_numbers(struct value *list)
{
    uint64_t number;

    for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
        const struct number *row = &numbers[i];

        if (read_number(row->path, &number))
            note_number(list, row->check, number,
                        judge(number, row->enough, row->least), row->costs, row->cure);
    }
}

static void check_overcommit(struct value *list)
{
    static const char *const names[] = {"0: guessed", "1: always", "2: never"};
    uint64_t mode;

    if (!read_number("/proc/sys/vm/overcommit_memory", &mode) || mode > 2)
        return;
    note(list, "memory overcommit", names[mode], mode == 2 ? LACK : FINE,
         "memory that is reserved and not used counts: workers fail early",
         "sysctl vm.overcommit_memory=0, or more swap");
}

/* ---- files ----------------------------------------------------------------------- */

/* Of folders that aren't there yet, the one that they will be made in counts. */
static bool find_file_system(const char *folder, char *out, size_t out_bytes,
                             struct statvfs *info)
{
    char *slash;

    if ((size_t)snprintf(out, out_bytes, "%s", folder) >= out_bytes)
        return false;
    while (statvfs(out, info) == -1) {
        slash = strrchr(out, '/');
        if (slash == NULL || (slash == out && out[1] == '\0'))
            return false;
        slash[slash == out ? 1 : 0] = '\0';
    }
    return true;
}

static void check_disk(struct value *list, const char *state_dir)
{
    char at[1024], text[64];
    struct statvfs info;
    uint64_t free_bytes;

    if (!find_file_system(state_dir, at, sizeof(at), &info)) {
        note(list, "state", state_dir, SERIOUS, "the supervisor can't start",
             "--state DIR, or make that folder");
        return;
    }
    note(list, "state", state_dir,
         access(at, W_OK) == 0 && (info.f_flag & ST_RDONLY) == 0 ? FINE : SERIOUS,
         "nothing can be written there: the supervisor can't start",
         "--state DIR, or give the folder to this user");
    free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    snprintf(text, sizeof(text), "%" PRIu64 " MB free", free_bytes >> 20);
    note(list, "disk of the state", text,
         judge(free_bytes, LITTLE_FREE_BYTES, MIN_FREE_BYTES),
         "histories and logs may soon fail to be written", "make room");
    if (info.f_files != 0) /* some file systems have no fixed number */
        note_number(list, "inodes of the state", info.f_favail,
                    judge(info.f_favail, LITTLE_FREE_INODES, MIN_FREE_INODES),
                    "files may soon fail to be made", "remove files");
}

static void check_zones(struct value *list)
{
    bool there = access(ZONES "/Europe/Berlin", R_OK) == 0;

    note(list, "time zones", there ? ZONES : "missing", there ? FINE : LACK,
         "apps know no time zone but UTC", "apt-get install tzdata");
}

static void check_locale(struct value *list)
{
    bool known = setlocale(LC_CTYPE, "") != NULL;
    const char *name = known ? nl_langinfo(CODESET) : "unknown here";

    note(list, "locale", name, known ? FINE : LACK,
         "LC_ALL, LC_CTYPE or LANG names a locale that isn't installed",
         "LANG=C.UTF-8, or apt-get install locales");
    setlocale(LC_CTYPE, "C");
}

/* ---- the supervisor -------------------------------------------------------------- */

static bool ask(struct supctl_client *client, const char *target, struct value *out)
{
    struct supctl_error error = {0};
    struct value args = value_list();
    int failed = supctl_client_call(client, target, &args, NULL, ASK_TIMEOUT_MS, NULL,
                                    NULL, out, &error);

    value_finish(&args);
    supctl_error_finish(&error);
    return failed == 0;
}

static const char *cost_of(const char *part)
{
    static const char *const rows[][2] = {
        {"system calls", "apps can call whatever the kernel offers"},
        {"landlock", "files have one lock less"},
        {"files out of sight", "files have one lock less"},
        {"no network", "seccomp alone keeps apps from the network"},
        {"no shared IPC", "seccomp alone keeps apps from shared memory of others"},
        {"user", "whoever breaks out of a worker is root"},
        {"no capabilities", "one lock less on privileges"},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (strcmp(rows[i][0], part) == 0)
            return rows[i][1];
    return "";
}

static void note_part(struct value *list, const struct value *part)
{
    const char *name = value_get_text(part, "part"), *why = value_get_text(part, "why");
    bool in_force = value_get_bool(part, "in_force", false);
    bool needed = value_get_bool(part, "needed", false);
    char check[64], found[240];

    snprintf(check, sizeof(check), "confined: %s", name != NULL ? name : "?");
    snprintf(found, sizeof(found), "%s%s%s", in_force ? "yes" : "no",
             why != NULL && why[0] != '\0' ? ", " : "", why != NULL ? why : "");
    note(list, check, found, in_force || !needed ? FINE : LACK,
         cost_of(name != NULL ? name : ""),
         "see what was found; workers.confine: strict insists on it");
}

static void check_confinement(struct supctl_client *client, struct value *list)
{
    struct value result = {0};
    const struct value *parts;
    const char *level;

    if (ask(client, "@system.confinement", &result)) {
        level = value_get_text(&result, "level");
        parts = value_get(&result, "parts");
        note(list, "confinement of workers", level != NULL ? level : "unknown",
             level != NULL && strcmp(level, "off") != 0 ? FINE : LACK,
             "apps may do to the machine what the supervisor may",
             "workers.confine: on");
        for (size_t i = 0; i < value_list_n(parts); i++)
            note_part(list, &parts->as.list.items[i]);
    }
    value_finish(&result);
}

/* What it may have itself: the limits above are those of who asks. */
static void check_fds(struct value *list, const struct value *about)
{
    int64_t n = value_get_int(about, "n_fds", 0);
    int64_t max = value_get_int(about, "max_fds", 0);
    enum verdict verdict = FINE;
    char text[64];

    if (n <= 0 || max <= 0)
        return;
    if (max - n < MIN_FREE_FDS)
        verdict = SERIOUS;
    else if (max - n < max / 4)
        verdict = LACK;
    snprintf(text, sizeof(text), "%" PRId64 " of %" PRId64 " in use", n, max);
    note(list, "open files of the supervisor", text, verdict,
         "workers and connections are refused when all are in use",
         "LimitNOFILE= in the unit, or ulimit -n, and start it anew");
}

/* Its folder, owned; NULL when it doesn't say. */
static char *check_process(struct supctl_client *client, struct value *list)
{
    struct value result = {0};
    const struct value *about;
    const char *folder = NULL;
    char *copy;

    if (ask(client, "@system.status", &result) &&
        (about = value_get(&result, "supervisor")) != NULL) {
        check_fds(list, about);
        folder = value_get_text(about, "state_dir");
    }
    copy = folder != NULL ? xstrdup(folder) : NULL;
    value_finish(&result);
    return copy;
}

static void check_supervisor(struct supctl *ctl, struct value *list)
{
    struct supctl_error error = {0};
    struct supctl_client *client = supctl_client_connect(ctl->control, &error);
    const char *message = value_get_text(&error.fields, "message");
    char *state_dir = NULL;

    note(list, "supervisor",
         client != NULL ? supctl_client_path(client) : "not reached",
         client != NULL ? FINE : LACK, message != NULL ? message : "",
         "start one, or name its socket with --control: it tells how workers are "
         "confined");
    if (client != NULL) {
        check_confinement(client, list);
        state_dir = check_process(client, list);
    }
    if (state_dir == NULL)
        state_dir = paths_state_dir("app");
    check_disk(list, state_dir);
    free(state_dir);
    supctl_client_close(client);
    supctl_error_finish(&error);
}

/* ---- the command ----------------------------------------------------------------- */

static bool is_verdict(const struct value *row, const char *verdict)
{
    const char *found = value_get_text(row, "verdict");

    return found != NULL && strcmp(found, verdict) == 0;
}

static void print_for_people(const struct value *list)
{
    static const struct column columns[] = {
        {"CHECK", "check", COLUMN_TEXT},
        {"FOUND", "state", COLUMN_TEXT},
        {"", "verdict", COLUMN_TEXT},
    };

    supctl_table_print(stdout, list, columns, N_ELEMENTS(columns), "", false);
    for (size_t i = 0; i < list->as.list.n; i++) {
        const struct value *row = &list->as.list.items[i];

        if (is_verdict(row, "fine"))
            continue;
        printf("\n");
        supctl_text_print(stdout, value_get_text(row, "check"));
        printf(" (%s)\n  costs: ", value_get_text(row, "verdict"));
        supctl_text_print(stdout, value_get_text(row, "costs"));
        printf("\n  to do: ");
        supctl_text_print(stdout, value_get_text(row, "cure"));
        printf("\n");
    }
}

int supctl_run_doctor(struct supctl *ctl)
{
    struct value list = value_list();
    int code = EXIT_OK;

    check_kernel(&list);
    check_seccomp(&list);
    check_landlock(&list);
    check_namespaces(&list);
    check_cgroup(&list);
    check_proc(&list);
    check_limits(&list);
    check_numbers(&list);
    check_overcommit(&list);
    check_zones(&list);
    check_locale(&list);
    check_supervisor(ctl, &list);
    for (size_t i = 0; i < list.as.list.n; i++)
        if (is_verdict(&list.as.list.items[i], "serious"))
            code = EXIT_FAILED;
    if (ctl->json)
        supctl_print_json(&list, false);
    else
        print_for_people(&list);
    value_finish(&list);
    return code;
}
