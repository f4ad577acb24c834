/* The registry: what is in it, and changing it. */
#include "supervisor/supctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/control.h"
#include "supervisor/supctl_table.h"

#define TEXT_MAX_BYTES ((size_t)CONTROL_FRAME_MAX_BYTES - 65536) /* with all else */

/* ---- reading --------------------------------------------------------------------- */

static int print_entries(struct supctl *ctl, const char *target, struct value args)
{
    static const struct column columns[] = {
        {"ENTRY", "id", COLUMN_TEXT},
        {"KIND", "kind", COLUMN_TEXT},
        {"META", "meta", COLUMN_TEXT},
    };
    struct value entries;
    int code = supctl_ask(ctl, target, args, ASK_TIMEOUT_MS, &entries);

    if (code == EXIT_OK)
        supctl_print_list(ctl, &entries, columns, N_ELEMENTS(columns), "no entries");
    value_finish(&entries);
    return code;
}

static int run_registry_list(struct supctl *ctl)
{
    if (!ctl->json) /* nobody sees their data then */
        return print_entries(ctl, "@registry.list", supctl_args_brief(ctl->args[0]));
    return print_entries(ctl, "@registry.list",
                         ctl->n_args > 0 ? supctl_args(ctl->args[0]) : value_list());
}

static int run_registry_get(struct supctl *ctl)
{
    struct value entry;
    int code = supctl_ask(ctl, "@registry.get", supctl_args(ctl->args[0]),
                          ASK_TIMEOUT_MS, &entry);

    if (code == EXIT_OK && entry.type != VALUE_MAP)
        code =
            supctl_fail_text(ctl, ERR_NOT_FOUND, "entry not found: %s", ctl->args[0]);
    else if (code == EXIT_OK)
        supctl_print_json(&entry, !ctl->json);
    value_finish(&entry);
    return code;
}

static bool is_root_field(const char *text, size_t n)
{
    static const char *const names[] = {".id", ".kind", ".name", ".ns"};

    for (unsigned i = 0; i < N_ELEMENTS(names); i++)
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0)
            return true;
    return false;
}

/* Adds field=value to filter. The registry leaves out what it can't make sense of, and
 * then finds too much (REG-32): so that is refused here. */
static bool add_criterion(struct value *filter, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t n = equals != NULL ? (size_t)(equals - text) : 0;
    bool is_root = is_root_field(text, n);

    if (n == 0) {
        fprintf(stderr, "supctl: registry find wants field=value, e.g. "
                        ".kind=function.lua or meta.type=test\n");
        return false;
    }
    if (text[0] == '.' && !is_root) {
        fprintf(stderr,
                "supctl: there is no field %.*s; there are .id, .kind, .name, .ns and "
                "meta.X\n",
                (int)n, text);
        return false;
    }
    /* names and patterns are texts, also those that look like numbers */
    value_put_n(filter, text, n,
                is_root || strchr("~*^$", text[0]) != NULL
                    ? value_string(equals + 1)
                    : supctl_json_or_text(equals + 1));
    return true;
}

static int run_registry_find(struct supctl *ctl)
{
    struct value args = value_list(), filter = value_map();

    for (unsigned i = 0; i < ctl->n_args; i++) {
        if (!add_criterion(&filter, ctl->args[i])) {
            value_finish(&args);
            value_finish(&filter);
            return EXIT_USAGE;
        }
    }
    value_append(&args, filter);
    return print_entries(ctl, "@registry.find", args);
}

/* ---- changing -------------------------------------------------------------------- */

static void print_problems(FILE *out, const struct value *problems)
{
    for (size_t i = 0; i < value_list_n(problems); i++) {
        const char *line = value_get_text(&problems->as.list.items[i], "line");

        supctl_text_print(out, line != NULL ? line : "");
        fputc('\n', out);
    }
}

/* One table for all that happens: changes, what follows them, services. */
static void add_rows(struct value *rows, const struct value *list, const char *op)
{
    for (size_t i = 0; i < value_list_n(list); i++) {
        struct value row = value_copy(&list->as.list.items[i]);

        if (op != NULL)
            value_put(&row, "op", value_string(op));
        value_append(rows, row);
    }
}

static void print_plan(const struct supctl *ctl, const struct value *result)
{
    static const struct column columns[] = {
        {"CHANGE", "op", COLUMN_TEXT},     {"ENTRY", "id", COLUMN_TEXT},
        {"KIND", "kind", COLUMN_TEXT},     {"EFFECT", "effect", COLUMN_TEXT},
        {"PROBLEM", "error", COLUMN_TEXT},
    };
    struct value rows = value_list();

    add_rows(&rows, value_get(result, "changes"), NULL);
    add_rows(&rows, value_get(result, "affected"), "follows");
    add_rows(&rows, value_get(result, "services"), "service");
    if (rows.as.list.n != 0)
        supctl_table_print(stdout, &rows, columns, N_ELEMENTS(columns), "",
                           ctl->in_colour);
    value_finish(&rows);
}

static void print_result(const struct supctl *ctl, const struct value *result)
{
    const struct value *changes = value_get(result, "changes");
    long long version = (long long)value_get_int(result, "version", 0);

    print_plan(ctl, result);
    if (value_get_bool(result, "changed", false))
        printf("version %lld\n", version);
    else if (value_get_bool(result, "dry_run", false) && changes != NULL &&
             changes->as.list.n != 0)
        printf("nothing was changed: this was a trial, version is %lld\n", version);
    else
        printf("nothing to change, version is %lld\n", version);
}

/* Asks for a change and tells how it went; args is taken. */
static int change(struct supctl *ctl, const char *target, struct value args)
{
    struct supctl_error error = {0};
    struct value result = {0};
    const struct value *details;
    int code = EXIT_OK;

    ctl->client = supctl_client_connect(ctl->control, &error);
    if (ctl->client == NULL ||
        supctl_client_call(ctl->client, target, &args, NULL, ctl->timeout_ms, NULL,
                           NULL, &result, &error) != 0) {
        details = value_get(&error.fields, "details");
        if (!ctl->json) {
            print_problems(stderr, value_get(details, "problems"));
            if (value_get(details, "result") != NULL)
                print_result(ctl, value_get(details, "result"));
        }
        code = supctl_fail(ctl, &error);
    } else if (ctl->json) {
        supctl_print_json(&result, false);
    } else {
        print_problems(stderr, value_get(&result, "warnings"));
        print_result(ctl, &result);
    }
    value_finish(&args);
    value_finish(&result);
    supctl_error_finish(&error);
    return code;
}

static struct value options_of(const struct supctl *ctl)
{
    struct value options = value_map();

    value_put(&options, "dry_run", value_bool(ctl->dry_run));
    return options;
}

static int run_reload(struct supctl *ctl)
{
    struct value args = value_list(), options = options_of(ctl);

    if (ctl->n_args != 0)
        value_put(&options, "entry", value_string(ctl->args[0]));
    value_append(&args, options);
    return change(ctl, "@registry.reload", args);
}

/* The whole of a file, or of standard input for "-"; EXIT_OK or what to end with. */
static int read_text(const struct supctl *ctl, const char *path, struct value *text_out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = xmalloc(TEXT_MAX_BYTES + 1);
    size_t n = 0;
    int code = EXIT_OK, why = file == NULL ? errno : 0;

    errno = 0;
    if (file != NULL)
        n = fread(text, 1, TEXT_MAX_BYTES + 1, file);
    if (file != NULL && ferror(file))
        why = errno != 0 ? errno : EIO;
    if (why != 0)
        code = supctl_fail_text(ctl, ERR_INVALID, "%s: %s", path, strerror(why));
    else if (n > TEXT_MAX_BYTES)
        code = supctl_fail_text(ctl, ERR_INVALID,
                                "%s: larger than 8 MiB, apply it in parts", path);
    else
        *text_out = value_bytes(text, n);
    if (file != NULL && file != stdin)
        fclose(file);
    free(text);
    return code;
}

static int run_apply(struct supctl *ctl)
{
    struct value args, text = {0};
    int code = read_text(ctl, ctl->args[0], &text);

    if (code != EXIT_OK)
        return code;
    args = value_list();
    value_append(&args, text);
    value_append(&args, value_string(ctl->args[0]));
    value_append(&args, options_of(ctl));
    return change(ctl, "@registry.apply_text", args);
}

static bool read_version(const char *text, struct value *out)
{
    char *end;
    long long n;

    text += text[0] == 'v';
    errno = 0;
    n = strtoll(text, &end, 10);
    *out = value_int(n);
    return end != text && *end == '\0' && n >= 0 && errno == 0;
}

/* The texts of REG-22 don't say which. */
static int tell_versions(const struct supctl *ctl, int code)
{
    if (code == EXIT_NO_SUCH_NAME && !ctl->json)
        fprintf(stderr, "See 'supctl registry history' for those there are.\n");
    return code;
}

static int bad_version(const char *text)
{
    fprintf(stderr, "supctl: a version is a number, not '%s'; see registry history\n",
            text);
    return EXIT_USAGE;
}

static int run_rollback(struct supctl *ctl)
{
    struct value args, version;

    if (!read_version(ctl->args[0], &version))
        return bad_version(ctl->args[0]);
    args = value_list();
    value_append(&args, version);
    value_append(&args, options_of(ctl));
    return tell_versions(ctl, change(ctl, "@registry.rollback", args));
}

/* ---- history --------------------------------------------------------------------- */

static void add_when(struct value *versions)
{
    for (size_t i = 0; versions->type == VALUE_LIST && i < versions->as.list.n; i++) {
        struct value *row = &versions->as.list.items[i];
        time_t at = (time_t)(value_get_int(row, "at", 0) / 1000000000);
        char text[40] = "";
        struct tm tm;

        if (localtime_r(&at, &tm) != NULL)
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        value_put(row, "when", value_string(text));
        value_put(row, "mark",
                  value_string(value_get_bool(row, "current", false) ? "present" : ""));
    }
}

static int print_versions(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"VERSION", "id", COLUMN_NUMBER},   {"WHEN", "when", COLUMN_TEXT},
        {"AFTER", "parent", COLUMN_NUMBER}, {"CHANGES", "n_changes", COLUMN_NUMBER},
        {"", "mark", COLUMN_TEXT},
    };
    struct value versions;
    int code =
        supctl_ask(ctl, "@registry.versions", value_list(), ASK_TIMEOUT_MS, &versions);

    if (code == EXIT_OK && ctl->json) {
        supctl_print_json(&versions, false);
    } else if (code == EXIT_OK) {
        add_when(&versions);
        supctl_table_print(stdout, &versions, columns, N_ELEMENTS(columns),
                           "no versions", ctl->in_colour);
    }
    value_finish(&versions);
    return code;
}

static int run_history(struct supctl *ctl)
{
    static const struct column columns[] = {
        {"CHANGE", "op", COLUMN_TEXT},
        {"ENTRY", "id", COLUMN_TEXT},
    };
    struct value args, version, changes;
    int code;

    if (ctl->n_args == 0)
        return print_versions(ctl);
    if (!read_version(ctl->args[0], &version))
        return bad_version(ctl->args[0]);
    args = value_list();
    value_append(&args, version);
    code = supctl_ask(ctl, "@registry.changes", args, ASK_TIMEOUT_MS, &changes);
    if (code == EXIT_OK)
        supctl_print_list(ctl, &changes, columns, N_ELEMENTS(columns), "no changes");
    value_finish(&changes);
    return tell_versions(ctl, code);
}

static const struct command commands[] = {
    {"registry list", "registry list [NAMESPACE]", "entries", 0, 1, 0,
     run_registry_list},
    {"registry get", "registry get NS:ENTRY", "one entry", 1, 1, 0, run_registry_get},
    {"registry find", "registry find FIELD=VALUE...", "entries by .kind, meta.X, ...",
     1, UINT_MAX, 0, run_registry_find},
    {"registry apply", "registry apply FILE|-",
     "create and update the entries of a registry file (and delete what it lists), or "
     "do a list of operations",
     1, 1, FLAG_DRY_RUN, run_apply},
    {"registry history", "registry history [VERSION]",
     "versions, or what one of them changed", 0, 1, 0, run_history},
    {"registry rollback", "registry rollback VERSION", "make it the present one again",
     1, 1, FLAG_DRY_RUN, run_rollback},
    {"reload", "reload [NS:ENTRY]",
     "read the app's files again and run what has changed; with a name, only of that "
     "entry and what it needs",
     0, 1, FLAG_DRY_RUN, run_reload},
};
const struct command_table supctl_registry_commands = {commands, N_ELEMENTS(commands),
                                                       "The registry"};
