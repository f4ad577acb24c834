/*
 * fake_worker -- stands in for the worker program in tests of the supervisor.
 *
 * It speaks the wire and runs no Lua. What it does with a CALL is named by the first
 * argument; what it does at its start by the entry it is for (argv[2]).
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/liveness.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#define SOCKET_FD   3
#define LIVENESS_FD 4

static struct buf in, out;
static uint32_t my_index;
static const char *my_entry;
static uint64_t lingering;
static uint64_t n_spawned;
static liveness_word *liveness;

static void flush(void)
{
    while (buf_len(&out) != 0) {
        ssize_t n = send(SOCKET_FD, buf_head(&out), buf_len(&out), MSG_NOSIGNAL);

        if (n <= 0)
            _exit(1);
        buf_consume(&out, (size_t)n);
    }
}

static void reply_value(uint64_t call, uint8_t status, const struct value *value)
{
    struct frame_reply frame = {.call = call, .status = status};
    struct buf result;

    buf_init(&result, 0);
    payload_encode(&result, value, 1);
    frame.result = buf_bytes(&result);
    frame_encode_reply(&out, &frame);
    buf_finish(&result);
}

static void reply_int(uint64_t call, int64_t number)
{
    struct value value = value_int(number);

    reply_value(call, REPLY_OK, &value);
}

static void reply_error(uint64_t call, enum err_kind kind, const char *text)
{
    struct frame_reply frame = {.call = call, .status = REPLY_ERROR};
    struct buf result;
    struct err err;

    buf_init(&result, 0);
    err_set(&err, kind, "%s", text);
    error_encode(&result, &err);
    frame.result = buf_bytes(&result);
    frame_encode_reply(&out, &frame);
    buf_finish(&result);
}

/* ---- what calls ask for ---------------------------------------------------------- */

static void do_echo(uint64_t call, const struct value *arg)
{
    reply_value(call, REPLY_OK, arg);
}

static void do_pid(uint64_t call, const struct value *arg)
{
    (void)arg;
    reply_int(call, getpid());
}

static void do_exit(uint64_t call, const struct value *arg)
{
    (void)call, (void)arg;
    _exit(3);
}

/* Answers, and is dead before anybody reads it. */
static void do_reply_and_die(uint64_t call, const struct value *arg)
{
    reply_value(call, REPLY_OK, arg);
    flush();
    _exit(0);
}

static void do_nothing(uint64_t call, const struct value *arg)
{
    (void)call, (void)arg;
}

static void do_freeze(uint64_t call, const struct value *arg)
{
    (void)call, (void)arg;
    flush();
    for (;;)
        pause();
}

static void do_spin(uint64_t call, const struct value *arg)
{
    (void)call, (void)arg;
    flush();
    for (;;)
        ;
}

static void do_linger(uint64_t call, const struct value *arg)
{
    lingering = call;
    reply_value(call, REPLY_OK | REPLY_LINGERS, arg);
}

static void do_free(uint64_t call, const struct value *arg)
{
    struct frame_free frame = {.call = lingering};

    reply_value(call, REPLY_OK, arg);
    frame_encode_free(&out, &frame);
}

static void do_forge_reply(uint64_t call, const struct value *arg)
{
    (void)arg;
    reply_int(call ^ 1, 1);
}

static void do_forge_generation(uint64_t call, const struct value *arg)
{
    (void)arg;
    reply_int(call + ((uint64_t)1 << 32), 1);
}

static void do_reply_twice(uint64_t call, const struct value *arg)
{
    reply_value(call, REPLY_OK, arg);
    reply_value(call, REPLY_OK, arg);
}

static void do_forge_sender(uint64_t call, const struct value *arg)
{
    struct frame_send frame = {.to = pid_make(my_index, 1, 1),
                               .from = pid_make(my_index + 1, 1, 1)};

    (void)call, (void)arg;
    frame_encode_send(&out, &frame);
}

static void do_forge_caller(uint64_t call, const struct value *arg)
{
    struct frame_call frame = {.call = 1,
                               .caller = pid_make(my_index + 1, 1, 1),
                               .target = bytes_of_text("app:f")};

    (void)call, (void)arg;
    frame_encode_call(&out, &frame);
}

static void do_unknown_frame(uint64_t call, const struct value *arg)
{
    static const uint8_t frame[] = {0xc9, 0, 0, 0, 0, 99};

    (void)call, (void)arg;
    buf_append(&out, frame, sizeof(frame));
}

static void do_supervisors_frame(uint64_t call, const struct value *arg)
{
    struct frame_resume frame = {.n = 1, .queue = bytes_of_text("app:f")};

    (void)call, (void)arg;
    frame_encode_resume(&out, &frame);
}

static void do_size_bomb(uint64_t call, const struct value *arg)
{
    static const uint8_t frame[] = {0xc9, 0xff, 0xff, 0xff, 0xff, FRAME_REPLY};

    (void)call, (void)arg;
    buf_append(&out, frame, sizeof(frame));
}

static void do_short_frame(uint64_t call, const struct value *arg)
{
    static const uint8_t frame[] = {0xc9, 0, 0, 0, 3, FRAME_REPLY, 0xcf, 1, 2};

    (void)call, (void)arg;
    buf_append(&out, frame, sizeof(frame));
}

static void do_hello_again(uint64_t call, const struct value *arg)
{
    struct frame_hello frame = {.version = PROTO_VERSION};

    (void)call, (void)arg;
    frame_encode_hello(&out, &frame);
}

/* What it inherited: descriptors, environment, signal mask, parent-death signal. */
static void do_inherited(uint64_t call, const struct value *arg)
{
    struct value map = value_map(), *fds, *names;
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *row;
    sigset_t mask;
    int death = 0, n_blocked = 0;

    (void)arg;
    fds = value_put(&map, "fds", value_list());
    while ((row = readdir(dir)) != NULL)
        if (row->d_name[0] != '.' && atoi(row->d_name) != dirfd(dir))
            value_append(fds, value_int(atoi(row->d_name)));
    closedir(dir);
    names = value_put(&map, "env", value_list());
    for (char **variable = environ; *variable != NULL; variable++)
        value_append(names, value_string(*variable));
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int i = 1; i < NSIG; i++)
        n_blocked += sigismember(&mask, i) == 1;
    prctl(PR_GET_PDEATHSIG, &death);
    value_put(&map, "blocked", value_int(n_blocked));
    value_put(&map, "death_signal", value_int(death));
    value_put(&map, "no_new_privs", value_int(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    reply_value(call, REPLY_OK, &map);
    value_finish(&map);
}

/* Calls target as often as asked and answers nothing itself. */
static void do_call(uint64_t call, const struct value *arg)
{
    struct value args[2] = {value_string("nothing"), {0}};
    struct buf payload;

    buf_init(&payload, 0);
    payload_encode(&payload, args, 2);
    for (int64_t i = 0; i < value_get_int(arg, "n", 1); i++) {
        struct frame_call frame = {.call = 1000 + (uint64_t)i,
                                   .target =
                                       bytes_of_text(value_get_text(arg, "target")),
                                   .args = buf_bytes(&payload)};

        frame_encode_call(&out, &frame);
    }
    buf_finish(&payload);
    value_finish(&args[0]);
    reply_int(call, 0);
}

static uint32_t n_held, n_resumed;

/* {held, resumed}: what HOLD and RESUME told it so far. */
static void do_held(uint64_t call, const struct value *arg)
{
    struct value map = value_map();

    (void)arg;
    value_put(&map, "held", value_int(n_held));
    value_put(&map, "resumed", value_int(n_resumed));
    reply_value(call, REPLY_OK, &map);
    value_finish(&map);
}

static const struct {
    const char *name;
    void (*run)(uint64_t call, const struct value *arg);
} deeds[] = {{"echo", do_echo},
             {"pid", do_pid},
             {"exit", do_exit},
             {"reply and die", do_reply_and_die},
             {"nothing", do_nothing},
             {"freeze", do_freeze},
             {"spin", do_spin},
             {"linger", do_linger},
             {"free", do_free},
             {"forge reply", do_forge_reply},
             {"forge generation", do_forge_generation},
             {"reply twice", do_reply_twice},
             {"forge sender", do_forge_sender},
             {"forge caller", do_forge_caller},
             {"unknown frame", do_unknown_frame},
             {"supervisor's frame", do_supervisors_frame},
             {"size bomb", do_size_bomb},
             {"short frame", do_short_frame},
             {"hello again", do_hello_again},
             {"inherited", do_inherited},
             {"call", do_call},
             {"held", do_held}};

/* ---- frames ---------------------------------------------------------------------- */

static void compile(const struct frame_call *frame, const struct value *args)
{
    const char *source = value_text(&args->as.list.items[2]);
    struct value map;

    if (strcmp(source, "die") == 0)
        _exit(9);
    if (strcmp(source, "wrong") == 0) {
        reply_error(frame->call, ERR_INVALID, "wrong source");
        return;
    }
    map = value_map();
    value_put(&map, "bytecode", value_string(source));
    value_put(&map, "uses_G", value_bool(true));
    reply_value(frame->call, REPLY_OK, &map);
    value_finish(&map);
}

static void on_call(struct bytes body)
{
    struct frame_call frame;
    struct value args, nothing = {0};
    const struct value *arg;
    const char *deed;

    if (frame_decode_call(body, &frame, NULL) == -1 ||
        payload_decode(frame.args, &args, NULL) == -1)
        _exit(4);
    if (bytes_equal_text(frame.target, "@compile")) {
        compile(&frame, &args);
        value_finish(&args);
        return;
    }
    deed = args.as.list.n != 0 ? value_text(&args.as.list.items[0]) : "echo";
    if (deed == NULL)
        deed = "echo";
    arg = args.as.list.n > 1 ? &args.as.list.items[1] : &nothing;
    for (size_t i = 0; i < N_ELEMENTS(deeds); i++)
        if (strcmp(deeds[i].name, deed) == 0)
            deeds[i].run(frame.call, arg);
    value_finish(&args);
}

static void on_cancel(struct bytes body)
{
    struct frame_cancel frame;

    frame_decode_cancel(body, &frame, NULL);
    if (strstr(my_entry, "deaf") == NULL)
        reply_error(frame.call, ERR_CANCELED, "context canceled");
}

static void on_spawn(struct bytes body)
{
    struct value items[2];
    struct frame_spawn frame;
    struct frame_reply reply = {.status = REPLY_OK};
    struct buf result;
    uint64_t pid;

    frame_decode_spawn(body, &frame, NULL);
    buf_init(&result, 0);
    pid = pid_make(my_index, 0, (uint32_t)++n_spawned);
    atomic_store(&liveness[pid_slot(pid)], pid_generation(pid) << 1);
    items[0] = value_int((int64_t)pid);
    items[1] = value_bytes(frame.host.data, frame.host.n);
    payload_encode(&result, items, 2);
    reply.call = frame.call;
    reply.result = buf_bytes(&result);
    frame_encode_reply(&out, &reply);
    buf_finish(&result);
    value_finish(&items[1]);
}

static void on_ping(struct bytes body)
{
    struct frame_pong pong = {0};
    struct frame_ping ping;
    struct value map = value_map();
    struct buf figures;

    frame_decode_ping(body, &ping, NULL);
    buf_init(&figures, 0);
    value_put(&map, "actors", value_int((int64_t)n_spawned));
    value_encode(&figures, &map);
    pong.seq = ping.seq;
    pong.figures = buf_bytes(&figures);
    frame_encode_pong(&out, &pong);
    buf_finish(&figures);
    value_finish(&map);
}

static void send_failed(void)
{
    struct frame_failed frame;
    struct buf error;
    struct err err;

    buf_init(&error, 0);
    err_set(&err, ERR_INVALID, "not in the mood");
    error_encode(&error, &err);
    frame.error = buf_bytes(&error);
    frame_encode_failed(&out, &frame);
    flush();
    _exit(5);
}

static void on_setup(struct bytes body)
{
    struct frame_setup setup;
    struct frame_ready ready = {0};

    if (frame_decode_setup(body, &setup, NULL) == -1)
        _exit(6);
    my_index = setup.index;
    if (strstr(my_entry, "fails") != NULL)
        send_failed();
    if (strstr(my_entry, "never_ready") == NULL)
        frame_encode_ready(&out, &ready);
    flush();
    if (strstr(my_entry, "dies_ready") != NULL)
        _exit(7);
}

static void on_resume(struct bytes body)
{
    struct frame_resume frame;

    frame_decode_resume(body, &frame, NULL);
    n_resumed += frame.n;
}

static void on_frame(uint8_t type, struct bytes body)
{
    switch (type) {
    case FRAME_SETUP:
        on_setup(body);
        break;
    case FRAME_CALL:
        on_call(body);
        break;
    case FRAME_CANCEL:
        on_cancel(body);
        break;
    case FRAME_SPAWN:
        on_spawn(body);
        break;
    case FRAME_PING:
        on_ping(body);
        break;
    case FRAME_DRAIN:
        flush();
        _exit(0);
    case FRAME_HOLD:
        n_held++;
        break;
    case FRAME_RESUME:
        on_resume(body);
        break;
    default:
        break;
    }
}

static void handle_input(void)
{
    uint8_t type;
    uint32_t n;

    while (frame_peek(buf_head(&in), buf_len(&in), FRAME_MAX_BYTES_DEFAULT, &type, &n,
                      NULL) == 1 &&
           buf_len(&in) >= FRAME_HEADER_BYTES + (size_t)n) {
        on_frame(type, (struct bytes){buf_head(&in) + FRAME_HEADER_BYTES, n});
        buf_consume(&in, FRAME_HEADER_BYTES + n);
    }
    flush();
}

int main(int argc, char **argv)
{
    struct frame_hello hello = {.version = PROTO_VERSION, .os_pid = (uint32_t)getpid()};

    if (argc != 3 || strstr(argv[2], "dies_early") != NULL)
        return 2;
    my_entry = argv[2];
    liveness = liveness_map(LIVENESS_FD, true);
    buf_init(&in, 0);
    buf_init(&out, 0);
    if (strstr(my_entry, "mute") == NULL)
        frame_encode_hello(&out, &hello);
    flush();
    for (;;) {
        uint8_t *at = buf_reserve(&in, 65536);
        struct pollfd ready = {.fd = SOCKET_FD, .events = POLLIN};
        ssize_t n;

        poll(&ready, 1, -1);
        n = recv(SOCKET_FD, at, 65536, 0);
        if (n == 0 || (n == -1 && ready.revents != POLLIN))
            return 0;
        if (n > 0)
            in.end += (size_t)n;
        handle_input();
    }
}
