#include "supervisor/jail_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/mem.h"

#define MOUNT_POINT      "/sys/fs/cgroup"
#define OURS             "/supervisor"
#define THEIRS           "/workers"
#define CPU_PERIOD_US    100000
#define GROUP_LINE_START "0::" /* of version 2, in /proc/self/cgroup */

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    ssize_t n;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return false;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    n = write(fd, text, strlen(text));
    close(fd);
    return n != -1;
}

/* systemd marks what it lends: it leaves these alone from then on. */
static bool is_delegated(const char *folder)
{
    static const char *const marks[] = {"user.delegate", "trusted.delegate"};
    char value[4];

    for (size_t i = 0; i < N_ELEMENTS(marks); i++)
        if (getxattr(folder, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
            return true;
    return false;
}

int cgroup_find_own(char *out, unsigned out_bytes, const char **why_out)
{
    char line[PATH_MAX], *path = NULL;
    FILE *file = fopen("/proc/self/cgroup", "re");
    size_t n;

    *why_out = "no control groups of version 2";
    if (file == NULL || access(MOUNT_POINT "/cgroup.controllers", F_OK) == -1) {
        if (file != NULL)
            fclose(file);
        return -1;
    }
    while (path == NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, GROUP_LINE_START, strlen(GROUP_LINE_START)) == 0)
            path = line + strlen(GROUP_LINE_START);
    fclose(file);
    if (path == NULL)
        return -1;
    path[strcspn(path, "\n")] = '\0';
    /* Started by one of us that had moved already. */
    n = strlen(path);
    if (n > strlen(OURS) && strcmp(path + n - strlen(OURS), OURS) == 0)
        path[n - strlen(OURS)] = '\0';
    if ((unsigned)snprintf(out, out_bytes, MOUNT_POINT "%s", path) >= out_bytes)
        return -1;
    return 0;
}

static bool make_group(const char *folder, const char *name, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%s%s", folder, name) >= PATH_MAX)
        return false;
    return mkdir(out, 0755) == 0 || errno == EEXIST;
}

/* Controllers that are not to be had show when a limit is to be set. */
static void enable_controllers(const char *folder)
{
    static const char *const controllers[] = {"+memory", "+pids", "+cpu"};

    for (size_t i = 0; i < N_ELEMENTS(controllers); i++)
        write_file(folder, "cgroup.subtree_control", controllers[i]);
}

/* What is not set now may have been by the one before us. */
static bool set_limits(const char *group, const struct cgroup_limits *limits)
{
    char memory[32] = "max", processes[32] = "max", cpus[64] = "max";
    bool ok;

    if (limits->memory_bytes != 0)
        snprintf(memory, sizeof(memory), "%" PRIu64, limits->memory_bytes);
    if (limits->n_processes != 0)
        snprintf(processes, sizeof(processes), "%u", limits->n_processes);
    if (limits->cpus > 0)
        snprintf(cpus, sizeof(cpus), "%.0f %d", limits->cpus * CPU_PERIOD_US,
                 CPU_PERIOD_US);
    ok = write_file(group, "memory.max", memory) || limits->memory_bytes == 0;
    ok = (write_file(group, "pids.max", processes) || limits->n_processes == 0) && ok;
    return (write_file(group, "cpu.max", cpus) || limits->cpus <= 0) && ok;
}

int cgroup_open(const char *folder, const struct cgroup_limits *limits,
                const char **why_out)
{
    char ours[PATH_MAX], theirs[PATH_MAX], procs[PATH_MAX + 16];
    int fd;

    *why_out = "our control group is not delegated to us";
    if (!is_delegated(folder))
        return -1;
    *why_out = "our control group can't be divided";
    if (!make_group(folder, OURS, ours) || !make_group(folder, THEIRS, theirs) ||
        !write_file(ours, "cgroup.procs", "0"))
        return -1;
    enable_controllers(folder);
    *why_out = "the control group takes no such limits";
    if (!set_limits(theirs, limits))
        return -1;
    *why_out = "workers can't be moved";
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", theirs);
    fd = open(procs, O_WRONLY | O_CLOEXEC);
    return fd;
}
