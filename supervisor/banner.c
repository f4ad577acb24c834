#include "supervisor/banner.h"

#include <stdlib.h>
#include <string.h>

#include "common/paths.h"
#include "common/value.h"

#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/metrics_http.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/service.h"

struct counts {
    unsigned n_functions, n_processes, n_hosts;
    const struct entry *function; /* one to try: the first by id */
};

static struct counts count(const struct snapshot *state)
{
    struct counts counts = {0};

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        unsigned flags = entry->type != NULL ? entry->type->flags : 0;

        counts.n_functions += (flags & KIND_CALLABLE) != 0;
        counts.n_processes += (flags & KIND_PROCESS) != 0;
        counts.n_hosts += (flags & KIND_HOST) != 0;
        if ((flags & KIND_CALLABLE) != 0 && counts.function == NULL)
            counts.function = entry;
    }
    return counts;
}

static void print_services(FILE *out, const struct supervisor *sup)
{
    struct value services = services_describe(sup);
    unsigned n_running = 0;

    for (size_t i = 0; i < services.as.list.n; i++) {
        const char *state = value_get_text(&services.as.list.items[i], "state");

        n_running += state != NULL && strcmp(state, "running") == 0;
    }
    fprintf(out, "services  %u of %zu running\n", n_running, services.as.list.n);
    value_finish(&services);
}

/* meta.example: the arguments to try it with. */
static void print_try(FILE *out, const struct entry *function, const char *options)
{
    const char *example = value_get_text(&function->meta, "example");

    fprintf(out, "          supctl call%s %s%s%s\n", options, function->id,
            example != NULL ? " " : "", example != NULL ? example : "");
}

static void print_count(FILE *out, const char *before, size_t n, const char *one,
                        const char *many)
{
    fprintf(out, "%s%zu %s", before, n, n == 1 ? one : many);
}

void banner_print(FILE *out, const struct supervisor *sup)
{
    const struct config *config = sup->config;
    const struct snapshot *state = registry_state(sup->registry);
    struct counts counts = count(state);
    char *usual = paths_control_socket(config->app);
    char options[300] = "";

    if (strcmp(usual, config->control_path) != 0)
        snprintf(options, sizeof(options), " --control %s", config->control_path);
    fprintf(out, "Troupe %s runs %s", TROUPE_VERSION, config->app);
    print_count(out, ": ", state->n, "entry", "entries");
    print_count(out, ", ", counts.n_functions, "function", "functions");
    print_count(out, ", ", counts.n_processes, "process", "processes");
    print_count(out, ", ", counts.n_hosts, "host", "hosts");
    fputc('\n', out);
    print_services(out, sup);
    fprintf(out, "state     %s\ncontrol   %s\n", config->state_dir,
            config->control_path);
    if (sup->metrics_http != NULL)
        fprintf(out, "metrics   http://%s/metrics\n",
                metrics_http_address(sup->metrics_http));
    fprintf(out, "try       supctl status%s\n", options);
    if (counts.function != NULL)
        print_try(out, counts.function, options);
    fprintf(out, "          supctl logs -f%s\n", options);
    fprintf(out, "Ctrl-C stops it.\n");
    fflush(out);
    free(usual);
}
