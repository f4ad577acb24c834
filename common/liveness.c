#include "common/liveness.h"

#include <sys/mman.h>
#include <unistd.h>

int liveness_create(void)
{
    int fd = memfd_create("troupe-liveness", MFD_CLOEXEC);

    if (fd != -1 && ftruncate(fd, (off_t)LIVENESS_BYTES) == -1) {
        close(fd);
        return -1;
    }
    return fd;
}

liveness_word *liveness_map(int fd, bool writable)
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *table = mmap(NULL, LIVENESS_BYTES, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);

    return table == MAP_FAILED ? NULL : table;
}

void liveness_unmap(liveness_word *table)
{
    if (table != NULL)
        munmap((void *)table, LIVENESS_BYTES);
}

void liveness_bury_all(liveness_word *table)
{
    uint32_t n_used = atomic_load(&table[LIVENESS_USED_SLOT]);

    if (n_used > PID_MAX_SLOTS) /* the dead worker wrote it: believe nothing */
        n_used = PID_MAX_SLOTS;
    for (uint32_t slot = 1; slot < n_used; slot++) {
        uint32_t word = atomic_load(&table[slot]);

        if ((word >> 1 & 1) != 0)
            atomic_store(&table[slot], ((word >> 1) + 1) << 1);
    }
}
