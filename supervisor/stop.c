#include "supervisor/program.h"

#include "common/clock.h"
#include "common/exit.h"
#include "common/log.h"

#include "supervisor/code.h"
#include "supervisor/config.h"
#include "supervisor/dev.h"
#include "supervisor/otel.h"
#include "supervisor/pool.h"
#include "supervisor/rollout.h"
#include "supervisor/service.h"
#include "supervisor/status.h"

#define LAST_GRACE_MS 2000 /* beyond shutdown.timeout, for what should have ended */

static void on_flushed(void *context)
{
    struct program *program = context;

    ev_break(program->sup.loop, EVBREAK_ALL);
}

static void on_pools_stopped(void *context)
{
    struct program *program = context;

    code_stop(program->sup.code);
    if (program->sup.otel != NULL)
        otel_flush(program->sup.otel, on_flushed, program);
    else
        on_flushed(program);
}

static void on_services_stopped(void *context)
{
    struct program *program = context;

    pools_stop(program->sup.pools, program->stop_at_ns, on_pools_stopped, program);
}

static void on_stop_timeout(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)timer, (void)revents;
    log_error("not everything stopped in time, killing the rest", NULL);
    ev_break(loop, EVBREAK_ALL);
}

static void begin_stop(struct program *program)
{
    struct supervisor *sup = &program->sup;
    uint64_t timeout_ms = sup->config->shutdown_timeout_ms;

    program->stopping = true;
    dev_stop(program->dev);
    program->stop_at_ns = (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000;
    status_set_phase(sup->status, "stopping");
    notify_state(&program->notify, "STOPPING=1\nSTATUS=stopping");
    log_info("stopping", "timeout_ms=%llu", (unsigned long long)timeout_ms);
    ev_timer_init(&program->stop_timer, on_stop_timeout,
                  (double)(timeout_ms + LAST_GRACE_MS) / 1e3, 0);
    ev_timer_start(sup->loop, &program->stop_timer);
    rollouts_close(sup->rollouts);
    services_stop_all(sup, timeout_ms, on_services_stopped, program);
}

void program_stop(struct supervisor *sup, int exit_code, bool now)
{
    struct program *program = program_of(sup);

    if (exit_code != EXIT_KEPT)
        program->exit_code = exit_code;
    if (now) {
        ev_break(sup->loop, EVBREAK_ALL);
        return;
    }
    if (!program->stopping)
        begin_stop(program);
}
