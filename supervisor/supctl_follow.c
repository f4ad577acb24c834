/* Logs and events. */
#include "supervisor/supctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/supctl_table.h"

static void print_time(int64_t at_ns)
{
    struct value at = value_int(at_ns);
    char *text = supctl_cell_text(&at, COLUMN_TIME);

    printf("%s ", text);
    free(text);
}

static void print_fields(const struct value *fields)
{
    struct buf buf;

    if (fields == NULL || fields->type != VALUE_MAP)
        return;
    for (size_t i = 0; i < fields->as.map.n; i++) {
        const struct value_pair *pair = &fields->as.map.pairs[i];
        const char *text = value_text(&pair->value);

        putchar(' ');
        supctl_text_print(stdout, pair->key);
        putchar('=');
        if (text != NULL && text[0] != '\0' && strpbrk(text, " \"=\n\t") == NULL) {
            supctl_text_print(stdout, text);
            continue;
        }
        buf_init(&buf, 0);
        value_write_json(&buf, &pair->value, 0);
        fwrite(buf_head(&buf), 1, buf_len(&buf), stdout);
        buf_finish(&buf);
    }
}

static bool print_record(struct supctl *ctl, const struct value *record)
{
    const char *message = value_get_text(record, "message");
    const char *level = value_get_text(record, "level");
    const char *logger = value_get_text(record, "logger");

    if (ctl->json) {
        supctl_print_json(record, false);
    } else if (value_get(record, "missed") != NULL) {
        printf("... %lld records missed, the reader was too slow\n",
               (long long)value_get_int(record, "missed", 0));
    } else {
        print_time(value_get_int(record, "at", 0));
        printf("%s ", level != NULL ? level : "?");
        supctl_text_print(stdout, logger != NULL ? logger : "?");
        putchar(' ');
        supctl_text_print(stdout, message != NULL ? message : "");
        print_fields(value_get(record, "fields"));
        putchar('\n');
    }
    fflush(stdout);
    return ferror(stdout) == 0;
}

/* No records may mean that the name is wrong; one that is gone has left its own. */
static int check_name(struct supctl *ctl)
{
    struct value entry;
    int code = supctl_ask(ctl, "@registry.get", supctl_args(ctl->service),
                          ASK_TIMEOUT_MS, &entry);

    if (code == EXIT_NO_SUCH_NAME)
        supctl_suggest(ctl, NULL, ctl->service);
    value_finish(&entry);
    return code;
}

static int run_logs(struct supctl *ctl)
{
    struct value options = value_map(), args = value_list(), list;
    int code;

    if (ctl->n_lines >= 0)
        value_put(&options, "n", value_int(ctl->n_lines));
    if (ctl->level != NULL)
        value_put(&options, "level", value_string(ctl->level));
    if (ctl->service != NULL)
        value_put(&options, "logger", value_string(ctl->service));
    value_append(&args, options);
    if (ctl->follow)
        return supctl_ask_stream(ctl, "@logs.follow", args, print_record);
    code = supctl_ask(ctl, "@logs.tail", args, ASK_TIMEOUT_MS, &list);
    if (code == EXIT_OK && value_list_n(&list) == 0 && ctl->service != NULL)
        code = check_name(ctl);
    if (code == EXIT_OK && ctl->json) {
        supctl_print_json(&list, false);
    } else if (code == EXIT_OK && list.type == VALUE_LIST) {
        for (size_t i = 0; i < list.as.list.n; i++)
            print_record(ctl, &list.as.list.items[i]);
    }
    value_finish(&list);
    return code;
}

static bool print_event(struct supctl *ctl, const struct value *event)
{
    const char *system = value_get_text(event, "system");
    const char *kind = value_get_text(event, "kind");
    const char *path = value_get_text(event, "path");
    const struct value *data = value_get(event, "data");

    if (ctl->json) {
        supctl_print_json(event, false);
    } else if (value_get(event, "missed") != NULL) {
        printf("... %lld events missed, the reader was too slow\n",
               (long long)value_get_int(event, "missed", 0));
    } else {
        supctl_text_print(stdout, system != NULL ? system : "-");
        putchar(' ');
        supctl_text_print(stdout, kind != NULL ? kind : "-");
        putchar(' ');
        supctl_text_print(stdout, path != NULL ? path : "-");
        if (data != NULL && data->type != VALUE_NIL) {
            putchar(' ');
            supctl_print_json(data, false);
        } else {
            putchar('\n');
        }
    }
    fflush(stdout);
    return ferror(stdout) == 0;
}

static int run_events(struct supctl *ctl)
{
    struct value args = value_list();

    value_append(&args, value_string(ctl->n_args > 0 ? ctl->args[0] : "*"));
    value_append(&args, value_string(ctl->n_args > 1 ? ctl->args[1] : "*"));
    return supctl_ask_stream(ctl, "@events.follow", args, print_event);
}

static const struct command commands[] = {
    {"logs", "logs", "recent log records", 0, 0,
     FLAG_FOLLOW | FLAG_SERVICE | FLAG_LEVEL | FLAG_LINES, run_logs},
    {"events", "events [SYSTEM [KIND]]", "events of the bus, as they come", 0, 2,
     FLAG_FOLLOW, run_events},
};
const struct command_table supctl_follow_commands = {commands, N_ELEMENTS(commands),
                                                     "Logs and events"};
