#include "supervisor/dev.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/problems.h"
#include "supervisor/registry_load.h"
#include "supervisor/reload.h"
#include "supervisor/rollout.h"
#include "supervisor/watch.h"

struct dev {
    struct supervisor *sup;
    FILE *out;
    struct watch *watch;
    uint64_t begun_at_ms;
};

static void print_rows(FILE *out, const struct value *list, const char *op)
{
    for (size_t i = 0; i < value_list_n(list); i++) {
        const struct value *row = &list->as.list.items[i];
        const char *error = value_get_text(row, "error");

        fprintf(out, "  %-8s %s: %s%s%s\n", op != NULL ? op : value_get_text(row, "op"),
                value_get_text(row, "id"), value_get_text(row, "effect"),
                error != NULL ? ": " : "", error != NULL ? error : "");
    }
}

static void print_problems(FILE *out, const struct problems *problems)
{
    struct buf line;

    buf_init(&line, 0);
    for (size_t i = 0; i < problems->n; i++)
        problem_format(&line, &problems->rows[i]);
    if (buf_len(&line) != 0)
        (void)!fwrite(buf_head(&line), 1, buf_len(&line), out);
    buf_finish(&line);
}

static void print_report(const struct dev *dev, const struct rollout_report *report)
{
    unsigned long long version = report->version;
    FILE *out = dev->out;

    print_problems(out, report->problems);
    if (report->committed) {
        fprintf(out, "reloaded in %llu ms: version %llu\n",
                (unsigned long long)(clock_monotonic_ms() - dev->begun_at_ms), version);
        print_rows(out, value_get(report->plan, "changes"), NULL);
        print_rows(out, value_get(report->plan, "affected"), "follows");
        print_rows(out, value_get(report->plan, "services"), "service");
    } else if (report->err != NULL) {
        if (report->problems->n_errors == 0)
            fprintf(out, "error: %s\n", report->err->text);
        fprintf(out, "nothing was changed, version %llu goes on\n", version);
    }
    fflush(out);
}

static void on_reloaded(void *context, const struct rollout_report *report)
{
    const struct dev *dev = context;

    if (dev->out != NULL)
        print_report(dev, report);
}

static void on_changed(void *context)
{
    struct dev *dev = context;

    dev->begun_at_ms = clock_monotonic_ms();
    reload_begin(dev->sup->reloads, NULL, false, on_reloaded, dev);
}

struct dev *dev_create(struct supervisor *sup, const struct load_options *load,
                       FILE *out, struct err *err)
{
    struct dev *dev = xcalloc(1, sizeof(*dev));

    dev->sup = sup;
    dev->out = out;
    dev->watch =
        watch_create(sup->loop, load->paths, load->n_paths, on_changed, dev, err);
    if (dev->watch == NULL) {
        free(dev);
        return NULL;
    }
    on_changed(dev); /* files may have changed since they were read */
    return dev;
}

void dev_stop(struct dev *dev)
{
    if (dev == NULL)
        return;
    watch_destroy(dev->watch);
    dev->watch = NULL;
    dev->out = NULL;
}

void dev_destroy(struct dev *dev)
{
    if (dev == NULL)
        return;
    dev_stop(dev);
    free(dev);
}
