#include "supervisor/registry_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/text_end.h"

#define MAX_NAMES      1000000 /* that one walk looks at */
#define MAX_PATH_BYTES 4000
#define OPEN_FLAGS     (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static void add_name(struct file_list *list, char *name)
{
    if (list->n == list->size) {
        list->size = list->size == 0 ? 16 : list->size * 2;
        list->names = xrealloc(list->names, list->size * sizeof(*list->names));
    }
    list->names[list->n++] = name;
}

void file_list_finish(struct file_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct file_list){0};
}

bool folder_is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int folder_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
                       "can't open folder '%s': %s", path, strerror(errno));
    return fd;
}

/* ---- walking --------------------------------------------------------------------- */

static bool is_data_file(const char *name)
{
    return text_ends_with(name, ".yaml") || text_ends_with(name, ".yml") ||
           text_ends_with(name, ".json");
}

/* From the last name to the first: they are taken from the end of a stack. */
static int compare_backwards(const void *left, const void *right)
{
    return strcmp(*(char *const *)right, *(char *const *)left);
}

/* REG-02: folders that the environment says hold only tests, "a,b". */
static bool is_test_folder(const char *name)
{
    const char *names = getenv("SKIP_TEST_DIRS");
    size_t n = strlen(name), n_item;

    for (const char *at = names; at != NULL && *at != '\0';
         at += n_item + (at[n_item] != '\0')) {
        at += strspn(at, " ");
        n_item = strcspn(at, ",");
        if (strncmp(at, name, n) == 0 && n + strspn(at + n, " ") == n_item)
            return true;
    }
    return false;
}

/* Folders get a '/' at the end; other things than folders and files are left out. A
 * link counts as what it leads to only if that is a file. */
static char *describe(int dir_fd, const char *folder, const struct dirent *item,
                      bool all)
{
    const char *name = item->d_name;
    struct stat st;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (!all && (name[0] == '.' || strcmp(name, "node_modules") == 0)) ||
        strlen(folder) + strlen(name) > MAX_PATH_BYTES ||
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return NULL;
    if (S_ISDIR(st.st_mode))
        return !all && is_test_folder(name) ? NULL : xasprintf("%s%s/", folder, name);
    if (S_ISLNK(st.st_mode) && all)
        return NULL;
    if (S_ISLNK(st.st_mode) && fstatat(dir_fd, name, &st, 0) == -1)
        return errno == ENOENT && is_data_file(name) ? xasprintf("%s%s", folder, name)
                                                     : NULL;
    return S_ISREG(st.st_mode) && (all || is_data_file(name))
               ? xasprintf("%s%s", folder, name)
               : NULL;
}

/* Pushes what folder ("" or "a/b/") holds onto the stack, the first name on top. */
static int push_folder(int root_fd, const char *folder, bool all,
                       struct file_list *stack, size_t *n_looked, struct err *err)
{
    size_t first = stack->n;
    const struct dirent *item;
    DIR *dir;
    int fd = openat(root_fd, folder[0] == '\0' ? "." : folder,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
        err_set(err, ERR_INVALID, "can't read folder '%s': %s", folder,
                strerror(errno));
        if (fd != -1)
            close(fd);
        return -1;
    }
    while ((item = readdir(dir)) != NULL) {
        char *name;

        if (++*n_looked > MAX_NAMES) {
            closedir(dir);
            return err_set(err, ERR_INVALID, "more than %d files and folders",
                           MAX_NAMES);
        }
        name = describe(dirfd(dir), folder, item, all);
        if (name != NULL)
            add_name(stack, name);
    }
    closedir(dir);
    if (stack->n - first > 1)
        qsort(stack->names + first, stack->n - first, sizeof(*stack->names),
              compare_backwards);
    return 0;
}

static int walk(int dir_fd, bool all, struct file_list *out, struct err *err)
{
    struct file_list stack = {0};
    size_t n_looked = 0;
    int rc = push_folder(dir_fd, "", all, &stack, &n_looked, err);

    while (rc == 0 && stack.n > 0) {
        char *name = stack.names[--stack.n];

        if (text_ends_with(name, "/")) {
            rc = push_folder(dir_fd, name, all, &stack, &n_looked, err);
            free(name);
        } else {
            add_name(out, name);
        }
    }
    file_list_finish(&stack);
    return rc;
}

int files_walk(int dir_fd, struct file_list *out, struct err *err)
{
    return walk(dir_fd, false, out, err);
}

int files_walk_all(int dir_fd, struct file_list *out, struct err *err)
{
    return walk(dir_fd, true, out, err);
}

/* ---- reading --------------------------------------------------------------------- */

static int read_all(int fd, size_t size, const char *name, size_t max_bytes,
                    char **text_out, size_t *n_out, struct err *err)
{
    char *text = malloc(size + 1);
    size_t n = 0;

    if (text == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for %zu bytes", size);
    /* One byte more than it said: it may have grown. */
    while (n <= size) {
        ssize_t got = read(fd, text + n, size + 1 - n);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1) {
            err_set(err, ERR_INVALID, "failed to read file %s: %s", name,
                    strerror(errno));
            free(text);
            return -1;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    if (n > size) {
        free(text);
        if (size >= max_bytes)
            return err_set(err, ERR_LIMIT_EXCEEDED, "file %s has more than %zu bytes",
                           name, max_bytes);
        return err_set(err, ERR_UNAVAILABLE, "file %s grew while it was read", name);
    }
    text[n] = '\0';
    *text_out = text;
    *n_out = n;
    return 0;
}

/* Takes fd, which may be -1 with errno. */
static int read_opened(int fd, const char *name, size_t max_bytes, char **text_out,
                       size_t *n_out, struct err *err)
{
    struct stat st;
    int rc;

    if (fd == -1)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
                       "failed to read file %s: %s", name, strerror(errno));
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
        rc = err_set(err, ERR_INVALID, "failed to read file %s: it is no regular file",
                     name);
    else if ((unsigned long long)st.st_size > max_bytes)
        rc = err_set(err, ERR_LIMIT_EXCEEDED, "file %s has %lld bytes, more than %zu",
                     name, (long long)st.st_size, max_bytes);
    else
        rc = read_all(fd, (size_t)st.st_size, name, max_bytes, text_out, n_out, err);
    close(fd);
    return rc;
}

int file_read(int dir_fd, const char *name, size_t max_bytes, char **text_out,
              size_t *n_out, struct err *err)
{
    return read_opened(openat(dir_fd, name, OPEN_FLAGS), name, max_bytes, text_out,
                       n_out, err);
}

static bool is_link(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISLNK(info.st_mode);
}

/* For kernels (and filters) without openat2: part by part, and no links at all. */
static int open_by_parts(int dir_fd, const char *name)
{
    int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0), saved;

    while (fd != -1) {
        size_t n = strcspn(name, "/");
        char *part = xstrndup(name, n);
        bool last = name[n] == '\0';
        int next =
            openat(fd, part, O_NOFOLLOW | (last ? OPEN_FLAGS : O_PATH | O_CLOEXEC));

        saved = errno;
        if (!last && next != -1 && is_link(next)) {
            close(next);
            next = -1;
            saved = EXDEV;
        }
        free(part);
        close(fd);
        errno = saved;
        if (last)
            return next;
        fd = next;
        name += n + strspn(name + n, "/");
    }
    return -1;
}

static int open_beneath(int dir_fd, const char *name)
{
    struct open_how how = {.flags = OPEN_FLAGS,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

    if (fd == -1 && (errno == ENOSYS || errno == EPERM))
        return open_by_parts(dir_fd, name);
    return fd;
}

int file_read_beneath(int dir_fd, const char *name, size_t max_bytes, char **text_out,
                      size_t *n_out, struct err *err)
{
    int fd = open_beneath(dir_fd, name);

    if (fd == -1 && errno == EXDEV)
        return err_set(err, ERR_INVALID, "path traversal detected in file path: %s",
                       name);
    return read_opened(fd, name, max_bytes, text_out, n_out, err);
}

size_t file_peek(int dir_fd, const char *name, char *out, size_t max_bytes)
{
    int fd = openat(dir_fd, name, OPEN_FLAGS);
    ssize_t got;

    if (fd == -1)
        return 0;
    got = read(fd, out, max_bytes);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* ---- paths ----------------------------------------------------------------------- */

/* Appends one part to out ("a/b", n bytes); false when it leads above the root. */
static bool add_part(char *out, size_t *n, const char *part, size_t n_part)
{
    if (n_part == 0 || (n_part == 1 && part[0] == '.'))
        return true;
    if (n_part == 2 && memcmp(part, "..", 2) == 0) {
        if (*n == 0)
            return false;
        while (*n > 0 && out[*n - 1] != '/')
            --*n;
        if (*n > 0)
            --*n;
        return true;
    }
    if (*n > 0)
        out[(*n)++] = '/';
    memcpy(out + *n, part, n_part);
    *n += n_part;
    return true;
}

char *path_resolve(const char *base, const char *path)
{
    const char *both[2] = {base, path};
    char *out = xmalloc(strlen(base) + strlen(path) + 3);
    size_t n = 0;

    for (int i = 0; i < 2; i++)
        for (const char *at = both[i]; *at != '\0';) {
            size_t n_part = strcspn(at, "/");

            if (!add_part(out, &n, at, n_part)) {
                free(out);
                return NULL;
            }
            at += n_part + (at[n_part] == '/');
        }
    out[n] = '\0';
    return out;
}
