#include "supervisor/jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/id.h"
#include "common/landlock.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"

#include "supervisor/core.h"
#include "supervisor/jail_cell.h"
#include "supervisor/jail_cgroup.h"
#include "supervisor/jail_filter.h"
#include "supervisor/jail_user.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define DEFAULT_USER "nobody"
#define WHY_BYTES    160

enum part {
    PART_FILTER,
    PART_LANDLOCK,
    PART_USER_NAMESPACE,
    PART_MOUNTS,
    PART_NETWORK,
    PART_IPC,
    PART_USER,
    PART_CAPABILITIES,
    PART_MEMORY,
    PART_CGROUP,
    N_PARTS
};

static const struct {
    const char *name;
    uint32_t bit;   /* of SETUP's confinement */
    bool is_needed; /* by "strict" */
} parts[N_PARTS] = {
    [PART_FILTER] = {"system calls", CONFINE_FILTER, true},
    [PART_LANDLOCK] = {"landlock", CONFINE_LANDLOCK, true},
    [PART_USER_NAMESPACE] = {"user namespace", CONFINE_USER_NAMESPACE, false},
    [PART_MOUNTS] = {"files out of sight", CONFINE_MOUNTS, true},
    [PART_NETWORK] = {"no network", CONFINE_NETWORK, true},
    [PART_IPC] = {"no shared IPC", CONFINE_IPC, true},
    [PART_USER] = {"user", CONFINE_USER, true},
    [PART_CAPABILITIES] = {"no capabilities", CONFINE_CAPABILITIES, true},
    [PART_MEMORY] = {"memory of one", CONFINE_MEMORY, false},
    [PART_CGROUP] = {"control group", CONFINE_CGROUP, false},
};

struct jail {
    char level[8];
    struct buf filter;
    struct cell cell;
    int fds[CONFINE_N_FDS]; /* cell's, then the control group's own */
    uint32_t uid, gid, memory_mb;
    bool in_force[N_PARTS];
    char why[N_PARTS][WHY_BYTES]; /* not in force: why; else what there is to say */
};

static void __attribute__((format(printf, 4, 5)))
decide(struct jail *jail, enum part part, bool in_force, const char *fmt, ...)
{
    va_list args;

    jail->in_force[part] = in_force;
    va_start(args, fmt);
    vsnprintf(jail->why[part], WHY_BYTES, fmt, args);
    va_end(args);
}

/* ---- parts ----------------------------------------------------------------------- */

static void try_landlock(struct jail *jail)
{
    int abi = landlock_abi();

    if (abi > 0)
        decide(jail, PART_LANDLOCK, true, "ABI %d", abi);
    else
        decide(jail, PART_LANDLOCK, false, "this kernel has none");
}

/* What the kernel's answer means to somebody who may want to change it. */
static const char *explain(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
        return "not allowed (user.max_user_namespaces, a container, "
               "RestrictNamespaces=)";
    case ENOSPC:
        return "too many namespaces (user.max_*_namespaces)";
    case EINVAL:
        return "this kernel has none";
    default:
        return strerror(error);
    }
}

static void try_namespaces(struct jail *jail)
{
    static const enum part of[CELL_N_PARTS] = {[CELL_USER] = PART_USER_NAMESPACE,
                                               [CELL_MOUNTS] = PART_MOUNTS,
                                               [CELL_NETWORK] = PART_NETWORK,
                                               [CELL_IPC] = PART_IPC};

    cell_make(&jail->cell);
    for (size_t i = 0; i < CELL_N_PARTS; i++) {
        int error = jail->cell.errors[i];

        jail->fds[i] = jail->cell.fds[i];
        if (error == CELL_NOT_NEEDED)
            decide(jail, of[i], false, "not needed: the others are there without");
        else
            decide(jail, of[i], error == 0, "%s", error == 0 ? "" : explain(error));
    }
}

static void try_capabilities(struct jail *jail)
{
    bool may = jail->in_force[PART_USER_NAMESPACE] || jail_has_capability(CAP_SETPCAP);

    decide(jail, PART_CAPABILITIES, may, "%s",
           may ? "" : "there are none, but the bounding set can't be emptied");
}

static int try_user(struct jail *jail, const char *name, struct err *err)
{
    bool may = jail_may_change_user() && !jail->in_force[PART_USER_NAMESPACE];

    if (name[0] == '\0' && geteuid() != 0) {
        decide(jail, PART_USER, true, "uid %u, as the supervisor", (unsigned)geteuid());
        return 0;
    }
    if (name[0] != '\0' && !may)
        return err_set(err, ERR_UNAVAILABLE,
                       "workers.user is %s, and we may not change users here", name);
    if (jail_find_user(name[0] != '\0' ? name : DEFAULT_USER, &jail->uid, &jail->gid,
                       err) == -1 &&
        name[0] != '\0')
        return -1;
    if (!may || jail->uid == UINT32_MAX) {
        jail->uid = jail->gid = UINT32_MAX;
        decide(jail, PART_USER, false, "workers are root as we are: %s",
               may ? "there is no user " DEFAULT_USER : "we may not change users here");
        return 0;
    }
    decide(jail, PART_USER, true, "uid %u, gid %u", jail->uid, jail->gid);
    return 0;
}

static int try_cgroup(struct jail *jail, const struct jail_settings *settings,
                      struct err *err)
{
    struct cgroup_limits limits = {.memory_bytes = (uint64_t)settings->total_memory_mb
                                                   << 20,
                                   .n_processes = PID_MAX_WORKERS,
                                   .cpus = settings->total_cpus};
    int *fd = &jail->fds[CONFINE_FD_CGROUP];
    char folder[1024];
    const char *why;

    if (cgroup_find_own(folder, sizeof(folder), &why) == 0)
        *fd = cgroup_open(folder, &limits, &why);
    if (*fd == -1 && (settings->total_memory_mb != 0 || settings->total_cpus > 0))
        return err_set(err, ERR_UNAVAILABLE, "workers have limits in total, and %s",
                       why);
    decide(jail, PART_CGROUP, *fd != -1, "%s", *fd != -1 ? "" : why);
    return 0;
}

static void try_memory(struct jail *jail, uint32_t memory_mb)
{
    jail->memory_mb = memory_mb;
    if (memory_mb != 0)
        decide(jail, PART_MEMORY, true, "%u MB", memory_mb);
    else
        decide(jail, PART_MEMORY, false, "workers.memory_mb sets no limit");
}

static int check_strict(const struct jail *jail, struct err *err)
{
    for (size_t i = 0; i < N_PARTS; i++)
        if (parts[i].is_needed && !jail->in_force[i])
            return err_set(err, ERR_UNAVAILABLE,
                           "workers.confine is strict, and %s: %s", parts[i].name,
                           jail->why[i]);
    return 0;
}

/* ---- all of them ----------------------------------------------------------------- */

static int try_all(struct jail *jail, const struct jail_settings *settings,
                   struct err *err)
{
    if (jail_make_filter(&jail->filter, err) == -1)
        return -1;
    decide(jail, PART_FILTER, true, "%s", "");
    try_landlock(jail);
    try_namespaces(jail);
    try_capabilities(jail);
    try_memory(jail, settings->memory_mb);
    if (try_user(jail, settings->user, err) == -1 ||
        try_cgroup(jail, settings, err) == -1)
        return -1;
    return strcmp(settings->level, "strict") == 0 ? check_strict(jail, err) : 0;
}

static void have_nothing(struct jail *jail, const char *why)
{
    for (size_t i = 0; i < N_PARTS; i++)
        decide(jail, (enum part)i, false, "%s", why);
}

struct jail *jail_create(const struct jail_settings *settings, struct err *err)
{
    bool strict = strcmp(settings->level, "strict") == 0;
    struct jail *jail = xcalloc(1, sizeof(*jail));
    int failed = 0;

    buf_init(&jail->filter, 0);
    snprintf(jail->level, sizeof(jail->level), "%s", settings->level);
    for (size_t i = 0; i < CONFINE_N_FDS; i++)
        jail->fds[i] = -1;
    for (size_t i = 0; i < CELL_N_PARTS; i++)
        jail->cell.fds[i] = -1;
    jail->uid = jail->gid = UINT32_MAX;
    if (strcmp(settings->level, "off") == 0)
        have_nothing(jail, "workers.confine is off");
    else if (jail_is_possible())
        failed = try_all(jail, settings, err);
    else if (strict)
        failed = err_set(err, ERR_UNAVAILABLE,
                         "a build for sanitizers can't confine its workers");
    else
        have_nothing(jail, "a build for sanitizers can't confine its workers");
    if (failed == -1) {
        jail_destroy(jail);
        return NULL;
    }
    return jail;
}

void jail_destroy(struct jail *jail)
{
    if (jail == NULL)
        return;
    cell_close(&jail->cell);
    if (jail->fds[CONFINE_FD_CGROUP] != -1)
        close(jail->fds[CONFINE_FD_CGROUP]);
    buf_finish(&jail->filter);
    free(jail);
}

void jail_fill_setup(const struct jail *jail, struct frame_setup *frame)
{
    frame->confinement = 0;
    for (size_t i = 0; i < N_PARTS; i++)
        if (jail->in_force[i])
            frame->confinement |= parts[i].bit;
    if (jail->uid == UINT32_MAX) /* somebody harmless already */
        frame->confinement &= ~(uint32_t)CONFINE_USER;
    frame->uid = jail->uid;
    frame->gid = jail->gid;
    frame->memory_mb = jail->memory_mb;
    frame->filter = buf_bytes(&jail->filter);
}

const int *jail_descriptors(const struct jail *jail)
{
    return jail->fds;
}

struct value jail_describe(const struct jail *jail)
{
    struct value map = value_map(), list = value_list();

    for (size_t i = 0; i < N_PARTS; i++) {
        struct value row = value_map();

        value_put(&row, "part", value_string(parts[i].name));
        value_put(&row, "in_force", value_bool(jail->in_force[i]));
        value_put(&row, "why", value_string(jail->why[i]));
        value_put(&row, "needed", value_bool(parts[i].is_needed));
        value_append(&list, row);
    }
    value_put(&map, "level", value_string(jail->level));
    value_put(&map, "parts", list);
    return map;
}

static void answer_confinement(struct request *request)
{
    const struct jail *jail = workers_jail(request->sup->workers);
    struct value map = jail != NULL ? jail_describe(jail) : value_map();

    request_reply_taken(request, map);
}

void jail_add_targets(struct supervisor *sup)
{
    static const struct system_target targets[] = {
        {"system.confinement", answer_confinement, ALLOW_CLIENT}};

    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
