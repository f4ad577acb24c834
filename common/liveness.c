#include "common/liveness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int liveness_create(void)
{
    int fd = memfd_create("troupe-liveness", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    /* Sealed: whoever maps it would get SIGBUS if its worker could cut it off. Not
     * writable by name: who has it read-only can't open it anew for writing. */
    if (fd != -1 &&
        (ftruncate(fd, (off_t)LIVENESS_BYTES) == -1 || fchmod(fd, 0400) == -1 ||
         fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)) {
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

void liveness_bury(liveness_word *table, uint32_t first_slot, uint32_t n_slots)
{
    for (uint32_t slot = first_slot; n_slots != 0; slot++, n_slots--) {
        uint32_t word = atomic_load(&table[slot]);

        if (slot != LIVENESS_USED_SLOT && (word >> 1 & 1) != 0)
            atomic_store(&table[slot], ((word >> 1) + 1) << 1);
    }
}
