#include "supervisor/worker_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

void worker_table_init(struct worker_table *table)
{
    table->fd = -1;
    table->words = NULL;
}

void worker_table_finish(struct worker_table *table)
{
    if (table->fd == -1)
        return;
    liveness_unmap(table->words);
    close(table->fd);
    worker_table_init(table);
}

int worker_table_prepare(struct worker_table *table, struct err *err)
{
    if (table->fd != -1)
        return table->fd;
    table->fd = liveness_create();
    if (table->fd == -1)
        return err_set(err, ERR_UNAVAILABLE, "make a liveness table: %s",
                       strerror(errno));
    table->words = liveness_map(table->fd, true);
    if (table->words == NULL) {
        err_set(err, ERR_UNAVAILABLE, "map a liveness table: %s", strerror(errno));
        close(table->fd);
        table->fd = -1;
    }
    return table->fd;
}

int worker_table_open_readonly(const struct worker_table *table)
{
    char path[64];

    if (table->fd == -1)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", table->fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

void worker_table_bury(struct worker_table *table)
{
    off_t start = 0, end;

    /* By what the file holds, not by what the worker says: reading a hole through the
     * mapping would fill it. */
    while (table->fd != -1 && start < (off_t)LIVENESS_BYTES &&
           (start = lseek(table->fd, start, SEEK_DATA)) != -1) {
        end = lseek(table->fd, start, SEEK_HOLE);
        if (end <= start || end > (off_t)LIVENESS_BYTES)
            end = (off_t)LIVENESS_BYTES;
        liveness_bury(table->words, (uint32_t)(start / (off_t)sizeof(*table->words)),
                      (uint32_t)((end - start) / (off_t)sizeof(*table->words)));
        start = end;
    }
}
