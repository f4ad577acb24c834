#include "supervisor/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/router.h"
#include "supervisor/system.h"

#include "tests/unit/unit.h"

static struct supervisor sup;
static char folder[64], path[100];
static unsigned n_frames, n_gone;
static size_t n_answer_bytes; /* of what each CALL gets */

/* The router's part: frames of type CALL are fine, others are rubbish. */
int router_on_client_frame(struct supervisor *s, struct client *from, uint8_t type,
                           struct bytes body, struct err *err)
{
    struct conn *conn = ((struct client_head *)(void *)from)->conn;
    struct frame_log answer = {.record = {xcalloc(1, n_answer_bytes), n_answer_bytes}};

    (void)s, (void)body;
    n_frames++;
    if (n_answer_bytes != 0 && frame_encode_log(conn_out(conn), &answer))
        conn_wrote(conn);
    free((void *)answer.record.data);
    return type == FRAME_CALL ? 0 : err_set(err, ERR_INVALID, "no CALL");
}

void router_on_client_gone(struct supervisor *s, struct client *client)
{
    (void)s, (void)client;
    n_gone++;
}

static void start(void)
{
    snprintf(folder, sizeof(folder), "/tmp/test_control.XXXXXX");
    ck_assert_ptr_ne(mkdtemp(folder), NULL);
    snprintf(path, sizeof(path), "%s/run/app.sock", folder);
    log_set_fd(-1);
    sup.loop = ev_default_loop(0);
    conn_set_init(&sup.conns, sup.loop);
    sup.system = system_create(&sup);
    n_frames = n_gone = 0;
    n_answer_bytes = 0;
}

static void finish(void)
{
    char command[128];

    control_destroy(sup.control);
    sup.control = NULL;
    system_destroy(sup.system);
    conn_set_finish(&sup.conns);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void listen_there(void)
{
    struct err err = {0};

    sup.control = control_create(&sup, path, &err);
    ck_assert_msg(sup.control != NULL, "%s", err.text);
}

static int connect_there(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        ev_run(sup.loop, EVRUN_NOWAIT);
}

START_TEST(control_makes_a_socket_for_us_alone_C1)
{
    mode_t mask = umask(0);
    struct stat st;

    listen_there();
    ck_assert_uint_eq(umask(mask), 0); /* as it was */
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0077, 0);
    control_destroy(sup.control);
    sup.control = NULL;
    ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(control_takes_a_stale_socket_over)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof(path), "%s/app.sock", folder);
    memcpy(address.sun_path, path, strlen(path) + 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* its file stays */
    listen_there();
}
END_TEST

START_TEST(control_refuses_a_path_where_somebody_answers)
{
    char want[32];
    struct err err = {0};

    listen_there();
    ck_assert_ptr_eq(control_create(&sup, path, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_ALREADY_EXISTS);
    snprintf(want, sizeof(want), "pid %d", (int)getpid());
    ck_assert_ptr_ne(strstr(err.text, want), NULL);
    ck_assert_int_ne(connect_there(), -1); /* and leaves it alone */
}
END_TEST

START_TEST(control_refuses_what_is_no_socket_C1)
{
    char other[120];
    struct err err = {0};

    snprintf(path, sizeof(path), "%s/app.sock", folder);
    snprintf(other, sizeof(other), "%s.other", path);
    if (_i == 0)
        ck_assert_int_eq(symlink(other, path), 0);
    else
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_ptr_eq(control_create(&sup, path, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_PERMISSION_DENIED);
}
END_TEST

START_TEST(control_refuses_a_folder_that_all_may_write_to_C1)
{
    struct err err = {0};

    snprintf(path, sizeof(path), "%s/open", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chmod(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/open/app.sock", folder);
    ck_assert_ptr_eq(control_create(&sup, path, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_PERMISSION_DENIED);
}
END_TEST

START_TEST(control_refuses_a_folder_of_somebody_else_C1)
{
    struct err err = {0};

    if (geteuid() != 0)
        return; /* nobody else can give a folder away */
    snprintf(path, sizeof(path), "%s/theirs", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    snprintf(path, sizeof(path), "%s/theirs/app.sock", folder);
    ck_assert_ptr_eq(control_create(&sup, path, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_PERMISSION_DENIED);
    ck_assert_msg(strstr(err.text, "belongs to somebody else (uid 65534)") != NULL,
                  "%s", err.text);
}
END_TEST

START_TEST(control_refuses_a_path_that_is_too_long)
{
    char long_path[300];
    struct err err = {0};

    snprintf(long_path, sizeof(long_path), "%s/%0200d", folder, 0);
    ck_assert_ptr_eq(control_create(&sup, long_path, &err), NULL);
    ck_assert_int_eq(err.kind, ERR_INVALID);
}
END_TEST

START_TEST(control_hands_frames_on_and_drops_rubbish)
{
    struct frame_call call = {.call = 1, .target = bytes_of_text("@x")};
    struct frame_hello hello = {.version = 1};
    struct buf buf;
    char byte;
    int fd;

    listen_there();
    fd = connect_there();
    buf_init(&buf, 0);
    frame_encode_call(&buf, &call);
    ck_assert_int_eq(write(fd, buf_head(&buf), buf_len(&buf)), (ssize_t)buf_len(&buf));
    turn();
    ck_assert_uint_eq(n_frames, 1);
    ck_assert_uint_eq(control_count_clients(sup.control), 1);
    buf_clear(&buf);
    frame_encode_hello(&buf, &hello);
    ck_assert_int_eq(write(fd, buf_head(&buf), buf_len(&buf)), (ssize_t)buf_len(&buf));
    turn();
    ck_assert_uint_eq(control_count_clients(sup.control), 0);
    ck_assert_uint_eq(n_gone, 1);
    ck_assert_int_eq(read(fd, &byte, 1), 0);
    buf_finish(&buf);
    close(fd);
}
END_TEST

START_TEST(control_bounds_its_clients_C3)
{
    int fds[100], n_refused = 0;
    char reply[300];

    listen_there();
    for (unsigned i = 0; i < N_ELEMENTS(fds); i++) {
        fds[i] = connect_there();
        turn();
    }
    ck_assert_uint_eq(control_count_clients(sup.control), 64);
    for (unsigned i = 0; i < N_ELEMENTS(fds); i++) {
        ssize_t n = read(fds[i], reply, sizeof(reply));

        if (n > 0) {
            ck_assert_ptr_ne(memmem(reply, (size_t)n, "too many", 8), NULL);
            n_refused++;
        }
        close(fds[i]);
    }
    ck_assert_int_eq(n_refused, 36);
    turn();
    ck_assert_uint_eq(control_count_clients(sup.control), 0);
}
END_TEST

static void send_call(int fd)
{
    struct frame_call call = {.call = 1, .target = bytes_of_text("@x")};
    struct buf buf;

    buf_init(&buf, 0);
    frame_encode_call(&buf, &call);
    ck_assert_int_eq(write(fd, buf_head(&buf), buf_len(&buf)), (ssize_t)buf_len(&buf));
    buf_finish(&buf);
}

static size_t read_all(int fd)
{
    static char room[65536];
    size_t n_all = 0;

    for (int n_empty = 0; n_empty < 100;) {
        ssize_t n = read(fd, room, sizeof(room));

        turn();
        n_all += n > 0 ? (size_t)n : 0;
        n_empty += n <= 0;
    }
    return n_all;
}

START_TEST(control_lets_who_reads_an_answer_read_on_C3)
{
    int fds[CONTROL_MAX_CLIENTS];
    uint64_t until_ms;

    listen_there();
    n_answer_bytes = (size_t)4 * 1024 * 1024;
    for (unsigned i = 0; i < N_ELEMENTS(fds); i++) {
        fds[i] = connect_there();
        if (i == 0)
            send_call(fds[i]);
        turn();
    }
    for (until_ms = clock_monotonic_ms() + 1100; clock_monotonic_ms() < until_ms;)
        ev_run(sup.loop, EVRUN_NOWAIT);
    ck_assert_int_ne(connect_there(), -1);
    turn();
    ck_assert_uint_eq(n_gone, 1);
    ck_assert_uint_eq(control_count_clients(sup.control), CONTROL_MAX_CLIENTS);
    ck_assert_uint_gt(read_all(fds[0]), n_answer_bytes);
}
END_TEST

START_TEST(control_comes_back_when_its_file_was_deleted)
{
    struct stat st;

    listen_there();
    ck_assert_int_eq(unlink(path), 0);
    while (lstat(path, &st) == -1) /* two seconds */
        ev_run(sup.loop, EVRUN_ONCE);
    ck_assert_int_ne(connect_there(), -1);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, control_makes_a_socket_for_us_alone_C1);
    tcase_add_test(tc, control_takes_a_stale_socket_over);
    tcase_add_test(tc, control_refuses_a_path_where_somebody_answers);
    tcase_add_loop_test(tc, control_refuses_what_is_no_socket_C1, 0, 2);
    tcase_add_test(tc, control_refuses_a_folder_that_all_may_write_to_C1);
    tcase_add_test(tc, control_refuses_a_folder_of_somebody_else_C1);
    tcase_add_test(tc, control_refuses_a_path_that_is_too_long);
    tcase_add_test(tc, control_hands_frames_on_and_drops_rubbish);
    tcase_add_test(tc, control_bounds_its_clients_C3);
    tcase_add_test(tc, control_lets_who_reads_an_answer_read_on_C3);
    tcase_add_test(tc, control_comes_back_when_its_file_was_deleted);
}

int main(void)
{
    return unit_main("control", fill);
}
