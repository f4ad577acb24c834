/* file_write -- a file written anew, as a whole or not at all. */
#ifndef TROUPE_COMMON_FILE_WRITE_H
#define TROUPE_COMMON_FILE_WRITE_H

#include <sys/types.h>

#include "common/buf.h"

struct err;

/* Blocks until all is written; -1 with errno. */
int file_write_all(int fd, struct bytes bytes);

/* Blocks. Under another name first (path.part), so that nobody ever finds half of it
 * under this one. mode is cut by the umask. Errors: UNAVAILABLE. */
int file_write_whole(const char *path, mode_t mode, struct bytes bytes,
                     struct err *err);

#endif
