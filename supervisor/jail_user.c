#include "supervisor/jail_user.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/err.h"

static bool read_number(const char *text, uint32_t *out)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        number >= UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

static int find_group(const char *name, uint32_t *gid_out, struct err *err)
{
    const struct group *group = getgrnam(name);

    if (group == NULL && !read_number(name, gid_out))
        return err_set(err, ERR_NOT_FOUND, "there is no group '%s'", name);
    if (group != NULL)
        *gid_out = group->gr_gid;
    return 0;
}

int jail_find_user(const char *text, uint32_t *uid_out, uint32_t *gid_out,
                   struct err *err)
{
    const char *colon = strchr(text, ':');
    size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
    const struct passwd *user;
    uint32_t uid, gid;
    char name[64];

    if (n == 0 || n >= sizeof(name))
        return err_set(err, ERR_INVALID, "'%s' is no name of a user", text);
    memcpy(name, text, n);
    name[n] = '\0';
    user = getpwnam(name);
    if (user == NULL && !read_number(name, &uid))
        return err_set(err, ERR_NOT_FOUND, "there is no user '%s'", name);
    if (user == NULL && colon == NULL)
        return err_set(err, ERR_INVALID,
                       "user %s has no name, so it needs a group: %s:%s", name, name,
                       name);
    if (user != NULL)
        uid = user->pw_uid;
    gid = user != NULL ? user->pw_gid : 0;
    if (colon != NULL && find_group(colon + 1, &gid, err) == -1)
        return -1;
    if (uid == 0 || gid == 0)
        return err_set(err, ERR_INVALID, "workers can't run as '%s': that is root",
                       text);
    *uid_out = uid;
    *gid_out = gid;
    return 0;
}

bool jail_has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[capability / 32].effective & 1u << capability % 32) != 0;
}

bool jail_may_change_user(void)
{
    return jail_has_capability(CAP_SETUID) && jail_has_capability(CAP_SETGID) &&
           jail_has_capability(CAP_KILL);
}
