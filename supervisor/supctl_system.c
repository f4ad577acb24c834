/* The supervisor itself. */
#include "supervisor/supctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit.h"
#include "common/landlock.h"
#include "common/mem.h"

#include "supervisor/supctl_table.h"

/* ---- the supervisor
 * ------------------------------------------------------------------ */

static int run_ping(struct supctl *ctl)
{
    uint64_t start_ns = (uint64_t)clock_monotonic_ns();
    struct value result;
    int code = supctl_ask(ctl, "@system.ping", value_list(), 2000, &result);

    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&result, false);
    else if (code == EXIT_OK)
        printf("pong from pid %lld in %.2f ms\n",
               (long long)value_get_int(&result, "pid", 0),
               (double)((uint64_t)clock_monotonic_ns() - start_ns) / 1e6);
    value_finish(&result);
    return code;
}

/* ---- doctor
 * -------------------------------------------------------------------------- */

static void note(struct value *list, const char *what, const char *state,
                 const char *costs)
{
    struct value row = value_map();

    value_put(&row, "check", value_string(what));
    value_put(&row, "state", value_string(state));
    value_put(&row, "costs", value_string(costs));
    value_append(list, row);
}

static void check_kernel(struct value *list)
{
    struct utsname name;
    int major = 0;

    uname(&name);
    major = (int)strtol(name.release, NULL, 10);
    note(list, "kernel", name.release,
         major >= 5 ? "" : "older than 5.x: pidfd_open is missing");
}

static void check_landlock(struct value *list)
{
    int abi = landlock_abi();
    char text[32];
    const char *costs = "";

    snprintf(text, sizeof(text), abi > 0 ? "ABI %d" : "missing", abi);
    if (abi == 0)
        costs = "workers are kept from changing files by seccomp only";
    else if (abi < 4)
        costs = "no second lock on TCP: seccomp alone denies it";
    note(list, "landlock", text, costs);
}

static void check_seccomp(struct value *list)
{
    bool there = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != -1 || errno != EINVAL;

    note(list, "seccomp", there ? "available" : "missing",
         there ? "" : "workers.confine must be off: no worker starts");
}

static void check_limits(struct value *list)
{
    struct rlimit limit;
    char text[48];

    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)limit.rlim_max);
    note(list, "open files (hard limit)", text,
         limit.rlim_max >= 65536 ? "" : "few connections and workers");
}

static void check_memfd(struct value *list)
{
    FILE *file = fopen("/proc/self/statm", "re");

    note(list, "/proc", file != NULL ? "mounted" : "missing",
         file != NULL ? "" : "memory of workers isn't shown");
    if (file != NULL)
        fclose(file);
}

static void check_cgroup(struct value *list)
{
    bool there = access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0;

    note(list, "cgroup v2", there ? "mounted" : "missing",
         there ? "" : "no limits per worker beyond rlimits");
}

static void check_supervisor(struct supctl *ctl, struct value *list)
{
    struct supctl_error error = {0};
    struct supctl_client *client = supctl_client_connect(ctl->control, &error);
    const char *message = value_get_text(&error.fields, "message");

    note(list, "supervisor",
         client != NULL ? supctl_client_path(client) : "not reached",
         message != NULL ? message : "");
    supctl_client_close(client);
    supctl_error_finish(&error);
}

static int run_doctor(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"CHECK", "check", COLUMN_TEXT},
        {"FOUND", "state", COLUMN_TEXT},
        {"COSTS", "costs", COLUMN_TEXT},
    };
    struct value list = value_list();

    check_kernel(&list);
    check_landlock(&list);
    check_seccomp(&list);
    check_cgroup(&list);
    check_limits(&list);
    check_memfd(&list);
    check_supervisor(ctl, &list);
    if (ctl->json)
        supctl_print_json(&list, false);
    else
        supctl_table_print(stdout, &list, columns, N_ELEMENTS(columns), "", false);
    value_finish(&list);
    return EXIT_OK;
}

static const struct command commands[] = {
    {"ping", "ping", "does the supervisor answer?", 0, 0, 0, run_ping},
    {"doctor", "doctor", "what this machine lacks, and what that costs", 0, 0, 0,
     run_doctor},
};
const struct command_table supctl_system_commands = {commands, N_ELEMENTS(commands)};
