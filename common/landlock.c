#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/err.h"

/* Since 5.13, the same on every architecture. */
#define CREATE_RULESET 444
#define ADD_RULE       445
#define RESTRICT_SELF  446

#define CREATE_VERSION    (1u << 0)
#define RULE_PATH_BENEATH 1

#define READ_FILE (UINT64_C(1) << 2)
#define READ_DIR  (UINT64_C(1) << 3)

/* How many kinds of access to files each version knows; it refuses more. */
static const unsigned n_fs_rights[] = {0, 13, 14, 15, 15, 16};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

int landlock_abi(void)
{
    long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_VERSION);

    return abi > 0 ? (int)abi : 0;
}

static int allow_reading(int ruleset_fd, const char *path)
{
    struct path_rule rule = {.allowed = READ_FILE | READ_DIR};
    struct stat info;
    int failed;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd == -1)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -1;
    if (fstat(rule.parent_fd, &info) == 0 && !S_ISDIR(info.st_mode))
        rule.allowed = READ_FILE;
    failed = (int)syscall(ADD_RULE, ruleset_fd, RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return failed;
}

static int create_ruleset(int abi)
{
    unsigned row = abi < 5 ? (unsigned)abi : 5;
    struct ruleset ruleset = {.fs = (UINT64_C(1) << n_fs_rights[row]) - 1};
    size_t n_bytes = sizeof(ruleset.fs);

    if (abi >= 4) {
        ruleset.net = 3; /* bind, connect */
        n_bytes = 2 * sizeof(uint64_t);
    }
    if (abi >= 6) {
        ruleset.scoped = 3; /* abstract sockets, signals */
        n_bytes = sizeof(ruleset);
    }
    return (int)syscall(CREATE_RULESET, &ruleset, n_bytes, 0);
}

int landlock_read_only(const char *const *paths, struct err *err)
{
    int abi = landlock_abi(), saved, fd, failed = 0;

    if (abi == 0)
        return err_set(err, ERR_UNAVAILABLE, "this kernel has no Landlock");
    fd = create_ruleset(abi);
    if (fd == -1)
        return err_set(err, ERR_UNAVAILABLE, "can't make a Landlock ruleset: %s",
                       strerror(errno));
    for (; *paths != NULL && failed == 0; paths++)
        failed = allow_reading(fd, *paths);
    if (failed == 0)
        failed = (int)syscall(RESTRICT_SELF, fd, 0);
    saved = errno;
    close(fd);
    if (failed != 0)
        return err_set(err, ERR_UNAVAILABLE, "Landlock refuses: %s", strerror(saved));
    return 0;
}
