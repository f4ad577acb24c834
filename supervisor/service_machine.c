#include "supervisor/service_machine.h"

#include <assert.h>
#include <stdio.h>

#include "common/duration.h"
#include "common/err.h"

/* Looks at the event and says where to go. */
typedef enum machine_state judgement(struct machine *m, const struct err *err);

static judgement judge_fresh_start, judge_start_failure, judge_start_timeout, judge_end,
    judge_stop_timeout, judge_killed, judge_failed_reset, judge_reset;

/* What a cell does; with judge, it decides and `next` is unused. kill: the backend must
 * let go of what there is. An empty cell: nothing happens, the event is out of date. */
struct cell {
    bool used;
    enum machine_state next;
    judgement *judge;
    bool kill;
};

#define GO(state)                                                                      \
    {                                                                                  \
        true, (state), NULL, false                                                     \
    }
#define JUDGE(judge)                                                                   \
    {                                                                                  \
        true, MS_UNKNOWN, (judge), false                                               \
    }
#define JUDGE_AND_KILL(judge)                                                          \
    {                                                                                  \
        true, MS_UNKNOWN, (judge), true                                                \
    }
#define STRAY(state)                                                                   \
    {                                                                                  \
        true, (state), NULL, true                                                      \
    } /* started for nobody */
#define NOTHING                                                                        \
    {                                                                                  \
        false, MS_UNKNOWN, NULL, false                                                 \
    }

// clang-format off
static const struct cell table[MS_N_STATES][ME_N_EVENTS] = {
    [MS_UNKNOWN] = {
        [ME_START] = JUDGE(judge_fresh_start),
        [ME_STARTED] = STRAY(MS_UNKNOWN),
        [ME_START_FAILED] = NOTHING,
        [ME_ENDED] = NOTHING,
        [ME_STOP] = NOTHING,
        [ME_KILL] = NOTHING,
        [ME_TIMEOUT] = NOTHING,
        [ME_RESET] = NOTHING,
    },
    [MS_STARTING] = {
        [ME_START] = NOTHING,
        [ME_STARTED] = GO(MS_RUNNING),
        [ME_START_FAILED] = JUDGE(judge_start_failure),
        [ME_ENDED] = JUDGE(judge_end), /* so fast that nobody saw it run */
        [ME_STOP] = GO(MS_ABORTING),
        [ME_KILL] = JUDGE_AND_KILL(judge_killed),
        [ME_TIMEOUT] = JUDGE_AND_KILL(judge_start_timeout),
        [ME_RESET] = JUDGE(judge_reset),
    },
    [MS_ABORTING] = {
        [ME_START] = NOTHING, /* started again when it has stopped, see service.c */
        [ME_STARTED] = GO(MS_STOPPING),
        [ME_START_FAILED] = GO(MS_STOPPED),
        [ME_ENDED] = GO(MS_STOPPED),
        [ME_STOP] = NOTHING,
        [ME_KILL] = JUDGE_AND_KILL(judge_killed),
        [ME_TIMEOUT] = JUDGE_AND_KILL(judge_stop_timeout),
        [ME_RESET] = JUDGE(judge_reset),
    },
    [MS_RUNNING] = {
        [ME_START] = NOTHING,
        [ME_STARTED] = NOTHING,
        [ME_START_FAILED] = JUDGE(judge_end), /* a start that turns out to be none */
        [ME_ENDED] = JUDGE(judge_end),
        [ME_STOP] = GO(MS_STOPPING),
        [ME_KILL] = JUDGE_AND_KILL(judge_killed),
        [ME_TIMEOUT] = NOTHING,
        [ME_RESET] = JUDGE(judge_reset),
    },
    [MS_STOPPING] = {
        [ME_START] = NOTHING, /* as in ABORTING */
        [ME_STARTED] = NOTHING,
        [ME_START_FAILED] = GO(MS_STOPPED),
        [ME_ENDED] = GO(MS_STOPPED), /* well or not: it was asked to */
        [ME_STOP] = NOTHING,
        [ME_KILL] = JUDGE_AND_KILL(judge_killed),
        [ME_TIMEOUT] = JUDGE_AND_KILL(judge_stop_timeout),
        [ME_RESET] = JUDGE(judge_reset),
    },
    [MS_STOPPED] = {
        [ME_START] = JUDGE(judge_fresh_start),
        [ME_STARTED] = STRAY(MS_STOPPED),
        [ME_START_FAILED] = NOTHING,
        [ME_ENDED] = NOTHING,
        [ME_STOP] = NOTHING,
        [ME_KILL] = NOTHING,
        [ME_TIMEOUT] = NOTHING,
        [ME_RESET] = JUDGE(judge_reset),
    },
    [MS_FAILED] = {
        [ME_START] = JUDGE(judge_fresh_start),
        [ME_STARTED] = STRAY(MS_FAILED),
        [ME_START_FAILED] = NOTHING,
        [ME_ENDED] = NOTHING,
        [ME_STOP] = NOTHING,
        [ME_KILL] = NOTHING,
        [ME_TIMEOUT] = NOTHING,
        [ME_RESET] = JUDGE(judge_failed_reset),
    },
    [MS_BACKOFF] = {
        [ME_START] = GO(MS_STARTING), /* now, not later */
        [ME_STARTED] = STRAY(MS_BACKOFF),
        [ME_START_FAILED] = NOTHING,
        [ME_ENDED] = NOTHING,
        [ME_STOP] = GO(MS_STOPPED),
        [ME_KILL] = GO(MS_STOPPED),
        [ME_TIMEOUT] = GO(MS_STARTING),
        [ME_RESET] = JUDGE(judge_fresh_start),
    },
    [MS_EXITED] = {
        [ME_START] = JUDGE(judge_fresh_start),
        [ME_STARTED] = STRAY(MS_EXITED),
        [ME_START_FAILED] = NOTHING,
        [ME_ENDED] = NOTHING,
        [ME_STOP] = NOTHING,
        [ME_KILL] = NOTHING,
        [ME_TIMEOUT] = NOTHING,
        [ME_RESET] = JUDGE(judge_reset),
    },
};
// clang-format on

static void set_details(struct machine *m, const char *before, const char *text)
{
    snprintf(m->details, sizeof(m->details), "%s%s", before, text);
}

static enum machine_state judge_fresh_start(struct machine *m, const struct err *err)
{
    (void)err;
    m->n_failures = 0;
    return MS_STARTING;
}

/* One more failure. A run that was long enough makes it the first again. */
static enum machine_state count_failure(struct machine *m)
{
    if (m->state == MS_RUNNING &&
        m->ops->now_ms(m) - m->running_since_ms >= m->policy.stable_threshold_ms)
        m->n_failures = 0;
    m->n_failures++;
    if (!backoff_may_restart(&m->policy.backoff, m->n_failures))
        return MS_FAILED;
    return MS_BACKOFF;
}

static enum machine_state exit_with(struct machine *m, bool well)
{
    m->ended_well = well;
    return MS_EXITED;
}

/* SV-5: only what says of itself that it may succeed later is tried again. */
static enum machine_state judge_start_failure(struct machine *m, const struct err *err)
{
    set_details(m, "", err->text);
    if (err->retryable != RETRY_YES)
        return exit_with(m, false);
    return count_failure(m);
}

static enum machine_state judge_start_timeout(struct machine *m, const struct err *err)
{
    (void)err;
    set_details(m, "start timeout", "");
    return count_failure(m);
}

/* SV-6: whoever wants a restart must raise. */
static enum machine_state judge_end(struct machine *m, const struct err *err)
{
    if (err == NULL) {
        set_details(m, "", "");
        return exit_with(m, true);
    }
    if (err->retryable == RETRY_NO) {
        set_details(m, "", err->text);
        return exit_with(m, false);
    }
    set_details(m, "process failed: ", err->text);
    return count_failure(m);
}

static enum machine_state judge_stop_timeout(struct machine *m, const struct err *err)
{
    char text[DURATION_TEXT_BYTES];

    (void)err;
    duration_format(text, (int64_t)m->policy.stop_timeout_ms * 1000000);
    set_details(m, "stop timeout after ", text);
    m->stop_timed_out = true;
    return MS_FAILED;
}

static enum machine_state judge_killed(struct machine *m, const struct err *err)
{
    (void)err;
    set_details(m, "killed at the end of the shutdown's time", "");
    return MS_FAILED;
}

static enum machine_state judge_reset(struct machine *m, const struct err *err)
{
    (void)err;
    m->n_failures = 0;
    return m->state;
}

static enum machine_state judge_failed_reset(struct machine *m, const struct err *err)
{
    (void)err;
    m->n_failures = 0;
    set_details(m, "", "");
    return MS_STOPPED;
}

static void enter_starting(struct machine *m)
{
    if (m->n_failures == 0)
        set_details(m, "", "");
    else
        snprintf(m->details, sizeof(m->details), "attempt %u", m->n_failures + 1);
    m->ops->set_timer(m, m->policy.start_timeout_ms);
}

static void enter_backoff(struct machine *m)
{
    uint64_t wait_ms =
        backoff_delay_ms(&m->policy.backoff, m->n_failures, m->ops->random(m));

    m->next_try_at_ms = m->ops->now_ms(m) + wait_ms;
    m->ops->set_timer(m, wait_ms);
}

static void enter(struct machine *m, enum machine_state next)
{
    m->ops->clear_timer(m);
    m->next_try_at_ms = 0;
    m->state = next;
    m->stop_timed_out = m->stop_timed_out && next == MS_FAILED;
    switch (next) {
    case MS_STARTING:
        enter_starting(m);
        break;
    case MS_ABORTING:
    case MS_STOPPING:
        m->ops->set_timer(m, m->policy.stop_timeout_ms + m->policy.stop_grace_ms);
        break;
    case MS_RUNNING:
        set_details(m, "", "");
        m->running_since_ms = m->ops->now_ms(m);
        break;
    case MS_STOPPED:
        set_details(m, "", "");
        break;
    case MS_BACKOFF:
        enter_backoff(m);
        break;
    default:
        break;
    }
}

void machine_init(struct machine *machine, const struct machine_ops *ops,
                  const struct machine_policy *policy)
{
    *machine = (struct machine){.ops = ops, .policy = *policy};
}

void machine_step(struct machine *m, enum machine_event event, const struct err *err)
{
    enum machine_state old = m->state, next;
    const struct cell *cell = &table[old][event];

    assert(err != NULL || event != ME_START_FAILED);
    if (!cell->used)
        return;
    next = cell->judge != NULL ? cell->judge(m, err) : cell->next;
    if (next != old) {
        if (old == MS_BACKOFF && next == MS_STARTING && event != ME_RESET)
            m->n_restarts++;
        enter(m, next);
        m->ops->changed(m, old);
    }
    /* Last: each of these may step the machine on from inside. */
    if (cell->kill)
        m->ops->kill(m);
    else if (next != old && next == MS_STARTING)
        m->ops->start(m);
    else if (next != old && (next == MS_STOPPING || next == MS_ABORTING))
        m->ops->stop(m);
}

enum service_state machine_shown_state(const struct machine *machine)
{
    static const enum service_state shown[MS_N_STATES] = {
        [MS_UNKNOWN] = SERVICE_UNKNOWN,   [MS_STARTING] = SERVICE_STARTING,
        [MS_ABORTING] = SERVICE_STOPPING, [MS_RUNNING] = SERVICE_RUNNING,
        [MS_STOPPING] = SERVICE_STOPPING, [MS_STOPPED] = SERVICE_STOPPED,
        [MS_FAILED] = SERVICE_FAILED,     [MS_BACKOFF] = SERVICE_FAILED,
        [MS_EXITED] = SERVICE_EXITED,
    };

    return shown[machine->state];
}

bool machine_is_active(const struct machine *machine)
{
    return machine->state == MS_STARTING || machine->state == MS_ABORTING ||
           machine->state == MS_RUNNING || machine->state == MS_STOPPING;
}

const char *service_state_name(enum service_state state)
{
    static const char *const names[] = {
        [SERVICE_UNKNOWN] = "unknown", [SERVICE_STARTING] = "starting",
        [SERVICE_RUNNING] = "running", [SERVICE_STOPPING] = "stopping",
        [SERVICE_STOPPED] = "stopped", [SERVICE_FAILED] = "failed",
        [SERVICE_EXITED] = "exited",
    };

    return names[state];
}
