/*
 * limit_calls -- the fastest possible call between two processes through a third.
 *
 *     limit_calls OUTSTANDING SECONDS
 *
 * A caller and a callee, each with a bare lua_State, and a forwarder on libev between
 * them, joined by socketpairs as the product's processes are. A call is a CALL frame of
 * 100 bytes on the product's wire; it carries two integers, the callee's coroutine adds
 * them, and the sum goes back in a REPLY frame of 100 bytes. The caller has one
 * coroutine per outstanding call: it checks the sum, adds one to its counter and asks
 * again.
 *
 * What makes it the limit: buffers are allocated once; each end blocks in read, takes
 * all there is, and answers everything in one write; the forwarder looks at a frame's
 * header and writes runs of frames for one destination straight out of the buffer it
 * read them into. The frames' constant parts are copied from a template, every field is
 * checked on arrival. Prints one line of JSON; the first fifth of the time is warm-up.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"

#include "proto/frame.h"

#include "tests/bench/limit.h"

#define WIRE_BYTES      100 /* of every frame, header included */
#define MAX_OUTSTANDING 1024
#define BUFFER_BYTES    (MAX_OUTSTANDING * WIRE_BYTES)
#define N_TARGET        34 /* fills the CALL up to 100 */
#define N_PADDING       70 /* fills the REPLY up to 100 */

/* ---- the two frames -------------------------------------------------------------- */

#define MSGPACK_INT64 0xd3
#define MSGPACK_STR8  0xd9

/* Offsets of what changes from frame to frame. */
enum {
    AT_NUMBER = FRAME_HEADER_BYTES + FRAME_FIRST_U64,
    CALL_AT_TARGET = FRAME_HEADER_BYTES + 3 * 9,
    CALL_AT_CONTEXT = CALL_AT_TARGET + 3 + N_TARGET,
    CALL_AT_ARGS = CALL_AT_CONTEXT + 2 * 5,
    CALL_AT_A = CALL_AT_ARGS + 2,
    CALL_AT_B = CALL_AT_A + 9,
    CALL_END = CALL_AT_B + 9,
    REPLY_AT_STATUS = FRAME_HEADER_BYTES + 9,
    REPLY_AT_RESULT = REPLY_AT_STATUS + 2,
    REPLY_AT_SUM = REPLY_AT_RESULT + 2,
    REPLY_AT_PADDING = REPLY_AT_SUM + 9,
    REPLY_END = REPLY_AT_PADDING + 2 + N_PADDING,
};
_Static_assert(CALL_END == WIRE_BYTES, "a CALL has 100 bytes");
_Static_assert(REPLY_END == WIRE_BYTES, "a REPLY has 100 bytes");

static const uint8_t call_target[N_TARGET] = "bench.arithmetic:add_both_integers";
static const uint8_t call_no_context_no_options[] = {0xc6, 0, 0, 0, 0,
                                                     0xc6, 0, 0, 0, 0};
static const uint8_t call_args[] = {0, 0x92, MSGPACK_INT64};
static const uint8_t reply_result[] = {0, 0x92, MSGPACK_INT64};

static void frame_put_header(uint8_t *frame, uint8_t type)
{
    memset(frame, 0, WIRE_BYTES);
    frame[0] = 0xc9;
    frame[4] = WIRE_BYTES - FRAME_HEADER_BYTES;
    frame[5] = type;
}

static void call_make_template(uint8_t *frame)
{
    frame_put_header(frame, FRAME_CALL);
    for (int i = 0; i < 3; i++)
        frame[FRAME_HEADER_BYTES + i * 9] = 0xcf;
    frame[CALL_AT_TARGET] = 0xda;
    frame[CALL_AT_TARGET + 2] = N_TARGET;
    /* The wire has no NUL. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(frame + CALL_AT_TARGET + 3, call_target, N_TARGET);
    memcpy(frame + CALL_AT_CONTEXT, call_no_context_no_options,
           sizeof(call_no_context_no_options));
    memcpy(frame + CALL_AT_ARGS, call_args, sizeof(call_args));
    frame[CALL_AT_B] = MSGPACK_INT64;
}

static void reply_make_template(uint8_t *frame)
{
    frame_put_header(frame, FRAME_REPLY);
    frame[FRAME_HEADER_BYTES] = 0xcf;
    frame[REPLY_AT_STATUS] = 0xcc;
    memcpy(frame + REPLY_AT_RESULT, reply_result, sizeof(reply_result));
    frame[REPLY_AT_PADDING] = MSGPACK_STR8;
    frame[REPLY_AT_PADDING + 1] = N_PADDING;
}

static bool call_decode(const uint8_t *frame, int64_t *a_out, int64_t *b_out)
{
    if (frame[FRAME_HEADER_BYTES] != 0xcf || frame[FRAME_HEADER_BYTES + 9] != 0xcf ||
        frame[FRAME_HEADER_BYTES + 18] != 0xcf || frame[CALL_AT_TARGET] != 0xda ||
        memcmp(frame + CALL_AT_TARGET + 3, call_target, N_TARGET) != 0 ||
        memcmp(frame + CALL_AT_CONTEXT, call_no_context_no_options,
               sizeof(call_no_context_no_options)) != 0 ||
        memcmp(frame + CALL_AT_ARGS, call_args, sizeof(call_args)) != 0 ||
        frame[CALL_AT_B] != MSGPACK_INT64)
        return false;
    *a_out = (int64_t)wire_get_u64(frame + CALL_AT_A + 1);
    *b_out = (int64_t)wire_get_u64(frame + CALL_AT_B + 1);
    return true;
}

static bool reply_decode(const uint8_t *frame, uint64_t *number_out, int64_t *sum_out)
{
    if (frame[FRAME_HEADER_BYTES] != 0xcf || frame[REPLY_AT_STATUS] != 0xcc ||
        frame[REPLY_AT_STATUS + 1] != REPLY_OK ||
        memcmp(frame + REPLY_AT_RESULT, reply_result, sizeof(reply_result)) != 0 ||
        frame[REPLY_AT_PADDING] != MSGPACK_STR8 ||
        frame[REPLY_AT_PADDING + 1] != N_PADDING)
        return false;
    *number_out = wire_get_u64(frame + AT_NUMBER);
    *sum_out = (int64_t)wire_get_u64(frame + REPLY_AT_SUM + 1);
    return true;
}

/* Returns the frame's type, 0 when it has not arrived yet; exits if it is no frame. */
static uint8_t frame_look(const uint8_t *data, size_t n_bytes)
{
    uint32_t body_bytes;

    if (n_bytes < FRAME_HEADER_BYTES)
        return 0;
    memcpy(&body_bytes, data + 1, 4);
    if (data[0] != 0xc9 ||
        __builtin_bswap32(body_bytes) != WIRE_BYTES - FRAME_HEADER_BYTES)
        fail("not a frame");
    return n_bytes < WIRE_BYTES ? 0 : data[5];
}

/* ---- sockets --------------------------------------------------------------------- */

struct inlet {
    int fd;
    size_t n_bytes; /* read and not consumed, at the start of data */
    uint8_t data[BUFFER_BYTES];
};

/* One read; false at the end of the stream, which may come while frames are under way:
 * the caller stops in the midst of its calls. */
static bool inlet_read(struct inlet *inlet)
{
    ssize_t n = read(inlet->fd, inlet->data + inlet->n_bytes,
                     sizeof(inlet->data) - inlet->n_bytes);

    if (n < 0 && errno != ECONNRESET)
        fail("read");
    if (n <= 0)
        return false;
    inlet->n_bytes += (size_t)n;
    return true;
}

static void inlet_consume(struct inlet *inlet, size_t n_bytes)
{
    inlet->n_bytes -= n_bytes;
    if (inlet->n_bytes > 0)
        memmove(inlet->data, inlet->data + n_bytes, inlet->n_bytes);
}

/* All of the sockets block: what is outstanding fits into their buffers many times. A
 * peer that has gone is found out by the next read. */
static void write_all(int fd, const uint8_t *data, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(fd, data, n_bytes);

        if (n < 0 && errno == EPIPE)
            return;
        if (n < 0)
            fail("write");
        data += n;
        n_bytes -= (size_t)n;
    }
}

/* ---- the forwarder --------------------------------------------------------------- */

struct side {
    ev_io readable;
    struct inlet in;
};

struct forwarder {
    struct side caller, callee;
};

static int forwarder_route(const struct forwarder *forwarder, uint8_t type)
{
    return type == FRAME_CALL ? forwarder->callee.in.fd : forwarder->caller.in.fd;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct side *side = (struct side *)watcher;
    const struct forwarder *forwarder = ev_userdata(loop);
    size_t at = 0, run_at = 0;
    int run_fd = -1;
    uint8_t type;

    (void)revents;
    if (!inlet_read(&side->in)) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    for (; (type = frame_look(side->in.data + at, side->in.n_bytes - at)) != 0;
         at += WIRE_BYTES) {
        int fd = forwarder_route(forwarder, type);

        if (fd == run_fd)
            continue;
        if (run_fd != -1)
            write_all(run_fd, side->in.data + run_at, at - run_at);
        run_fd = fd;
        run_at = at;
    }
    if (run_fd != -1)
        write_all(run_fd, side->in.data + run_at, at - run_at);
    inlet_consume(&side->in, at);
}

static void forwarder_run(int caller_fd, int callee_fd)
{
    static struct forwarder forwarder;
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);

    if (loop == NULL)
        fail("libev");
    forwarder.caller.in.fd = caller_fd;
    forwarder.callee.in.fd = callee_fd;
    ev_set_userdata(loop, &forwarder);
    ev_io_init(&forwarder.caller.readable, on_readable, caller_fd, EV_READ);
    ev_io_init(&forwarder.callee.readable, on_readable, callee_fd, EV_READ);
    ev_io_start(loop, &forwarder.caller.readable);
    ev_io_start(loop, &forwarder.callee.readable);
    ev_run(loop, 0);
}

/* ---- the callee ------------------------------------------------------------------ */

static const char callee_source[] = //
    "local yield = coroutine.yield\n"
    "return function(a, b)\n"
    "    while true do a, b = yield(a + b) end\n"
    "end\n";

static void callee_answer(lua_State *L, lua_State *coroutine, const uint8_t *call,
                          uint8_t *reply)
{
    int64_t a, b;
    int n_results;

    if (!call_decode(call, &a, &b))
        fail("bad call");
    lua_pushinteger(coroutine, a);
    lua_pushinteger(coroutine, b);
    n_results = coroutine_resume(coroutine, L, 2);
    memcpy(reply + AT_NUMBER, call + AT_NUMBER, 8);
    wire_put_u64(reply + REPLY_AT_SUM + 1, (uint64_t)lua_tointeger(coroutine, -1));
    lua_pop(coroutine, n_results);
}

static void callee_run(int fd)
{
    static struct inlet in;
    static uint8_t out[BUFFER_BYTES];
    uint8_t template[WIRE_BYTES];
    lua_State *L = luaL_newstate();
    lua_State *coroutine;

    luaL_openlibs(L);
    coroutine = coroutine_create(L, callee_source);
    reply_make_template(template);
    in.fd = fd;
    while (inlet_read(&in)) {
        size_t at = 0;

        for (; frame_look(in.data + at, in.n_bytes - at) != 0; at += WIRE_BYTES) {
            memcpy(out + at, template, WIRE_BYTES);
            callee_answer(L, coroutine, in.data + at, out + at);
        }
        write_all(fd, out, at);
        inlet_consume(&in, at);
    }
    lua_close(L);
}

/* ---- the caller ------------------------------------------------------------------ */

static const char caller_source[] = //
    "local yield = coroutine.yield\n"
    "return function(n)\n"
    "    while true do\n"
    "        local sum = yield(n, 1)\n"
    "        n = n + 1\n"
    "        if sum ~= n then error('wrong sum') end\n"
    "    end\n"
    "end\n";

struct caller {
    lua_State *L;
    lua_State *coroutines[MAX_OUTSTANDING];
    int64_t sent_at_ns[MAX_OUTSTANDING];
    struct inlet in;
    uint8_t out[BUFFER_BYTES];
    size_t n_out_bytes;
    uint8_t template[WIRE_BYTES];
    struct latencies latencies;
    uint64_t n_calls;
};

/* Resumes a coroutine with n_args and puts the call it asks for into the output. */
static void caller_step(struct caller *caller, uint64_t number, int n_args)
{
    lua_State *coroutine = caller->coroutines[number];
    uint8_t *call = caller->out + caller->n_out_bytes;
    int n_results = coroutine_resume(coroutine, caller->L, n_args);

    memcpy(call, caller->template, WIRE_BYTES);
    wire_put_u64(call + AT_NUMBER, number);
    wire_put_u64(call + CALL_AT_A + 1, (uint64_t)lua_tointeger(coroutine, -2));
    wire_put_u64(call + CALL_AT_B + 1, (uint64_t)lua_tointeger(coroutine, -1));
    lua_pop(coroutine, n_results);
    caller->n_out_bytes += WIRE_BYTES;
}

static void caller_on_reply(struct caller *caller, const uint8_t *reply, int64_t now_ns,
                            bool warm)
{
    uint64_t number;
    int64_t sum;

    if (!reply_decode(reply, &number, &sum) || number >= MAX_OUTSTANDING)
        fail("bad reply");
    if (warm)
        latencies_add(&caller->latencies, now_ns - caller->sent_at_ns[number]);
    caller->sent_at_ns[number] = now_ns;
    lua_pushinteger(caller->coroutines[number], sum);
    caller_step(caller, number, 1);
    caller->n_calls++;
}

static void caller_start(struct caller *caller, int fd, unsigned n_outstanding)
{
    caller->L = luaL_newstate();
    luaL_openlibs(caller->L);
    call_make_template(caller->template);
    caller->in.fd = fd;
    for (unsigned i = 0; i < n_outstanding; i++) {
        caller->coroutines[i] = coroutine_create(caller->L, caller_source);
        lua_pushinteger(caller->coroutines[i], (lua_Integer)1 << 32);
        caller->sent_at_ns[i] = clock_monotonic_ns();
        caller_step(caller, i, 1);
    }
    write_all(fd, caller->out, caller->n_out_bytes);
}

static void caller_run(struct caller *caller, int64_t from_ns, int64_t until_ns)
{
    int64_t now_ns = 0;

    while (now_ns < until_ns && inlet_read(&caller->in)) {
        size_t at = 0;

        now_ns = clock_monotonic_ns();
        caller->n_out_bytes = 0;
        for (; frame_look(caller->in.data + at, caller->in.n_bytes - at) != 0;
             at += WIRE_BYTES)
            caller_on_reply(caller, caller->in.data + at, now_ns, now_ns >= from_ns);
        write_all(caller->in.fd, caller->out, caller->n_out_bytes);
        inlet_consume(&caller->in, at);
    }
}

/* ---- the three of them ----------------------------------------------------------- */

static double cpu_s(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           1e-6 * (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static double reap_cpu_s(pid_t pid)
{
    struct rusage usage;

    if (wait4(pid, NULL, 0, &usage) != pid)
        fail("wait4");
    return cpu_s(&usage);
}

static void report(const struct caller *caller, double measured_s, pid_t forwarder_pid,
                   pid_t callee_pid)
{
    struct rusage own;
    double forwarder_s = reap_cpu_s(forwarder_pid);
    double callee_s = reap_cpu_s(callee_pid);

    getrusage(RUSAGE_SELF, &own);
    printf("{\"calls_per_s\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
           "\"cpu_us_per_call\": {\"caller\": %.4f, \"forwarder\": %.4f, "
           "\"callee\": %.4f}}\n",
           (double)caller->latencies.n / measured_s,
           latencies_at_us(&caller->latencies, 0.5),
           latencies_at_us(&caller->latencies, 0.99),
           1e6 * cpu_s(&own) / (double)caller->n_calls,
           1e6 * forwarder_s / (double)caller->n_calls,
           1e6 * callee_s / (double)caller->n_calls);
}

static pid_t start(int fds[4], void (*run)(int *fds))
{
    pid_t pid = fork();

    if (pid == -1)
        fail("fork");
    if (pid > 0)
        return pid;
    run(fds);
    _exit(0);
}

/* fds: caller's end, forwarder's ends towards caller and callee, callee's end. */
static void start_forwarder(int *fds)
{
    close(fds[0]);
    close(fds[3]);
    forwarder_run(fds[1], fds[2]);
}

static void start_callee(int *fds)
{
    close(fds[0]);
    close(fds[1]);
    close(fds[2]);
    callee_run(fds[3]);
}

int main(int argc, char **argv)
{
    static struct caller caller;
    unsigned n_outstanding = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
    int64_t now_ns, from_ns, until_ns;
    int fds[4];
    pid_t forwarder_pid, callee_pid;

    if (n_outstanding < 1 || n_outstanding > MAX_OUTSTANDING || seconds <= 0) {
        fprintf(stderr, "usage: limit_calls OUTSTANDING(1..%d) SECONDS\n",
                MAX_OUTSTANDING);
        return 2;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 2) != 0)
        fail("socketpair");
    signal(SIGPIPE, SIG_IGN);
    forwarder_pid = start(fds, start_forwarder);
    callee_pid = start(fds, start_callee);
    close(fds[1]);
    close(fds[2]);
    close(fds[3]);
    caller_start(&caller, fds[0], n_outstanding);
    now_ns = clock_monotonic_ns();
    from_ns = now_ns + (int64_t)(seconds * 0.2e9);
    until_ns = now_ns + (int64_t)(seconds * 1e9);
    caller_run(&caller, from_ns, until_ns);
    close(fds[0]);
    report(&caller, seconds * 0.8, forwarder_pid, callee_pid);
    return 0;
}
