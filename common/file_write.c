#include "common/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

int file_write_all(int fd, struct bytes bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.data, bytes.n);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -1;
        bytes.data += n;
        bytes.n -= (size_t)n;
    }
    return 0;
}

int file_write_whole(const char *path, mode_t mode, struct bytes bytes, struct err *err)
{
    char *part = xasprintf("%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, mode);
    bool good = fd != -1 && file_write_all(fd, bytes) == 0 && fsync(fd) == 0;
    int rc = 0;

    if (fd != -1 && close(fd) == -1)
        good = false;
    if (!good || rename(part, path) == -1) {
        rc = err_set(err, ERR_UNAVAILABLE, "can't write %s: %s", path, strerror(errno));
        if (fd != -1)
            unlink(part);
    }
    free(part);
    return rc;
}
