/*
 * What may be asked of the supervisor: requests with any arguments, by clients of the
 * control socket and by workers. Each is answered, now or later, or costs who asked its
 * connection.
 *
 * Input: a request on each line, "@TARGET JSON…" with the arguments as one JSON list;
 * "!" before it: a worker asks. What is no such line is taken for the body of a frame.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ev.h>

#include "common/err.h"
#include "common/list.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/router.h"

#include "tests/fuzz/floor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What control.c keeps of a client is its own affair; others see this much. */
struct client {
    struct client_head head;
};

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    (void)context, (void)type, (void)body, (void)err;
    return 0;
}

static void on_closed(void *context, const struct err *reason)
{
    (void)context, (void)reason;
}

static struct client *client_open(struct supervisor *sup, int *peer_fd)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct client *client = calloc(1, sizeof(*client));
    int fds[2];

    if (client == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == -1)
        abort();
    peer_use_init(&client->head.use);
    client->head.conn =
        conn_create(&sup->conns, fds[0], &conn_limits_default, &callbacks, client);
    *peer_fd = fds[1];
    return client;
}

static void client_close(struct supervisor *sup, struct client *client, int peer_fd)
{
    router_on_client_gone(sup, client);
    conn_destroy(client->head.conn);
    free(client);
    close(peer_fd);
}

/* Files are written where an entry says; that is nothing to try at random. */
static bool is_harmless(const uint8_t *data, size_t n)
{
    return memmem(data, n, "storage.file", strlen("storage.file")) == NULL;
}

static void send_frame(struct supervisor *sup, struct client *client, bool as_worker,
                       uint8_t type, struct bytes body)
{
    struct err err = {0};

    if (as_worker)
        router_on_worker_frame(sup, floor_worker(0), type, body, &err);
    else
        router_on_client_frame(sup, client, type, body, &err);
}

/* As supctl and workers write it. */
static void ask(struct supervisor *sup, struct client *client, bool as_worker,
                struct bytes target, const struct value *args)
{
    static uint64_t n_calls;
    struct frame_call call = {.call = ++n_calls, .target = target};
    struct buf frame, payload;

    buf_init(&frame, 0);
    buf_init(&payload, 0);
    if (payload_encode(&payload, args->as.list.items, args->as.list.n)) {
        call.args = buf_bytes(&payload);
        if (frame_encode_call(&frame, &call))
            send_frame(sup, client, as_worker, FRAME_CALL,
                       (struct bytes){buf_head(&frame) + FRAME_HEADER_BYTES,
                                      buf_len(&frame) - FRAME_HEADER_BYTES});
    }
    buf_finish(&payload);
    buf_finish(&frame);
}

static void take_line(struct supervisor *sup, struct client *client, struct bytes line)
{
    bool as_worker = line.n > 0 && line.data[0] == '!';
    const uint8_t *text = line.data + as_worker;
    size_t n = line.n - as_worker;
    const uint8_t *space = memchr(text, ' ', n);
    struct value args = {0};
    struct err err;

    if (space != NULL &&
        value_read_json((const char *)space + 1, n - (size_t)(space - text) - 1, &args,
                        &err) == 0 &&
        args.type == VALUE_LIST)
        ask(sup, client, as_worker, (struct bytes){text, (size_t)(space - text)},
            &args);
    else
        send_frame(sup, client, as_worker, FRAME_CALL, (struct bytes){text, n});
    value_finish(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct supervisor *sup = floor_take();
    struct client *client;
    int peer_fd;

    if (!is_harmless(data, size))
        return 0;
    client = client_open(sup, &peer_fd);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end != NULL ? (size_t)(end - data) : size;

        take_line(sup, client, (struct bytes){data, n});
        n += end != NULL;
        data += n;
        size -= n;
    }
    ev_run(sup->loop, EVRUN_NOWAIT); /* what is answered later may be by then */
    client_close(sup, client, peer_fd);
    return 0;
}
