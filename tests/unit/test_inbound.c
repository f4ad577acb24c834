#include "worker/inbound.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/relations.h"
#include "worker/runtime.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

static const uint8_t no_args[] = {0x00, 0x90};
static const struct bytes args = {no_args, sizeof(no_args)};

/* ---- every frame that a worker takes, well formed ---- */

static void encode(uint8_t type, struct buf *out)
{
    static const uint8_t map[] = {0x81, 0xa4, 'r', 'o', 'l', 'e',
                                  0xa4, 'p',  'o', 'o', 'l'};
    static const uint8_t reason[] = {0xa3, 'w', 'h', 'y'};
    struct bytes id = bytes_of_text("t:f"), host = bytes_of_text("t:host");

    switch (type) {
    case FRAME_SETUP:
        frame_encode_setup(
            out, &(struct frame_setup){.index = 1, .settings = {map, sizeof(map)}});
        break;
    case FRAME_PING:
        frame_encode_ping(out, &(struct frame_ping){.seq = 1});
        break;
    case FRAME_DRAIN:
        frame_encode_drain(out, &(struct frame_drain){.deadline_at_ns = 1});
        break;
    case FRAME_MAPPED:
        frame_encode_mapped(out, &(struct frame_mapped){.index = 1});
        break;
    case FRAME_CALL:
        frame_encode_call(out,
                          &(struct frame_call){.call = 9, .target = id, .args = args});
        break;
    case FRAME_REPLY:
        frame_encode_reply(out, &(struct frame_reply){.call = 9, .result = args});
        break;
    case FRAME_CANCEL:
        frame_encode_cancel(out, &(struct frame_cancel){.call = 9});
        break;
    case FRAME_HOLD:
        frame_encode_hold(out,
                          &(struct frame_hold){.call = 9, .queue = id, .body = args});
        break;
    case FRAME_RESUME:
        frame_encode_resume(out, &(struct frame_resume){.n = 1, .queue = id});
        break;
    case FRAME_SEND:
        frame_encode_send(
            out,
            &(struct frame_send){
                .to = 1, .from = 2, .from_host = host, .topic = id, .payload = args});
        break;
    case FRAME_SEND_TRACED:
        frame_encode_send_traced(
            out, &(struct frame_send_traced){
                     .to = 1,
                     .from = 2,
                     .from_host = host,
                     .topic = id,
                     .trace = bytes_of_text(
                         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                     .payload = args});
        break;
    case FRAME_SPAWN:
        frame_encode_spawn(
            out,
            &(struct frame_spawn){.call = 9, .entry = id, .host = host, .args = args});
        break;
    case FRAME_WATCH:
        frame_encode_watch(
            out, &(struct frame_watch){
                     .call = 9, .watcher = 1, .target = 2, .op = WATCH_MONITOR});
        break;
    case FRAME_EXIT:
        frame_encode_exit(
            out, &(struct frame_exit){.to = 1, .from = 2, .what = 1, .result = args});
        break;
    case FRAME_SIGNAL:
        frame_encode_signal(out,
                            &(struct frame_signal){.call = 9,
                                                   .to = 1,
                                                   .op = SIGNAL_TERMINATE,
                                                   .reason = {reason, sizeof(reason)}});
        break;
    case FRAME_EVENT:
        frame_encode_event(out,
                           &(struct frame_event){
                               .system = id, .kind = id, .path = id, .payload = args});
        break;
    }
    buf_consume(out, FRAME_HEADER_BYTES);
}

static const uint8_t types[] = {
    FRAME_SETUP,  FRAME_PING,   FRAME_DRAIN,  FRAME_MAPPED,
    FRAME_CALL,   FRAME_REPLY,  FRAME_CANCEL, FRAME_HOLD,
    FRAME_RESUME, FRAME_SEND,   FRAME_SPAWN,  FRAME_WATCH,
    FRAME_EXIT,   FRAME_SIGNAL, FRAME_EVENT,  FRAME_SEND_TRACED,
};

/* The worker ends over it, and nothing else happens. */
static void assert_refused(struct bench *bench)
{
    for (int i = 0; i < 4; i++)
        bench_turn(bench, false);
    ck_assert(bench->rt.stop);
    ck_assert_int_eq(bench->rt.exit_status, EXIT_FAILURE);
}

START_TEST(inbound_refuses_each_frame_that_is_cut_short)
{
    struct buf whole;

    buf_init(&whole, 0);
    encode(types[_i], &whole);
    for (size_t n = 0; n < buf_len(&whole); n++) {
        struct bench bench;

        bench_begin(&bench, "pool");
        bench_send(&bench, types[_i], (struct bytes){buf_head(&whole), n});
        for (int i = 0; i < 4; i++)
            bench_turn(&bench, false);
        /* what is cut within REST is the sender's payload, and its own affair */
        if (!bench.rt.stop)
            ck_assert_uint_ge(n, buf_len(&whole) - 8);
        bench_end(&bench);
    }
    buf_finish(&whole);
}
END_TEST

START_TEST(inbound_refuses_each_frame_with_another_type_in_it)
{
    struct buf whole;

    buf_init(&whole, 0);
    encode(types[_i], &whole);
    for (int byte = 0; byte < 256; byte += 17) {
        struct bench bench;

        if (byte == buf_head(&whole)[0])
            continue;
        bench_begin(&bench, "pool");
        buf_head(&whole)[0] ^= (uint8_t)byte | 1;
        bench_send(&bench, types[_i], buf_bytes(&whole));
        buf_head(&whole)[0] ^= (uint8_t)byte | 1;
        assert_refused(&bench);
        bench_end(&bench);
    }
    buf_finish(&whole);
}
END_TEST

/* The frames themselves are read with random bytes flipped: nothing may crash, whatever
 * a byte does (a worker that ends is fine). */
START_TEST(inbound_survives_flipped_bytes)
{
    uint32_t state = 12345;
    struct buf whole;

    buf_init(&whole, 0);
    encode(types[_i], &whole);
    for (int round = 0; round < 60; round++) {
        struct bench bench;
        uint8_t kept[512];

        ck_assert_uint_le(buf_len(&whole), sizeof(kept));
        memcpy(kept, buf_head(&whole), buf_len(&whole));
        bench_begin(&bench, round % 2 == 0 ? "pool" : NULL);
        for (int i = 0; i < 1 + round % 3; i++) {
            state = state * 1103515245 + 12345;
            buf_head(&whole)[(state >> 8) % buf_len(&whole)] ^= (uint8_t)(state >> 24);
        }
        bench_send(&bench, types[_i], buf_bytes(&whole));
        for (int i = 0; i < 4; i++)
            bench_turn(&bench, false);
        memcpy(buf_head(&whole), kept, buf_len(&whole));
        bench_end(&bench);
    }
    buf_finish(&whole);
}
END_TEST

static const struct {
    const char *why;
    uint8_t type;
} refused_whole[] = {
    {"SETUP twice", FRAME_SETUP},
    {"a reply to a call never made", FRAME_REPLY},
    {"a hold of a call never made", FRAME_HOLD},
    {"a frame of the other direction", FRAME_HELLO},
    {"a frame of the other direction", FRAME_GONE},
    {"a frame of nobody's", 200},
};

START_TEST(inbound_refuses)
{
    struct bench bench;
    struct buf body;

    buf_init(&body, 0);
    encode(FRAME_REPLY, &body);
    if (refused_whole[_i].type != FRAME_REPLY)
        buf_clear(&body);
    if (refused_whole[_i].type == FRAME_SETUP || refused_whole[_i].type == FRAME_HOLD) {
        buf_clear(&body);
        encode(refused_whole[_i].type, &body);
    }
    bench_begin(&bench, NULL);
    bench_send(&bench, refused_whole[_i].type, buf_bytes(&body));
    assert_refused(&bench);
    buf_finish(&body);
    bench_end(&bench);
}
END_TEST

/* Who lives nowhere gets nothing; who asked is told. */
START_TEST(inbound_says_that_nobody_is_there)
{
    struct bench bench;
    struct buf body;

    buf_init(&body, 0);
    bench_begin(&bench, NULL);
    encode(FRAME_WATCH, &body);
    bench_send(&bench, FRAME_WATCH, buf_bytes(&body));
    ck_assert_str_eq(bench_await(&bench, 9), "NotFound: pid not registered");
    buf_clear(&body);
    encode(FRAME_SIGNAL, &body);
    bench_send(&bench, FRAME_SIGNAL, buf_bytes(&body));
    ck_assert_str_eq(bench_await(&bench, 9), "NotFound: process not found");
    for (size_t i = 0; i < 4; i++) {
        static const uint8_t silent[] = {FRAME_SEND, FRAME_EXIT, FRAME_EVENT,
                                         FRAME_SEND_TRACED};

        buf_clear(&body);
        encode(silent[i], &body);
        bench_send(&bench, silent[i], buf_bytes(&body));
    }
    buf_clear(&body);
    encode(FRAME_CANCEL, &body);
    bench_send(&bench, FRAME_CANCEL, buf_bytes(&body));
    buf_clear(&body);
    encode(FRAME_RESUME, &body);
    bench_send(&bench, FRAME_RESUME, buf_bytes(&body));
    bench_settle(&bench);
    ck_assert(!bench.rt.stop);
    buf_finish(&body);
    bench_end(&bench);
}
END_TEST

/* ---- payloads that lie, in frames that don't ---- */

static const struct {
    const char *bytes;
    size_t n;
} payloads[] = {
    {"", 0},
    {"\x00", 1},
    {"\x02\x90", 2},
    {"\x00\x91", 2},
    {"\x00\x92\x01", 3},
    {"\x00\x91\x01\x01", 4},
    {"\x00\xdd\xff\xff\xff\xff", 6},
    {"\x00\x91\xdf\x05\xf5\xe1\x00", 7},
    {"\x00\x91\xdb\xff\xff\xff\xff", 7},
    {"\x00\x91\xc7\x00", 4},
    {"\x01\x91\xd6\x02\x00\x00\x00\x05", 8},
    {"\x00\x91\xd6\x02\x00\x00\x00\x00", 8},
    {"\x00\x91\xc1", 3},
    {"\x00\x91\xd4\x01\xc0", 5},
    {"\x90\x00", 2},
    {"\x00\x80", 2},
};

static struct bytes payload(int i)
{
    return (struct bytes){(const uint8_t *)payloads[i].bytes, payloads[i].n};
}

static void add_reader(struct bench *bench)
{
    bench_add(bench, "t:reader", "process.lua", "time events funcs",
              "return {main = function(how) "
              "if how == 'inbox' then local m = process.inbox():receive() "
              "local p = m:payload() m:topic() m:from() tostring(m) "
              "if type(p) == 'userdata' then p:data() p:get_format() tostring(p) "
              "elseif p then for _, one in ipairs(p) do one:data() end end "
              "elseif how == 'listen' then process.listen('t:f'):receive() "
              "elseif how == 'events' then local e = process.events():receive() "
              "tostring(e.result and e.result.error) "
              "elseif how == 'bus' then events.subscribe('*'):channel():receive() end "
              "return 'read' end}");
}

START_TEST(inbound_lets_nobody_lie_in_a_message)
{
    static const char *const hows[] = {"[\"inbox\"]", "[\"listen\"]"};

    for (size_t i = 0; i < N_ELEMENTS(hows); i++) {
        struct frame_send frame = {.from = 2, .topic = bytes_of_text("t:f")};
        struct bench bench;

        bench_begin(&bench, NULL);
        add_reader(&bench);
        frame.to = bench_spawn(&bench, "t:reader", hows[i]);
        bench_settle(&bench);
        frame.payload = payload(_i);
        frame_encode_send(conn_out(bench.conn), &frame);
        conn_wrote(bench.conn);
        ck_assert_str_eq(bench_await_exit(&bench, frame.to), "\"read\"");
        bench_end(&bench);
    }
}
END_TEST

START_TEST(inbound_lets_nobody_lie_in_an_exit)
{
    for (int failed = 0; failed < 2; failed++) {
        struct frame_exit frame = {.from = 2, .what = EXIT_EVENT};
        struct bench bench;

        bench_begin(&bench, NULL);
        add_reader(&bench);
        frame.to = bench_spawn(&bench, "t:reader", "[\"events\"]");
        bench_settle(&bench);
        relations_add_watched(slots_find(&bench.rt.slots, frame.to), frame.from,
                              RELATION_MONITOR);
        frame.failed = (uint8_t)failed;
        frame.result = payload(_i);
        frame_encode_exit(conn_out(bench.conn), &frame);
        conn_wrote(bench.conn);
        ck_assert_str_eq(bench_await_exit(&bench, frame.to), "\"read\"");
        bench_end(&bench);
    }
}
END_TEST

/* PR-11, PR-12: it had been sent when the one that it goes to watched no more. */
START_TEST(inbound_tells_of_no_end_that_nobody_wants_to_hear_of)
{
    struct frame_exit exit = {.from = 2, .what = (uint8_t)_i, .failed = 1};
    struct frame_send send = {.from = 2, .topic = bytes_of_text("t")};
    struct bench bench;
    struct buf why;
    struct err err;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:patient", "process.lua", "",
              "return {main = function() local events, inbox = process.events(), "
              "process.inbox() local got = channel.select{events:case_receive(), "
              "inbox:case_receive()} return got.channel == inbox end}");
    exit.to = send.to = bench_spawn(&bench, "t:patient", NULL);
    bench_settle(&bench);
    buf_init(&why, 0);
    err_set(&err, ERR_INTERNAL, "far away");
    error_encode(&why, &err);
    exit.result = buf_bytes(&why);
    frame_encode_exit(conn_out(bench.conn), &exit);
    frame_encode_send(conn_out(bench.conn), &send);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await_exit(&bench, exit.to), "true");
    buf_finish(&why);
    bench_end(&bench);
}
END_TEST

START_TEST(inbound_lets_nobody_lie_in_an_event)
{
    struct frame_event frame = {.system = bytes_of_text("s"),
                                .kind = bytes_of_text("k"),
                                .path = bytes_of_text("p")};
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    add_reader(&bench);
    pid = bench_spawn(&bench, "t:reader", "[\"bus\"]");
    bench_settle(&bench);
    frame.payload = payload(_i);
    frame_encode_event(conn_out(bench.conn), &frame);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await_exit(&bench, pid), "\"read\"");
    bench_end(&bench);
}
END_TEST

START_TEST(inbound_lets_nobody_lie_in_arguments_or_context)
{
    struct frame_call frame = {.call = 77, .target = bytes_of_text("t:f")};
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:f", "function.lua", "ctx",
              "return function(...) ctx.get('k') ctx.all() return select('#', ...) "
              "end");
    for (int round = 0; round < 3; round++) { /* args; context; args once more */
        frame.args = round == 1 ? args : payload(_i);
        frame.context = round == 1 ? payload(_i) : (struct bytes){NULL, 0};
        frame_encode_call(conn_out(bench.conn), &frame);
        conn_wrote(bench.conn);
        bench_await(&bench, 77);
    }
    bench_settle(&bench);
    ck_assert(!bench.rt.stop);
    ck_assert_uint_eq(bench.rt.slots.n_live, 0);
    bench_end(&bench);
}
END_TEST

START_TEST(inbound_lets_nobody_lie_in_a_spawn)
{
    struct frame_spawn frame = {
        .call = 77, .entry = bytes_of_text("t:p"), .host = bytes_of_text("t:host")};
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:p", "process.lua", "ctx",
              "return {main = function(...) ctx.all() return 1 end}");
    for (int round = 0; round < 3; round++) {
        frame.args = round == 0 ? payload(_i) : args;
        frame.context = round == 1 ? payload(_i) : (struct bytes){NULL, 0};
        frame.messages = round == 2 ? payload(_i) : (struct bytes){NULL, 0};
        frame_encode_spawn(conn_out(bench.conn), &frame);
        conn_wrote(bench.conn);
        bench_await(&bench, 77);
    }
    bench_settle(&bench);
    ck_assert(!bench.rt.stop);
    ck_assert_uint_eq(bench.rt.slots.n_live, 0);
    bench_end(&bench);
}
END_TEST

/* Answers to the worker's own questions: names, spawns elsewhere, calls. */
START_TEST(inbound_lets_nobody_lie_in_a_reply)
{
    static const char *const asking[] = {
        "process.registry.lookup('x')",
        "process.registry.register('x')",
        "process.send('x', 't', 1)",
        "process.monitor('x')",
        "process.spawn('t:p', 't:other')",
        "process.spawn_linked_monitored('t:p', 't:other')",
        "process.exec('t:p', 't:other')",
        "funcs.call('t:f')",
        "local f = funcs.async('t:f') f:response():receive() f:result() f:error()",
        "process.monitor('{t:far|0x100001c00001}')",
        "process.terminate('{t:far|0x100001000001}')",
        "events.subscribe('x')",
    };

    for (size_t i = 0; i < N_ELEMENTS(asking); i++)
        for (uint8_t status = 0; status < 2; status++) {
            char id[16];
            struct bench bench;
            uint64_t pid;

            bench_begin(&bench, NULL);
            bench.answers_with = payload(_i);
            bench.answers_status = status;
            snprintf(id, sizeof(id), "t:a%zu", i);
            bench_add(&bench, id, "process.lua", "funcs events", bench_main(asking[i]));
            bench.lies = true;
            pid = bench_spawn(&bench, id, NULL);
            ck_assert_msg(pid != 0, "%s", asking[i]);
            bench_settle(&bench);
            bench_end(&bench);
        }
}
END_TEST

START_TEST(inbound_refuses_a_traced_message_without_a_trace)
{
    static const char *const wrong[] = {
        "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"};
    struct frame_send_traced frame = {
        .to = 1, .from = 2, .trace = bytes_of_text(wrong[_i])};
    struct bench bench;

    bench_begin(&bench, "pool");
    frame_encode_send_traced(conn_out(bench.conn), &frame);
    conn_wrote(bench.conn);
    assert_refused(&bench);
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, inbound_refuses_a_traced_message_without_a_trace, 0, 3);
    tcase_add_loop_test(tc, inbound_refuses_each_frame_that_is_cut_short, 0,
                        N_ELEMENTS(types));
    tcase_add_loop_test(tc, inbound_refuses_each_frame_with_another_type_in_it, 0,
                        N_ELEMENTS(types));
    tcase_add_loop_test(tc, inbound_survives_flipped_bytes, 0, N_ELEMENTS(types));
    tcase_add_loop_test(tc, inbound_refuses, 0, N_ELEMENTS(refused_whole));
    tcase_add_test(tc, inbound_says_that_nobody_is_there);
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_a_message, 0,
                        N_ELEMENTS(payloads));
    tcase_add_loop_test(tc, inbound_tells_of_no_end_that_nobody_wants_to_hear_of,
                        EXIT_EVENT, (EXIT_EVENT | LINK_DOWN_EVENT) + 1);
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_an_exit, 0,
                        N_ELEMENTS(payloads));
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_an_event, 0,
                        N_ELEMENTS(payloads));
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_arguments_or_context, 0,
                        N_ELEMENTS(payloads));
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_a_spawn, 0,
                        N_ELEMENTS(payloads));
    tcase_add_loop_test(tc, inbound_lets_nobody_lie_in_a_reply, 0,
                        N_ELEMENTS(payloads));
}

int main(void)
{
    return unit_main("inbound", fill);
}
