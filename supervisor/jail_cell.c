#include "supervisor/jail_cell.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/readable.h"

#define PATIENCE_S 5
#define ROOT       "/tmp" /* where the files of the cell are put together, in there only */

static const struct {
    int flag;
    const char *path;
} parts[CELL_N_PARTS] = {
    [CELL_USER] = {CLONE_NEWUSER, "/proc/self/ns/user"},
    [CELL_MOUNTS] = {CLONE_NEWNS, "/proc/self/ns/mnt"},
    [CELL_NETWORK] = {CLONE_NEWNET, "/proc/self/ns/net"},
    [CELL_IPC] = {CLONE_NEWIPC, "/proc/self/ns/ipc"},
};

union rights {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CELL_N_PARTS * sizeof(int))];
};

static void have_none(struct cell *cell, int error)
{
    for (size_t i = 0; i < CELL_N_PARTS; i++) {
        cell->fds[i] = -1;
        cell->errors[i] = error;
    }
}

/* ---- in the child: it was forked, perhaps beside threads, and allocates nothing -- */

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd == -1)
        return errno;
    n = write(fd, text, strlen(text));
    close(fd);
    return n == -1 ? errno : 0;
}

/* Nobody is in there but who we are already. */
static int enter_own_user_namespace(void)
{
    unsigned uid = geteuid(), gid = getegid();
    char text[64];
    int failed;

    if (unshare(CLONE_NEWUSER) == -1)
        return errno;
    snprintf(text, sizeof(text), "%u %u 1", uid, uid);
    failed = write_text("/proc/self/uid_map", text);
    if (failed == 0)
        failed = write_text("/proc/self/setgroups", "deny");
    snprintf(text, sizeof(text), "%u %u 1", gid, gid);
    return failed != 0 ? failed : write_text("/proc/self/gid_map", text);
}

static void make_folders_above(char *path)
{
    for (char *at = strchr(path + strlen(ROOT) + 1, '/'); at != NULL;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0755); /* may be there; what depends on it fails if not */
        *at = '/';
    }
}

/* The same file or folder, at the same place below the new root. */
static int show(const char *path)
{
    char to[PATH_MAX];
    struct stat info;
    int fd;

    if (stat(path, &info) == -1)
        return 0;
    snprintf(to, sizeof(to), ROOT "%s", path);
    make_folders_above(to);
    if (S_ISDIR(info.st_mode)) {
        mkdir(to, 0755);
    } else {
        fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd == -1)
            return errno;
        close(fd);
    }
    return mount(path, to, NULL, MS_BIND | MS_REC, NULL) == -1 ? errno : 0;
}

/* Names of libraries start with /lib, which is a link these days. */
static int show_links(void)
{
    static const char *const links[] = {"/lib", "/lib64"};
    char target[PATH_MAX], to[64];
    ssize_t n;

    for (size_t i = 0; i < N_ELEMENTS(links); i++) {
        n = readlink(links[i], target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        snprintf(to, sizeof(to), ROOT "%s", links[i]);
        if (symlink(target, to) == -1)
            return errno;
    }
    return 0;
}

static int change_root(void)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                MOUNT_ATTR_NODEV};

    if (mount_setattr(AT_FDCWD, ROOT, AT_RECURSIVE, &attributes, sizeof(attributes)) ==
            -1 ||
        chdir(ROOT) == -1 || syscall(SYS_pivot_root, ".", ".") == -1 ||
        umount2(".", MNT_DETACH) == -1 || chdir("/") == -1)
        return errno;
    return 0;
}

static int furnish(void)
{
    int failed = 0;

    umask(022);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("troupe", ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=256k,nr_inodes=256,mode=0755") == -1)
        return errno;
    for (size_t i = 0; readable_paths[i] != NULL && failed == 0; i++)
        failed = show(readable_paths[i]);
    if (failed == 0)
        failed = show_links();
    return failed != 0 ? failed : change_root();
}

static void make_part(struct cell *cell, enum cell_part part)
{
    if (part != CELL_USER && unshare(parts[part].flag) == -1) {
        cell->errors[part] = errno;
        return;
    }
    cell->fds[part] = open(parts[part].path, O_RDONLY | O_CLOEXEC);
    cell->errors[part] = cell->fds[part] == -1 ? errno : 0;
    if (part == CELL_MOUNTS && cell->fds[part] != -1)
        cell->errors[part] = furnish();
}

/* The mounts last: there is no /proc afterwards. Without a user namespace that workers
 * can enter too, what is made inside of it is of no use to them. */
static void make_parts(struct cell *cell)
{
    make_part(cell, CELL_NETWORK);
    cell->errors[CELL_USER] = CELL_NOT_NEEDED;
    if (cell->errors[CELL_NETWORK] == EPERM) {
        int failed = enter_own_user_namespace();

        if (failed == 0) {
            make_part(cell, CELL_USER);
            failed = cell->errors[CELL_USER];
        }
        if (failed != 0) {
            have_none(cell, failed);
            return;
        }
        make_part(cell, CELL_NETWORK);
    }
    make_part(cell, CELL_IPC);
    make_part(cell, CELL_MOUNTS);
}

static void hand_over(int socket_fd, const struct cell *cell)
{
    struct iovec data = {(void *)cell, sizeof(*cell)};
    union rights rights = {0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    int fds[CELL_N_PARTS];
    size_t n = 0;

    for (size_t i = 0; i < CELL_N_PARTS; i++)
        if (cell->errors[i] == 0)
            fds[n++] = cell->fds[i];
    if (n != 0) {
        message.msg_control = rights.bytes;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        rights.header.cmsg_level = SOL_SOCKET;
        rights.header.cmsg_type = SCM_RIGHTS;
        rights.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&rights.header), fds, n * sizeof(int));
    }
    sendmsg(socket_fd, &message, MSG_NOSIGNAL);
}

/* ---- in the supervisor ----------------------------------------------------------- */

static void take_over(int socket_fd, struct cell *cell)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct iovec data = {cell, sizeof(*cell)};
    union rights rights = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = rights.bytes,
                             .msg_controllen = sizeof(rights.bytes)};
    const struct cmsghdr *header;
    ssize_t got;
    size_t n = 0, n_fds;

    setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    do
        got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (got == -1 && errno == EINTR);
    header = CMSG_FIRSTHDR(&message);
    n_fds = header != NULL ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    for (size_t i = 0; i < CELL_N_PARTS; i++) {
        cell->fds[i] = -1;
        if (got != (ssize_t)sizeof(*cell))
            cell->errors[i] = ECHILD;
        else if (cell->errors[i] == 0 && n == n_fds) /* we are out of descriptors */
            cell->errors[i] = EMFILE;
        else if (cell->errors[i] == 0)
            memcpy(&cell->fds[i], CMSG_DATA(header) + sizeof(int) * n++, sizeof(int));
    }
}

void cell_make(struct cell *cell)
{
    int fds[2];
    pid_t pid;

    have_none(cell, EPERM);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1) {
        have_none(cell, errno);
        return;
    }
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a signal may end us both at boot */
        make_parts(cell);
        hand_over(fds[1], cell);
        _exit(0);
    }
    close(fds[1]);
    if (pid == -1) {
        have_none(cell, errno);
    } else {
        take_over(fds[0], cell);
        kill(pid, SIGKILL); /* it is done, or has had its time */
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
            ;
    }
    close(fds[0]);
}

void cell_close(struct cell *cell)
{
    for (size_t i = 0; i < CELL_N_PARTS; i++) {
        if (cell->fds[i] != -1)
            close(cell->fds[i]);
        cell->fds[i] = -1;
    }
}
