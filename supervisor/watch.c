#include "supervisor/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/text_end.h"

#define MAX_FOLDERS 10000
#define EVENTS                                                                         \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM |         \
     IN_MOVED_TO | IN_ONLYDIR)

/* One watched folder. */
struct folder {
    char *path;
    int wd;
    bool deep; /* what is below it too */
};

struct root {
    char *path;
    bool deep;
};

struct watch {
    struct ev_loop *loop;
    int fd;
    struct ev_io io;
    struct ev_timer quiet;
    uint64_t first_at_ms; /* of the changes that nobody was told of; 0: none */
    struct map folders;   /* wd -> struct folder */
    struct root *roots;
    size_t n_roots;
    bool full; /* said so */
    void (*changed)(void *context);
    void *context;
};

/* ---- what counts ----------------------------------------------------------------- */

/* Is that the name of a file that says nothing? */
static bool is_ignored(const char *name)
{
    static const char *const ends[] = {"~",    ".swp",  ".swx",    ".tmp",     ".bak",
                                       ".db",  ".log",  ".sqlite", "-journal", "-wal",
                                       "-shm", ".part", ".orig",   ".pid"};

    if (name[0] == '.' || name[0] == '#')
        return true;
    for (size_t i = 0; i < N_ELEMENTS(ends); i++)
        if (text_ends_with(name, ends[i]))
            return true;
    /* vim tries whether it may write */
    return name[strspn(name, "0123456789")] == '\0';
}

static bool is_folder_to_watch(const char *name)
{
    return name[0] != '.' && strcmp(name, "node_modules") != 0;
}

/* ---- folders --------------------------------------------------------------------- */

static void free_folder(struct folder *folder)
{
    free(folder->path);
    free(folder);
}

static void say_full(struct watch *watch, const char *path)
{
    if (!watch->full)
        log_warn("can't watch all folders, changes in some won't be seen",
                 "path=%s why=%s", path,
                 errno == ENOSPC ? "fs.inotify.max_user_watches is reached"
                                 : strerror(errno));
    watch->full = true;
}

/* -1 when it can't be watched: perhaps it is gone again. */
static int add_folder(struct watch *watch, const char *path, bool deep)
{
    struct folder *folder, *old;
    int wd;

    if (watch->folders.n >= MAX_FOLDERS) {
        errno = ENOSPC;
        say_full(watch, path);
        return -1;
    }
    wd = inotify_add_watch(watch->fd, path, EVENTS);
    if (wd == -1) {
        if (errno != ENOENT && errno != ENOTDIR)
            say_full(watch, path);
        return -1;
    }
    folder = xcalloc(1, sizeof(*folder));
    *folder = (struct folder){.path = xstrdup(path), .wd = wd, .deep = deep};
    old = map_put_number(&watch->folders, (uint64_t)wd, folder);
    if (old != NULL) {
        folder->deep = folder->deep || old->deep;
        free_folder(old);
    }
    return 0;
}

/* Paths still to be looked at. */
struct stack {
    char **items;
    size_t n, size;
};

static void push(struct stack *stack, char *path)
{
    if (stack->n == stack->size) {
        stack->size = stack->size == 0 ? 16 : stack->size * 2;
        stack->items = xrealloc(stack->items, stack->size * sizeof(char *));
    }
    stack->items[stack->n++] = path;
}

static void push_children(struct stack *stack, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *item;

    while (dir != NULL && (item = readdir(dir)) != NULL) {
        char *child;
        struct stat st;

        if (!is_folder_to_watch(item->d_name))
            continue;
        child = xasprintf("%s/%s", path, item->d_name);
        if (lstat(child, &st) == 0 && S_ISDIR(st.st_mode) && stack->n < MAX_FOLDERS)
            push(stack, child);
        else
            free(child);
    }
    if (dir != NULL)
        closedir(dir);
}

/* A folder is watched before it is read: what comes in between is seen twice, not
 * never. */
static void add_tree(struct watch *watch, const char *path, bool deep)
{
    struct stack stack = {0};

    push(&stack, xstrdup(path));
    while (stack.n != 0) {
        char *one = stack.items[--stack.n];

        if (add_folder(watch, one, deep) == 0 && deep)
            push_children(&stack, one);
        free(one);
    }
    free(stack.items);
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The kernel's answer, IN_IGNORED, frees them. */
static void forget_tree(const struct watch *watch, const char *path)
{
    MAP_FOREACH (row, &watch->folders) {
        const struct folder *folder = row->value;

        if (is_below(folder->path, path))
            inotify_rm_watch(watch->fd, folder->wd);
    }
}

/* ---- changes --------------------------------------------------------------------- */

static void note_change(struct watch *watch)
{
    uint64_t now_ms = clock_monotonic_ms(), wait_ms = WATCH_QUIET_MS, spent_ms;

    if (watch->first_at_ms == 0)
        watch->first_at_ms = now_ms;
    spent_ms = now_ms - watch->first_at_ms;
    if (spent_ms + wait_ms > WATCH_PATIENCE_MS)
        wait_ms = spent_ms < WATCH_PATIENCE_MS ? WATCH_PATIENCE_MS - spent_ms : 0;
    ev_now_update(watch->loop);
    ev_timer_stop(watch->loop, &watch->quiet);
    ev_timer_set(&watch->quiet, (double)wait_ms / 1e3, 0);
    ev_timer_start(watch->loop, &watch->quiet);
}

static void on_quiet(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct watch *watch = container_of(timer, struct watch, quiet);

    (void)loop, (void)revents;
    watch->first_at_ms = 0;
    watch->changed(watch->context);
}

static void take_folder_event(struct watch *watch, const struct folder *folder,
                              const struct inotify_event *event)
{
    char *path;

    if (!folder->deep || !is_folder_to_watch(event->name))
        return;
    path = xasprintf("%s/%s", folder->path, event->name);
    if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
        add_tree(watch, path, true);
    else if ((event->mask & IN_MOVED_FROM) != 0)
        forget_tree(watch, path);
    free(path);
    note_change(watch);
}

static void take_event(struct watch *watch, const struct inotify_event *event)
{
    struct folder *folder;

    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        for (size_t i = 0; i < watch->n_roots; i++)
            add_tree(watch, watch->roots[i].path, watch->roots[i].deep);
        note_change(watch);
        return;
    }
    folder = map_find_number(&watch->folders, (uint64_t)event->wd);
    if (folder == NULL)
        return;
    if ((event->mask & IN_IGNORED) != 0) {
        map_remove_number(&watch->folders, (uint64_t)event->wd);
        free_folder(folder);
        note_change(watch);
    } else if ((event->mask & IN_ISDIR) != 0 && event->len != 0) {
        take_folder_event(watch, folder, event);
    } else if (event->len != 0 && !is_ignored(event->name)) {
        note_change(watch);
    }
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct watch *watch = container_of(io, struct watch, io);
    _Alignas(struct inotify_event) char buffer[16384];
    ssize_t n = read(watch->fd, buffer, sizeof(buffer));

    (void)loop, (void)revents;
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(buffer + at);

        take_event(watch, event);
        at += (ssize_t)sizeof(*event) + event->len;
    }
}

/* ---- life ------------------------------------------------------------------------ */

static void add_root(struct watch *watch, const char *path)
{
    struct root *root = &watch->roots[watch->n_roots++];
    const char *slash = strrchr(path, '/');
    struct stat st;

    root->deep = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (root->deep)
        root->path = xstrdup(path);
    else
        root->path = slash == NULL   ? xstrdup(".")
                     : slash == path ? xstrdup("/")
                                     : xstrndup(path, (size_t)(slash - path));
    add_tree(watch, root->path, root->deep);
}

struct watch *watch_create(struct ev_loop *loop, const char *const *paths, size_t n,
                           void (*changed)(void *context), void *context,
                           struct err *err)
{
    struct watch *watch;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd == -1) {
        err_set(err, ERR_UNAVAILABLE, "can't watch files: %s", strerror(errno));
        return NULL;
    }
    watch = xcalloc(1, sizeof(*watch));
    watch->loop = loop;
    watch->fd = fd;
    watch->changed = changed;
    watch->context = context;
    watch->roots = xcalloc(n + 1, sizeof(*watch->roots));
    map_init(&watch->folders);
    for (size_t i = 0; i < n; i++)
        add_root(watch, paths[i]);
    ev_timer_init(&watch->quiet, on_quiet, 0, 0);
    ev_io_init(&watch->io, on_readable, fd, EV_READ);
    ev_io_start(loop, &watch->io);
    return watch;
}

void watch_destroy(struct watch *watch)
{
    if (watch == NULL)
        return;
    ev_io_stop(watch->loop, &watch->io);
    ev_timer_stop(watch->loop, &watch->quiet);
    close(watch->fd);
    MAP_FOREACH (row, &watch->folders)
        free_folder(row->value);
    map_finish(&watch->folders);
    for (size_t i = 0; i < watch->n_roots; i++)
        free(watch->roots[i].path);
    free(watch->roots);
    free(watch);
}
