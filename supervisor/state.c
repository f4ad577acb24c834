#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

static int make_one(const char *dir, struct err *err)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_set(err, errno == EACCES ? ERR_PERMISSION_DENIED : ERR_UNAVAILABLE,
                   "cannot create folder %s: %s", dir, strerror(errno));
}

int state_make_folder(const char *dir, struct err *err)
{
    char *path = xstrdup(dir);
    struct stat st;
    int rc = 0;

    for (char *slash = strchr(path + 1, '/'); rc == 0 && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (stat(path, &st) == -1)
            rc = make_one(path, err);
        *slash = '/';
    }
    if (rc == 0 && stat(path, &st) == -1)
        rc = make_one(path, err);
    else if (rc == 0 && !S_ISDIR(st.st_mode))
        rc = err_set(err, ERR_UNAVAILABLE, "%s is no folder", dir);
    free(path);
    return rc;
}

static int refuse(int fd, const char *dir, struct err *err)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    if (n > 0 && strtol(text, NULL, 10) > 0)
        return err_set(err, ERR_ALREADY_EXISTS,
                       "state folder %s is in use by pid %ld; stop that one, or choose "
                       "another with --state",
                       dir, strtol(text, NULL, 10));
    return err_set(
        err, ERR_ALREADY_EXISTS,
        "state folder %s is in use by another supervisor; choose another with "
        "--state",
        dir);
}

static int write_pid(int fd, const char *path, struct err *err)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == -1 || pwrite(fd, text, (size_t)n, 0) != n)
        return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", path,
                       strerror(errno));
    return 0;
}

int state_open(const char *dir, struct err *err)
{
    char *path = xasprintf("%s/lock", dir);
    int fd = -1;

    if (state_make_folder(dir, err) != 0)
        goto fail;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1) {
        err_set(err, errno == EACCES ? ERR_PERMISSION_DENIED : ERR_UNAVAILABLE,
                "cannot open %s: %s", path, strerror(errno));
        goto fail;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        if (errno == EWOULDBLOCK)
            refuse(fd, dir, err);
        else
            err_set(err, ERR_UNAVAILABLE, "cannot lock %s: %s", path, strerror(errno));
        goto fail;
    }
    if (write_pid(fd, path, err) != 0)
        goto fail;
    free(path);
    return fd;
fail:
    if (fd != -1)
        close(fd);
    free(path);
    return -1;
}
