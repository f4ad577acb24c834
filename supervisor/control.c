#include "supervisor/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/router.h"
#include "supervisor/state.h"
#include "supervisor/system.h"

#define ACCEPTS_PER_TURN    16
#define ACCEPT_PAUSE_S      0.1
#define FIRST_FRAME_S       10.0
#define LOOK_AT_PATH_S      2.0
#define IDLE_MS             1000
#define SLOW_CLIENT_BYTES   ((size_t)1024 * 1024)
#define CLIENT_OUT_BYTES    ((size_t)72 * 1024 * 1024) /* one result of any size */
#define CLIENT_BUDGET_BYTES ((size_t)256 * 1024)

struct client {
    struct client_head head; /* first: calls.c knows only that part */
    struct control *control;
    struct list in_clients;
    struct ev_timer first_frame; /* half-open clients hold no place for long */
    struct ucred peer;
    uint64_t last_frame_at_ms;
};

struct control {
    struct supervisor *sup;
    char *path;
    int fd;         /* listens, -1 for a moment */
    int reserve_fd; /* given up to tell a client that we are out of descriptors */
    dev_t device;   /* of the socket file that is ours */
    ino_t inode;
    struct ev_io acceptor;
    struct ev_timer pause; /* of accepting, while nobody can be let in */
    struct ev_timer look;  /* is the file still there? */
    struct list clients;
    unsigned n_clients;
    bool is_lost; /* somebody else's socket is at our path: said once */
};

/* ---- the socket's file ----------------------------------------------------------- */

static int fill_address(struct sockaddr_un *out, const char *path, struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(out->sun_path))
        return err_set(err, ERR_INVALID,
                       "control socket path is longer than %zu bytes: %s; choose a "
                       "shorter one with --control",
                       sizeof(out->sun_path) - 1, path);
    memcpy(out->sun_path, path, strlen(path) + 1);
    return 0;
}

/* Nobody but us may put a socket of theirs into our folder. */
static int check_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? xstrdup(".")
                   : slash == path ? xstrdup("/")
                                   : xstrndup(path, (size_t)(slash - path));
    struct stat st;
    int rc = 0;

    if (state_make_folder(folder, err) != 0)
        rc = err_wrap(err, "control socket");
    else if (stat(folder, &st) == -1)
        rc = err_set(err, ERR_UNAVAILABLE, "control socket: %s: %s", folder,
                     strerror(errno));
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        rc = err_set(err, ERR_PERMISSION_DENIED,
                     "control socket: folder %s belongs to somebody else (uid %u)",
                     folder, (unsigned)st.st_uid);
    else if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
        rc = err_set(err, ERR_PERMISSION_DENIED,
                     "control socket: everybody may write to folder %s", folder);
    free(folder);
    return rc;
}

static int refuse_live(int fd, const char *path, struct err *err)
{
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
    return err_set(
        err, ERR_ALREADY_EXISTS,
        "another supervisor (pid %d) answers at %s; choose another path with "
        "--control",
        (int)peer.pid, path);
}

/* 0: nothing there, or a stale socket that may be replaced. */
static int check_path(const char *path, struct err *err)
{
    struct sockaddr_un address;
    struct stat st;
    int fd, rc = 0;

    if (lstat(path, &st) == -1)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_PERMISSION_DENIED, "control socket: %s is a %s", path,
                       S_ISLNK(st.st_mode) ? "symbolic link" : "file of another kind");
    if (fill_address(&address, path, err) != 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return err_set(err, ERR_UNAVAILABLE, "socket: %s", strerror(errno));
    /* EAGAIN: it listens, but its queue is full */
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
        errno == EAGAIN)
        rc = refuse_live(fd, path, err);
    close(fd);
    return rc;
}

/* Binds beside the path and moves it there when it listens: nobody ever finds a socket
 * that is open to others or answers nobody. Returns the descriptor or -1. */
static int listen_at(struct control *control, struct err *err)
{
    char *beside = xasprintf("%s.%ld", control->path, (long)getpid());
    struct sockaddr_un address;
    struct stat st;
    mode_t mask;
    int fd = -1, rc;

    if (fill_address(&address, beside, err) != 0)
        goto fail;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        err_set(err, ERR_UNAVAILABLE, "socket: %s", strerror(errno));
        goto fail;
    }
    unlink(beside);
    mask = umask(077);
    rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (rc == -1 || listen(fd, 128) == -1 || lstat(beside, &st) == -1 ||
        rename(beside, control->path) == -1) {
        err_set(err, ERR_UNAVAILABLE, "control socket %s: %s", control->path,
                strerror(errno));
        unlink(beside);
        goto fail;
    }
    control->device = st.st_dev;
    control->inode = st.st_ino;
    free(beside);
    return fd;
fail:
    if (fd != -1)
        close(fd);
    free(beside);
    return -1;
}

/* ---- clients --------------------------------------------------------------------- */

static void client_destroy(struct client *client)
{
    struct control *control = client->control;

    ev_timer_stop(control->sup->loop, &client->first_frame);
    router_on_client_gone(control->sup, client);
    list_remove(&client->in_clients);
    control->n_clients--;
    conn_destroy(client->head.conn);
    free(client);
}

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    struct client *client = context;

    ev_timer_stop(client->control->sup->loop, &client->first_frame);
    client->last_frame_at_ms = clock_monotonic_ms();
    return router_on_client_frame(client->control->sup, client, type, body, err);
}

static void on_closed(void *context, const struct err *reason)
{
    struct client *client = context;

    if (reason != NULL && reason->kind == ERR_INVALID)
        log_warn("control client sent rubbish, connection closed", "pid=%d why=%s",
                 (int)client->peer.pid, reason->text);
    client_destroy(client);
}

static void on_no_first_frame(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct client *client = container_of(timer, struct client, first_frame);

    (void)loop, (void)revents;
    log_info("control client said nothing, connection closed", "pid=%d",
             (int)client->peer.pid);
    client_destroy(client);
}

static void client_create(struct control *control, int fd, const struct ucred *peer)
{
    static const struct conn_limits limits = {.frame_max_bytes =
                                                  CONTROL_FRAME_MAX_BYTES,
                                              .high_water_bytes = SLOW_CLIENT_BYTES,
                                              .out_max_bytes = CLIENT_OUT_BYTES,
                                              .read_budget_bytes = CLIENT_BUDGET_BYTES};
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct client *client = xcalloc(1, sizeof(*client));

    client->control = control;
    client->peer = *peer;
    client->last_frame_at_ms = clock_monotonic_ms();
    peer_use_init(&client->head.use);
    list_append(&control->clients, &client->in_clients);
    control->n_clients++;
    ev_timer_init(&client->first_frame, on_no_first_frame, FIRST_FRAME_S, 0);
    ev_timer_start(control->sup->loop, &client->first_frame);
    client->head.conn =
        conn_create(&control->sup->conns, fd, &limits, &callbacks, client);
}

/* The answer to a request that nobody reads: a REPLY to call 0, then the end. */
static void refuse_client(int fd, const struct ucred *peer, enum err_kind kind,
                          const char *why)
{
    struct frame_reply reply = {.call = 0, .status = REPLY_ERROR};
    struct buf frame, error;
    struct err err = {0};

    err_set(&err, kind, "%s", why);
    log_warn("control client refused", "pid=%d uid=%u why=%s", (int)peer->pid,
             (unsigned)peer->uid, why);
    buf_init(&frame, 0);
    buf_init(&error, 0);
    if (error_encode(&error, &err)) {
        reply.result = buf_bytes(&error);
        if (frame_encode_reply(&frame, &reply))
            (void)!send(fd, buf_head(&frame), buf_len(&frame),
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    buf_finish(&frame);
    buf_finish(&error);
    close(fd);
}

/* Who still has to read an answer goes after those who have; then the oldest first. */
static bool goes_before(const struct client *a, const struct client *b)
{
    bool a_reads = conn_pending_bytes(a->head.conn) != 0,
         b_reads = conn_pending_bytes(b->head.conn) != 0;

    return a_reads != b_reads ? b_reads : a->last_frame_at_ms < b->last_frame_at_ms;
}

/* Somebody who asks for nothing makes room for the next. */
static bool evict_idle_client(struct control *control)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct client *first = NULL;

    LIST_FOREACH (node, &control->clients) {
        struct client *client = container_of(node, struct client, in_clients);

        if (client->head.use.n_calls != 0 || client->head.use.n_requests != 0 ||
            now_ms - client->last_frame_at_ms < IDLE_MS)
            continue;
        if (first == NULL || goes_before(client, first))
            first = client;
    }
    if (first == NULL)
        return false;
    client_destroy(first);
    return true;
}

static void admit(struct control *control, int fd)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1};
    socklen_t n = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == -1 ||
        (peer.uid != 0 && peer.uid != geteuid()))
        refuse_client(
            fd, &peer, ERR_PERMISSION_DENIED,
            "only root and the user who started this supervisor may steer it");
    else if (control->n_clients >= CONTROL_MAX_CLIENTS && !evict_idle_client(control))
        refuse_client(fd, &peer, ERR_RATE_LIMITED, "too many control clients");
    else
        client_create(control, fd, &peer);
}

static void open_reserve(struct control *control)
{
    if (control->reserve_fd == -1)
        control->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: the reserve lets us say so. False when not even that is
 * possible. */
static bool accept_with_reserve(struct control *control)
{
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);
    int fd;

    if (control->reserve_fd == -1)
        return false;
    close(control->reserve_fd);
    control->reserve_fd = -1;
    fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd != -1) {
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
        refuse_client(fd, &peer, ERR_UNAVAILABLE,
                      "the supervisor is out of file descriptors, see LimitNOFILE or "
                      "ulimit -n");
    }
    open_reserve(control);
    return fd != -1;
}

/* The client stays in the queue, and the loop would ask for it without a pause. */
static void pause_accepting(struct control *control)
{
    ev_io_stop(control->sup->loop, &control->acceptor);
    ev_timer_set(&control->pause, ACCEPT_PAUSE_S, 0.);
    ev_timer_start(control->sup->loop, &control->pause);
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct control *control = container_of(timer, struct control, pause);

    (void)revents;
    open_reserve(control);
    ev_io_start(loop, &control->acceptor);
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct control *control = container_of(io, struct control, acceptor);

    (void)loop, (void)revents;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd != -1) {
            admit(control, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS) {
            if (!accept_with_reserve(control))
                pause_accepting(control);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- life ------------------------------------------------------------------------ */

static int start_listening(struct control *control, struct err *err)
{
    int fd;

    if (check_folder(control->path, err) != 0 || check_path(control->path, err) != 0)
        return -1;
    fd = listen_at(control, err);
    if (fd == -1)
        return -1;
    if (control->fd != -1) {
        ev_io_stop(control->sup->loop, &control->acceptor);
        ev_timer_stop(control->sup->loop, &control->pause);
        close(control->fd);
    }
    control->fd = fd;
    ev_io_init(&control->acceptor, on_acceptable, fd, EV_READ);
    ev_io_start(control->sup->loop, &control->acceptor);
    return 0;
}

static bool is_ours(const struct control *control)
{
    struct stat st;

    return lstat(control->path, &st) == 0 && st.st_dev == control->device &&
           st.st_ino == control->inode;
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct control *control = container_of(timer, struct control, look);
    struct err err = {0};

    (void)loop, (void)revents;
    if (is_ours(control))
        return;
    if (start_listening(control, &err) == 0) {
        log_warn("control socket had vanished, created again", "path=%s",
                 control->path);
        control->is_lost = false;
    } else if (!control->is_lost) {
        log_error("control socket is lost, supctl can't reach us", "path=%s why=%s",
                  control->path, err.text);
        control->is_lost = true;
    }
}

struct control *control_create(struct supervisor *sup, const char *path,
                               struct err *err)
{
    struct control *control = xcalloc(1, sizeof(*control));

    control->sup = sup;
    control->path = xstrdup(path);
    control->fd = -1;
    control->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&control->clients);
    ev_init(&control->acceptor, on_acceptable);
    ev_init(&control->pause, on_pause_over);
    ev_timer_init(&control->look, on_look, LOOK_AT_PATH_S, LOOK_AT_PATH_S);
    if (start_listening(control, err) != 0) {
        struct err why = *err;

        if (strstr(why.text, "--control") == NULL)
            err_set(err, why.kind, "%s; choose another path with --control", why.text);
        control_destroy(control);
        return NULL;
    }
    ev_timer_start(sup->loop, &control->look);
    return control;
}

void control_destroy(struct control *control)
{
    if (control == NULL)
        return;
    ev_timer_stop(control->sup->loop, &control->look);
    ev_timer_stop(control->sup->loop, &control->pause);
    LIST_FOREACH_SAFE (node, &control->clients) {
        struct client *client = container_of(node, struct client, in_clients);

        conn_flush(client->head.conn);
        client_destroy(client);
    }
    if (control->fd != -1) {
        ev_io_stop(control->sup->loop, &control->acceptor);
        close(control->fd);
        if (is_ours(control))
            unlink(control->path);
    }
    if (control->reserve_fd != -1)
        close(control->reserve_fd);
    free(control->path);
    free(control);
}

unsigned control_count_clients(const struct control *control)
{
    return control->n_clients;
}
