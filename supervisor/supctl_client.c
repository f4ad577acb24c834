#include "supervisor/supctl_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/min.h"
#include "common/paths.h"

#include "proto/frame.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"

#include "supervisor/control.h"

#define MAX_FOUND 32
#define CONNECT_S 5 /* patience with a full queue of connections */

struct supctl_client {
    int fd;
    char *path;
    uint64_t last_call;
    struct buf in;
};

/* ---- errors ---------------------------------------------------------------------- */

void supctl_error_finish(struct supctl_error *error)
{
    value_finish(&error->fields);
}

void supctl_error_set(struct supctl_error *error, const char *kind, const char *fmt,
                      ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    value_finish(&error->fields);
    error->fields = value_map();
    snprintf(error->kind, sizeof(error->kind), "%s", kind);
    value_put(&error->fields, "kind", value_string(kind));
    value_put(&error->fields, "message", value_string(text));
}

static int lost(struct supctl_error *error, const char *why)
{
    supctl_error_set(error, "Unavailable", "connection to the supervisor lost: %s",
                     why);
    error->unreachable = true;
    return -1;
}

/* ---- finding a supervisor -------------------------------------------------------- */

/* Fails with EAGAIN where nobody takes what waits to be taken. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = CONNECT_S};
    int fd, rc, why;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    do /* with a limit it isn't taken up again after ^Z and fg */
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    while (rc == -1 && errno == EINTR);
    if (rc == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void set_unreachable(struct supctl_error *error, const char *path, int why)
{
    if (why == EAGAIN)
        supctl_error_set(error, "Unavailable",
                         "the supervisor at %s takes no connections any more: it is "
                         "stopped, or hangs",
                         path);
    else if (why == EACCES)
        supctl_error_set(error, "PermissionDenied",
                         "%s belongs to another user: try as that one, or with sudo",
                         path);
    else
        supctl_error_set(error, "Unavailable", "no supervisor answers at %s: %s", path,
                         strerror(why));
    error->unreachable = true;
}

static struct supctl_client *client_create(int fd, const char *path)
{
    struct supctl_client *client = xcalloc(1, sizeof(*client));

    client->fd = fd;
    client->path = xstrdup(path);
    buf_init(&client->in, 0);
    return client;
}

struct found {
    int fds[MAX_FOUND];
    char *paths[MAX_FOUND];
    unsigned n;
    char *hopeless; /* one that is there, but can't be reached; NULL: none */
    int why;
};

/* Sockets that nobody listens at are left by who was killed. */
static void note_hopeless(struct found *found, char *path, int why)
{
    if ((why == EAGAIN || why == EACCES) && found->hopeless == NULL) {
        found->hopeless = path;
        found->why = why;
    } else {
        free(path);
    }
}

static void look_into(struct found *found, const char *dir)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;

    while (folder != NULL && found->n < MAX_FOUND &&
           (entry = readdir(folder)) != NULL) {
        size_t n = strlen(entry->d_name);
        char *path;
        int fd;

        if (n < 6 || strcmp(entry->d_name + n - 5, ".sock") != 0)
            continue;
        path = xasprintf("%s/%s", dir, entry->d_name);
        fd = connect_to(path);
        if (fd != -1) {
            found->fds[found->n] = fd;
            found->paths[found->n++] = path;
        } else {
            note_hopeless(found, path, errno);
        }
    }
    if (folder != NULL)
        closedir(folder);
}

static struct supctl_client *connect_only_one(struct supctl_error *error)
{
    char *dir = paths_control_dir();
    struct supctl_client *client = NULL;
    struct found found = {.n = 0};
    char all[700] = "";

    look_into(&found, dir);
    for (unsigned i = 0; i < found.n; i++) {
        size_t n = strlen(all);

        snprintf(all + n, sizeof(all) - n, "%s%s", i > 0 ? ", " : "", found.paths[i]);
        if (found.n == 1)
            client = client_create(found.fds[i], found.paths[i]);
        else
            close(found.fds[i]);
        free(found.paths[i]);
    }
    if (found.n == 0 && found.hopeless != NULL) {
        set_unreachable(error, found.hopeless, found.why);
    } else if (found.n == 0) {
        supctl_error_set(
            error, "Unavailable",
            "no supervisor is running (looked into %s; name its socket with "
            "--control)",
            dir);
        error->unreachable = true;
    } else if (found.n > 1) {
        supctl_error_set(error, "Conflict",
                         "%u supervisors are running, choose one with --control: %s",
                         found.n, all);
        error->unreachable = true;
    }
    free(found.hopeless);
    free(dir);
    return client;
}

struct supctl_client *supctl_client_connect(const char *path,
                                            struct supctl_error *error_out)
{
    int fd;

    if (path == NULL)
        return connect_only_one(error_out);
    fd = connect_to(path);
    if (fd != -1)
        return client_create(fd, path);
    set_unreachable(error_out, path, errno);
    return NULL;
}

void supctl_client_close(struct supctl_client *client)
{
    if (client == NULL)
        return;
    close(client->fd);
    buf_finish(&client->in);
    free(client->path);
    free(client);
}

const char *supctl_client_path(const struct supctl_client *client)
{
    return client->path;
}

/* ---- a request ------------------------------------------------------------------- */

#define MOMENT_NS 500000000u

struct pending {
    uint64_t call;
    uint64_t deadline_at_ns; /* 0 = none */
    bool has_moment;         /* of what comes after it */
    bool (*on_item)(void *context, const struct value *item);
    void *item_context;
    struct value *result_out;
    struct supctl_error *error_out;
};

/* Milliseconds to wait, -1 = for ever, 0 = the time is up. */
static int time_left_ms(const struct pending *pending)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();

    if (pending->deadline_at_ns == 0)
        return -1;
    if (pending->deadline_at_ns <= now_ns)
        return 0;
    return (int)min_u64((pending->deadline_at_ns - now_ns) / 1000000 + 1, 60000);
}

/* The supervisor itself would have told, had it only been too slow. */
static int be_silent(const struct supctl_client *client, struct supctl_error *error)
{
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);

    getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
    supctl_error_set(
        error, "Timeout",
        "no answer in time: the supervisor (pid %ld) is stopped, hangs, or "
        "has far too much to do",
        (long)peer.pid);
    error->silent = true;
    return -1;
}

/* 0: there is something to do, or it is worth another look; -1: the time is up. A
 * stream whose reader has enough ends as if it were writing to it: the next item may be
 * long in coming. */
static int wait_for(const struct supctl_client *client, short events,
                    const struct pending *pending)
{
    struct pollfd fds[] = {{.fd = client->fd, .events = events}, {.fd = STDOUT_FILENO}};
    bool streams = pending->on_item != NULL && fcntl(STDOUT_FILENO, F_GETFD) != -1;
    int left_ms = time_left_ms(pending), rc = poll(fds, streams ? 2 : 1, left_ms);

    if (rc > 0 && (fds[1].revents & (POLLERR | POLLHUP)) != 0)
        raise(SIGPIPE);
    if (rc == 0 && left_ms == 0)
        return be_silent(client, pending->error_out);
    if (rc == -1 && errno != EINTR)
        return lost(pending->error_out, strerror(errno));
    return 0;
}

/* The supervisor answers at the deadline, and has a moment for that from when we see
 * that it has passed: on a machine that stood still, both of us are late. */
static void grant_moment(struct pending *pending)
{
    if (!pending->has_moment || time_left_ms(pending) != 0)
        return;
    pending->has_moment = false;
    pending->deadline_at_ns = (uint64_t)clock_monotonic_ns() + MOMENT_NS;
}

static int send_all(struct supctl_client *client, const struct buf *buf,
                    const struct pending *pending)
{
    size_t n_done = 0;

    while (n_done < buf_len(buf)) {
        ssize_t n = send(client->fd, buf_head(buf) + n_done, buf_len(buf) - n_done,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n == -1 && errno == EAGAIN && wait_for(client, POLLOUT, pending) == -1)
            return -1;
        if (n == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n == -1) /* a refusal may be waiting: let the caller read it */
            return errno == EPIPE || errno == ECONNRESET
                       ? 0
                       : lost(pending->error_out, strerror(errno));
        n_done += (size_t)n;
    }
    return 0;
}

static int send_call(struct supctl_client *client, const char *target,
                     const struct value *args, const struct value *context,
                     const struct pending *pending)
{
    struct frame_call frame = {.call = pending->call,
                               .deadline_at_ns = pending->deadline_at_ns,
                               .target = bytes_of_text(target)};
    struct value context_map = value_map();
    struct buf out, arg_bytes, context_bytes;
    int rc = -1;

    buf_init(&out, 0);
    buf_init(&arg_bytes, 0);
    buf_init(&context_bytes, 0);
    if (context != NULL && context->type == VALUE_MAP && context->as.map.n > 0) {
        const char *trace = value_get_text(context, "traceparent");
        struct value *values = value_put(&context_map, "values", value_copy(context));

        if (trace != NULL) {
            value_remove(values, "traceparent");
            value_put(&context_map, TRACE_KEY, value_string(trace));
        }
        payload_encode(&context_bytes, &context_map, 1);
    }
    frame.context = buf_bytes(&context_bytes);
    if (frame.target.n > STR_MAX_BYTES ||
        !payload_encode(&arg_bytes, args->as.list.items, args->as.list.n)) {
        supctl_error_set(pending->error_out, "Invalid", "the request is too large");
        goto out;
    }
    frame.args = buf_bytes(&arg_bytes);
    if (!frame_encode_call(&out, &frame) ||
        buf_len(&out) > CONTROL_FRAME_MAX_BYTES + FRAME_HEADER_BYTES)
        supctl_error_set(pending->error_out, "Invalid",
                         "the request has %zu MiB, and %u are the most",
                         (buf_len(&out) + ((1u << 20) - 1)) >> 20,
                         CONTROL_FRAME_MAX_BYTES >> 20);
    else
        rc = send_all(client, &out, pending);
out:
    value_finish(&context_map);
    buf_finish(&out);
    buf_finish(&arg_bytes);
    buf_finish(&context_bytes);
    return rc;
}

/* An answer of an app that has no form here: the supervisor is well. */
static int refuse_answer(struct supctl_error *error, const char *what, const char *why)
{
    supctl_error_set(error, "Invalid", "%s can't be shown: %s", what, why);
    return -1;
}

static int take_error(struct bytes bytes, struct supctl_error *error)
{
    struct value fields;
    struct err err = {0};
    const char *kind;

    if (value_decode(bytes.data, bytes.n, NULL, &fields, &err) != 0)
        return refuse_answer(error, "it failed, and its error", err.text);
    if (fields.type != VALUE_MAP) {
        value_finish(&fields);
        return lost(error, "its answer makes no sense");
    }
    kind = value_get_text(&fields, "kind");
    supctl_error_finish(error);
    error->fields = fields;
    snprintf(error->kind, sizeof(error->kind), "%s",
             kind != NULL && kind[0] != '\0' ? kind : "Unknown");
    return -1;
}

/* 1 = that was the answer, 0 = go on, -1. */
static int take_reply(struct bytes body, const struct pending *pending)
{
    struct frame_reply reply;
    struct value list;
    struct err err = {0};

    if (frame_decode_reply(body, &reply, &err) != 0)
        return lost(pending->error_out, err.text);
    if (reply.call != pending->call && reply.call != 0)
        return 0; /* the late answer to something given up */
    if ((reply.status & ~REPLY_LINGERS) != REPLY_OK)
        return take_error(reply.result, pending->error_out);
    if (payload_decode(reply.result, &list, &err) != 0)
        return refuse_answer(pending->error_out, "it answered, and its result",
                             err.text);
    *pending->result_out = (struct value){0};
    if (list.as.list.n > 0) {
        *pending->result_out = list.as.list.items[0];
        list.as.list.items[0] = (struct value){0};
    }
    value_finish(&list);
    return 1;
}

static int take_item(struct bytes body, const struct pending *pending)
{
    struct frame_item frame;
    struct value item;
    struct err err = {0};
    bool goes_on;

    if (frame_decode_item(body, &frame, &err) != 0)
        return lost(pending->error_out, err.text);
    if (frame.call != pending->call || pending->on_item == NULL)
        return 0;
    if (value_decode(frame.item.data, frame.item.n, NULL, &item, &err) != 0)
        return lost(pending->error_out, err.text);
    goes_on = pending->on_item(pending->item_context, &item);
    value_finish(&item);
    *pending->result_out = (struct value){0};
    return goes_on ? 0 : 1;
}

/* Handles the complete frames that are there. 1 = answered, 0 = more is needed, -1. */
static int take_frames(struct supctl_client *client, const struct pending *pending)
{
    struct buf *in = &client->in;

    for (;;) {
        struct err err = {0};
        uint32_t n_body;
        uint8_t type;
        struct bytes body;
        int rc = frame_peek(buf_head(in), buf_len(in), FRAME_MAX_BYTES_DEFAULT, &type,
                            &n_body, &err);

        if (rc == -1)
            return lost(pending->error_out, err.text);
        if (rc == 0 || buf_len(in) < FRAME_HEADER_BYTES + (size_t)n_body)
            return 0;
        body = (struct bytes){buf_head(in) + FRAME_HEADER_BYTES, n_body};
        rc = type == FRAME_REPLY  ? take_reply(body, pending)
             : type == FRAME_ITEM ? take_item(body, pending)
                                  : 0;
        buf_consume(in, FRAME_HEADER_BYTES + (size_t)n_body);
        if (rc != 0)
            return rc;
    }
}

static int read_more(struct supctl_client *client, const struct pending *pending)
{
    uint8_t *room;
    ssize_t n;

    if (wait_for(client, POLLIN, pending) == -1)
        return -1;
    room = buf_reserve(&client->in, 65536);
    if (room == NULL)
        return lost(pending->error_out, "out of memory");
    n = recv(client->fd, room, 65536, MSG_DONTWAIT);
    if (n == -1 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return lost(pending->error_out, n == 0 ? "it has ended" : strerror(errno));
    client->in.end += (size_t)n;
    return 0;
}

int supctl_client_call(struct supctl_client *client, const char *target,
                       const struct value *args, const struct value *context,
                       uint64_t timeout_ms,
                       bool (*on_item)(void *context, const struct value *item),
                       void *item_context, struct value *result_out,
                       struct supctl_error *error_out)
{
    struct pending pending = {++client->last_call, 0,          true,     on_item,
                              item_context,        result_out, error_out};
    int rc;

    if (timeout_ms != 0)
        pending.deadline_at_ns = (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000;
    if (send_call(client, target, args, context, &pending) != 0)
        return -1;
    while ((rc = take_frames(client, &pending)) == 0) {
        grant_moment(&pending);
        if (read_more(client, &pending) != 0)
            return -1;
    }
    return rc == 1 ? 0 : -1;
}
