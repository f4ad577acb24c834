/* Figures for programs. */
#include "supervisor/supctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/supctl_top.h"

/* {"name{labels}": number, ...}; what JSON has no number for is a text. */
static struct value metrics_as_map(const char *text)
{
    struct value map = value_map();

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        const char *space = memrchr(text, ' ', n);

        if (*text != '#' && space != NULL) {
            char *number = xstrndup(space + 1, (size_t)(text + n - space - 1));

            value_add_n(&map, text, (size_t)(space - text),
                        supctl_json_or_text(number));
            free(number);
        }
        text += n + (text[n] == '\n');
    }
    return map;
}

static int run_metrics(struct supctl *ctl)
{
    struct value result, map;
    int code = supctl_ask(ctl, "@metrics", value_list(), ASK_TIMEOUT_MS, &result);

    if (code == EXIT_OK && result.type == VALUE_STRING && ctl->json) {
        map = metrics_as_map(result.as.string.data);
        supctl_print_json(&map, false);
        value_finish(&map);
    } else if (code == EXIT_OK && result.type == VALUE_STRING) {
        fwrite(result.as.string.data, 1, result.as.string.n, stdout);
    }
    value_finish(&result);
    return code;
}

static const struct command commands[] = {
    {"metrics", "metrics", "figures in the format of Prometheus", 0, 0, 0, run_metrics},
    {"top", "top", "a live view of pools, workers and services", 0, 0, 0,
     supctl_run_top},
    {"trace", "trace [ID]", "recorded traces, or where the time of one went", 0, 1,
     FLAG_LINES, supctl_run_trace},
};
const struct command_table supctl_observe_commands = {commands, N_ELEMENTS(commands),
                                                      "Figures"};
