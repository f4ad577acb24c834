/* The supervisor itself. */
#include "supervisor/supctl.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/exit.h"
#include "common/mem.h"

/* ---- the supervisor -------------------------------------------------------------- */

static int run_ping(struct supctl *ctl)
{
    uint64_t start_ns = (uint64_t)clock_monotonic_ns();
    struct value result;
    int code = supctl_ask(ctl, "@system.ping", value_list(), 2000, &result);

    if (code == EXIT_OK && ctl->json)
        supctl_print_json(&result, false);
    else if (code == EXIT_OK)
        printf("pong from pid %lld in %.2f ms\n",
               (long long)value_get_int(&result, "pid", 0),
               (double)((uint64_t)clock_monotonic_ns() - start_ns) / 1e6);
    value_finish(&result);
    return code;
}

static const struct command commands[] = {
    {"ping", "ping", "does the supervisor answer?", 0, 0, 0, run_ping},
    {"doctor", "doctor", "what this machine lacks, and what that costs", 0, 0, 0,
     supctl_run_doctor},
};
const struct command_table supctl_system_commands = {commands, N_ELEMENTS(commands),
                                                     "The supervisor"};
