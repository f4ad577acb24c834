/*
 * peer_nats -- request and reply through a NATS server, with its own C client.
 *
 *     peer_nats URL OUTSTANDING SECONDS
 *
 * Two processes and the server between them: the caller publishes two integers with a
 * reply subject, the callee adds them and publishes the sum there. This is what the
 * client's request call does as well, but without a blocked thread per request, which
 * is the faster way. No Lua on either side. Prints one line of JSON; the first fifth of
 * the time is warm-up.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nats/nats.h>

#include "common/clock.h"

#include "tests/bench/latencies.h"

#define MAX_OUTSTANDING 1024
#define SUBJECT         "bench.add"

struct numbers {
    int64_t a, b;
};

static void check(natsStatus status, const char *what)
{
    if (status != NATS_OK) {
        fprintf(stderr, "peer_nats: %s: %s\n", what, natsStatus_GetText(status));
        exit(1);
    }
}

/* ---- the callee ------------------------------------------------------------------ */

static void on_request(natsConnection *connection, natsSubscription *subscription,
                       natsMsg *message, void *closure)
{
    struct numbers numbers;
    int64_t sum;

    (void)subscription, (void)closure;
    if (natsMsg_GetDataLength(message) != (int)sizeof(numbers))
        fail("bad request");
    memcpy(&numbers, natsMsg_GetData(message), sizeof(numbers));
    sum = numbers.a + numbers.b;
    check(natsConnection_Publish(connection, natsMsg_GetReply(message), &sum,
                                 sizeof(sum)),
          "reply");
    natsMsg_Destroy(message);
}

static void callee_run(const char *url, int ready_fd)
{
    natsConnection *connection = NULL;
    natsSubscription *subscription = NULL;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    check(natsConnection_ConnectTo(&connection, url), "connect");
    check(
        natsConnection_Subscribe(&subscription, connection, SUBJECT, on_request, NULL),
        "subscribe");
    check(natsConnection_Flush(connection), "flush");
    if (write(ready_fd, "r", 1) != 1)
        fail("write");
    pause();
}

/* ---- the caller ------------------------------------------------------------------ */

/* Touched by the client's delivery thread only, but for the two atomics. */
struct caller {
    natsConnection *connection;
    char inbox[64];
    struct numbers numbers[MAX_OUTSTANDING];
    int64_t sent_at_ns[MAX_OUTSTANDING];
    struct latencies latencies;
    atomic_bool is_warm, is_over;
};

static void caller_send(struct caller *caller, unsigned number)
{
    char reply[80];

    snprintf(reply, sizeof(reply), "%s.%u", caller->inbox, number);
    caller->sent_at_ns[number] = clock_monotonic_ns();
    check(natsConnection_PublishRequest(caller->connection, SUBJECT, reply,
                                        &caller->numbers[number],
                                        sizeof(caller->numbers[number])),
          "publish");
}

static void on_reply(natsConnection *connection, natsSubscription *subscription,
                     natsMsg *message, void *closure)
{
    struct caller *caller = closure;
    const char *dot = strrchr(natsMsg_GetSubject(message), '.');
    unsigned long number = dot ? strtoul(dot + 1, NULL, 10) : MAX_OUTSTANDING;
    int64_t sum = 0;

    (void)connection, (void)subscription;
    if (number >= MAX_OUTSTANDING || natsMsg_GetDataLength(message) != (int)sizeof(sum))
        fail("bad reply");
    memcpy(&sum, natsMsg_GetData(message), sizeof(sum));
    if (sum != caller->numbers[number].a + caller->numbers[number].b)
        fail("wrong sum");
    natsMsg_Destroy(message);
    if (atomic_load_explicit(&caller->is_warm, memory_order_relaxed))
        latencies_add(&caller->latencies,
                      clock_monotonic_ns() - caller->sent_at_ns[number]);
    if (atomic_load_explicit(&caller->is_over, memory_order_relaxed))
        return;
    caller->numbers[number].a = sum;
    caller_send(caller, (unsigned)number);
}

static void caller_run(struct caller *caller, const char *url, unsigned n_outstanding,
                       double seconds)
{
    natsSubscription *subscription = NULL;
    char subject[80];

    check(natsConnection_ConnectTo(&caller->connection, url), "connect");
    snprintf(caller->inbox, sizeof(caller->inbox), "_INBOX.bench%d", (int)getpid());
    snprintf(subject, sizeof(subject), "%s.*", caller->inbox);
    check(natsConnection_Subscribe(&subscription, caller->connection, subject, on_reply,
                                   caller),
          "subscribe");
    for (unsigned i = 0; i < n_outstanding; i++) {
        caller->numbers[i] = (struct numbers){(int64_t)1 << 32, 1};
        caller_send(caller, i);
    }
    usleep((useconds_t)(seconds * 0.2e6));
    atomic_store(&caller->is_warm, true);
    usleep((useconds_t)(seconds * 0.8e6));
    atomic_store(&caller->is_warm, false);
    atomic_store(&caller->is_over, true);
    usleep(50000); /* lets the last replies in before they are read */
}

int main(int argc, char **argv)
{
    static struct caller caller;
    unsigned n_outstanding = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    int ready_fds[2];
    char ready;
    pid_t callee_pid;

    if (n_outstanding < 1 || n_outstanding > MAX_OUTSTANDING || seconds <= 0) {
        fprintf(stderr, "usage: peer_nats URL OUTSTANDING(1..%d) SECONDS\n",
                MAX_OUTSTANDING);
        return 2;
    }
    if (pipe(ready_fds) != 0 || (callee_pid = fork()) == -1)
        fail("fork");
    if (callee_pid == 0) {
        callee_run(argv[1], ready_fds[1]);
        _exit(0);
    }
    close(ready_fds[1]);
    if (read(ready_fds[0], &ready, 1) != 1)
        fail("the callee did not start");
    caller_run(&caller, argv[1], n_outstanding, seconds);
    kill(callee_pid, SIGKILL);
    waitpid(callee_pid, NULL, 0);
    printf("{\"calls_per_s\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n",
           (double)caller.latencies.n / (seconds * 0.8),
           latencies_at_us(&caller.latencies, 0.5),
           latencies_at_us(&caller.latencies, 0.99));
    return 0;
}
