#include "supervisor/supctl.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/duration.h"
#include "common/exit.h"
#include "common/mem.h"
#include "common/nearest.h"

#include "supervisor/supctl_table.h"

const struct command_table *const supctl_tables[] = {
    &supctl_service_commands,  &supctl_actor_commands,   &supctl_follow_commands,
    &supctl_registry_commands, &supctl_observe_commands, &supctl_system_commands,
    &supctl_manual_commands,
};
const unsigned supctl_n_tables = N_ELEMENTS(supctl_tables);

/* What a later build will know. */
static const char *const later[] = {
    "workflow",
    "queue",
    "upgrade",
};

enum global_flag {
    GLOBAL_JSON = SUPCTL_GLOBAL,
    GLOBAL_CONTROL,
    GLOBAL_TIMEOUT,
    GLOBAL_HELP,
    GLOBAL_VERSION
};

const struct flag_row supctl_flags[] = {
    {"json", 0, GLOBAL_JSON, NULL, "print JSON"},
    {"control", 0, GLOBAL_CONTROL, "PATH", "the supervisor's control socket"},
    {"timeout", 0, GLOBAL_TIMEOUT, "DURATION", "give up after that long: 500ms, 2m"},
    {"help", 'h', GLOBAL_HELP, NULL, "print help"},
    {"version", 0, GLOBAL_VERSION, NULL, "print the version"},
    {"no-wait", 0, FLAG_NO_WAIT, NULL, "don't wait for the outcome"},
    {"dry-run", 0, FLAG_DRY_RUN, NULL, "say what would change, and change nothing"},
    {"now", 0, FLAG_NOW, NULL, "don't wait for anything that runs"},
    {"follow", 'f', FLAG_FOLLOW, NULL, "go on with what comes"},
    {"service", 0, FLAG_SERVICE, "NS:ENTRY", "only what belongs to it"},
    {"level", 0, FLAG_LEVEL, "debug|info|warn|error", "only what is at least that"},
    {"lines", 'n', FLAG_LINES, "N", "how many old lines"},
    {"trace", 0, FLAG_TRACE, NULL, "record where the time goes, for 'supctl trace'"},
    {"context", 0, FLAG_CONTEXT, "K=V", "a value of the call's context; repeatable"},
    {"name", 0, FLAG_NAME, "NAME",
     "register the new actor under that name; if somebody has it, start none and print "
     "that one's pid"},
    {"reason", 0, FLAG_REASON, "TEXT", "what the actor is told"},
};
const unsigned supctl_n_flags = N_ELEMENTS(supctl_flags);

/* ---- for commands ---------------------------------------------------------------- */

struct value supctl_args(const char *text)
{
    struct value list = value_list();

    value_append(&list, value_string(text));
    return list;
}

struct value supctl_args_brief(const char *space)
{
    struct value list = value_list();

    value_append(&list, space != NULL ? value_string(space) : (struct value){0});
    value_append(&list, value_bool(true));
    return list;
}

struct value supctl_json_or_text(const char *text)
{
    struct value value;
    struct err err = {0};

    if (value_read_json(text, strlen(text), &value, &err) == 0)
        return value;
    return value_string(text);
}

void supctl_print_json(const struct value *value, bool pretty)
{
    struct buf buf;

    buf_init(&buf, 0);
    value_write_json(&buf, value, pretty ? 2 : 0);
    buf_append_text(&buf, "\n");
    fwrite(buf_head(&buf), 1, buf_len(&buf), stdout);
    buf_finish(&buf);
}

void supctl_print_list(const struct supctl *ctl, const struct value *list,
                       const struct column *columns, unsigned n, const char *none)
{
    if (ctl->json)
        supctl_print_json(list, false);
    else
        supctl_table_print(stdout, list, columns, n, none, ctl->in_colour);
}

static int exit_code_of(const struct supctl_error *error)
{
    if (error->unreachable || error->silent)
        return EXIT_UNREACHABLE;
    switch (err_kind_find(error->kind)) {
    case ERR_NOT_FOUND:
        return EXIT_NO_SUCH_NAME;
    case ERR_PERMISSION_DENIED:
        return EXIT_REFUSED;
    default:
        return EXIT_FAILED;
    }
}

/* An installation was renewed under a supervisor that runs, or the other way round. */
static bool is_of_other_version(const struct supctl *ctl, const char *message)
{
    static const char start[] = "no such target: @";

    return message != NULL && strncmp(message, start, sizeof(start) - 1) == 0 &&
           ctl->command != NULL && strcmp(ctl->command->name, "call") != 0;
}

/* A verb of a service that took longer than somebody would wait. */
static bool goes_on(const struct supctl *ctl, const char *message)
{
    return message != NULL && strstr(message, " took too long") != NULL &&
           ctl->command != NULL && (ctl->command->flags & FLAG_NO_WAIT) != 0 &&
           ctl->n_args == 1;
}

int supctl_fail(const struct supctl *ctl, const struct supctl_error *error)
{
    const char *message = value_get_text(&error->fields, "message");
    const struct value *details = value_get(&error->fields, "details");
    /* some messages are promised word for word, and leave out what they are about */
    const char *target = details != NULL ? value_get_text(details, "target") : NULL;
    struct buf buf;

    fflush(stdout);
    if (ctl->json) {
        buf_init(&buf, 0);
        value_write_json(&buf, &error->fields, 0);
        fprintf(stderr, "{\"error\":%.*s}\n", (int)buf_len(&buf),
                (const char *)buf_head(&buf));
        buf_finish(&buf);
    } else {
        fprintf(stderr, "supctl: %s: ", error->kind);
        supctl_text_print(stderr, message != NULL ? message : "no message");
        if (target != NULL) {
            fputs(": ", stderr);
            supctl_text_print(stderr, target);
        }
        fputc('\n', stderr);
    }
    if (!ctl->json && !error->silent && goes_on(ctl, message))
        fprintf(stderr, "It goes on; 'supctl status %s' tells how far it is.\n",
                ctl->args[0]);
    if (!is_of_other_version(ctl, message))
        return exit_code_of(error);
    if (!ctl->json)
        fputs("The supervisor is of another version than this supctl (" TROUPE_VERSION
              ") and doesn't know that: use the one that came with it.\n",
              stderr);
    return EXIT_FAILED;
}

int supctl_fail_text(const struct supctl *ctl, enum err_kind kind, const char *fmt, ...)
{
    struct supctl_error error = {0};
    char text[512];
    va_list args;
    int code;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    supctl_error_set(&error, err_kind_name(kind), "%s", text);
    code = supctl_fail(ctl, &error);
    supctl_error_finish(&error);
    return code;
}

static int reach(struct supctl *ctl)
{
    struct supctl_error error = {0};
    int code;

    if (ctl->client == NULL)
        ctl->client = supctl_client_connect(ctl->control, &error);
    if (ctl->client != NULL)
        return EXIT_OK;
    code = supctl_fail(ctl, &error);
    supctl_error_finish(&error);
    return code;
}

int supctl_ask(struct supctl *ctl, const char *target, struct value args,
               uint64_t timeout_ms, struct value *result_out)
{
    struct supctl_error error = {0};
    int code = reach(ctl);

    *result_out = (struct value){0};
    if (code == EXIT_OK &&
        supctl_client_call(ctl->client, target, &args, &ctl->context,
                           ctl->timeout_ms != 0 ? ctl->timeout_ms : timeout_ms, NULL,
                           NULL, result_out, &error) != 0)
        code = supctl_fail(ctl, &error);
    supctl_error_finish(&error);
    value_finish(&args);
    return code;
}

struct stream {
    struct supctl *ctl;
    bool (*on_item)(struct supctl *ctl, const struct value *item);
};

static bool on_stream_item(void *context, const struct value *item)
{
    const struct stream *stream = context;

    return stream->on_item(stream->ctl, item);
}

int supctl_ask_stream(struct supctl *ctl, const char *target, struct value args,
                      bool (*on_item)(struct supctl *ctl, const struct value *item))
{
    struct stream stream = {ctl, on_item};
    struct supctl_error error = {0};
    struct value result = {0};
    int code = reach(ctl);

    if (code == EXIT_OK &&
        supctl_client_call(ctl->client, target, &args, NULL, ctl->timeout_ms,
                           on_stream_item, &stream, &result, &error) != 0) {
        /* --timeout ends a stream in good order */
        if (ctl->timeout_ms == 0 || strcmp(error.kind, "Timeout") != 0)
            code = supctl_fail(ctl, &error);
    }
    value_finish(&result);
    supctl_error_finish(&error);
    value_finish(&args);
    return code;
}

/* ---- command line ---------------------------------------------------------------- */

static int usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int usage(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("supctl: ", stderr);
    vfprintf(stderr, fmt, args);
    fputs("\nSee 'supctl help'.\n", stderr);
    va_end(args);
    return EXIT_USAGE;
}

static int set_timeout(struct supctl *ctl, const char *text)
{
    char why[DURATION_ERROR_BYTES];
    int64_t ns;

    assert(text != NULL); /* its row says that it has one; likewise below */
    if (!duration_parse(text, strlen(text), &ns, why))
        return usage("--timeout: %s", why);
    if (ns <= 0)
        return usage("--timeout must be more than zero");
    ctl->timeout_ms = ((uint64_t)ns + 999999) / 1000000;
    return EXIT_OK;
}

static int set_context(struct supctl *ctl, const char *text)
{
    const char *equals;

    assert(text != NULL);
    equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return usage("--context wants key=value, not '%s'", text);
    value_put_n(&ctl->context, text, (size_t)(equals - text),
                supctl_json_or_text(equals + 1));
    return EXIT_OK;
}

static int set_lines(struct supctl *ctl, const char *text)
{
    char *end;

    assert(text != NULL);
    ctl->n_lines = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || ctl->n_lines < 0)
        return usage("-n wants a number, not '%s'", text);
    return EXIT_OK;
}

static int print_help(const char *const *words, unsigned n);

/* Returns an exit status, -1 = go on. */
static int take_flag(struct supctl *ctl, unsigned id, const char *value)
{
    switch (id) {
    case GLOBAL_JSON:
        ctl->json = true;
        return -1;
    case GLOBAL_CONTROL:
        ctl->control = value;
        return value[0] != '\0' ? -1 : usage("--control needs a path, not ''");
    case GLOBAL_TIMEOUT:
        return set_timeout(ctl, value) == EXIT_OK ? -1 : EXIT_USAGE;
    case GLOBAL_HELP:
        return print_help(ctl->args, ctl->n_args);
    case GLOBAL_VERSION:
        printf("supctl %s\n", TROUPE_VERSION);
        return EXIT_OK;
    case FLAG_NO_WAIT:
        ctl->no_wait = true;
        return -1;
    case FLAG_TRACE:
        ctl->trace = true;
        return -1;
    case FLAG_DRY_RUN:
        ctl->dry_run = true;
        return -1;
    case FLAG_NOW:
        ctl->now = true;
        return -1;
    case FLAG_FOLLOW:
        ctl->follow = true;
        return -1;
    case FLAG_SERVICE:
        ctl->service = value;
        return -1;
    case FLAG_LEVEL:
        ctl->level = value;
        return -1;
    case FLAG_LINES:
        return set_lines(ctl, value) == EXIT_OK ? -1 : EXIT_USAGE;
    case FLAG_CONTEXT:
        return set_context(ctl, value) == EXIT_OK ? -1 : EXIT_USAGE;
    case FLAG_NAME:
        ctl->name = value;
        return -1;
    case FLAG_REASON:
        ctl->reason = value;
        return -1;
    }
    return -1;
}

static const struct flag_row *find_flag(const char *text, size_t *n_name_out)
{
    bool is_long = text[1] == '-';
    size_t n = is_long ? strcspn(text + 2, "=") : 1;

    *n_name_out = n;
    for (unsigned i = 0; i < N_ELEMENTS(supctl_flags); i++) {
        const struct flag_row *row = &supctl_flags[i];

        if (is_long ? strlen(row->name) == n && memcmp(row->name, text + 2, n) == 0
                    : row->letter == text[1])
            return row;
    }
    return NULL;
}

static int unknown_flag(const char *text)
{
    const char *names[N_ELEMENTS(supctl_flags)], *nearest = NULL;

    for (unsigned i = 0; i < N_ELEMENTS(supctl_flags); i++)
        names[i] = supctl_flags[i].name;
    if (text[1] == '-')
        nearest = nearest_find(text + 2, names, N_ELEMENTS(names));
    if (nearest != NULL)
        return usage("unknown option '%s', did you mean '--%s'?", text, nearest);
    return usage("unknown option '%s'; arguments that start with a dash go behind '--'",
                 text);
}

/* Reads the flag at argv[*at]; -1 = go on, with *at behind it. *seen gathers flags. */
static int read_flag(struct supctl *ctl, int argc, char **argv, int *at, unsigned *seen)
{
    const char *text = argv[*at], *value = NULL;
    size_t n_name;
    const struct flag_row *row = find_flag(text, &n_name);

    if (row == NULL)
        return unknown_flag(text);
    if (text[1] == '-' && text[2 + n_name] == '=')
        value = text + 3 + n_name;
    else if (text[1] != '-' && text[2] != '\0' && row->value != NULL)
        value = text + 2;
    if (row->value == NULL && value != NULL)
        return usage("--%s takes no value", row->name);
    if (row->value != NULL && value == NULL) {
        if (*at + 1 >= argc)
            return usage("--%s needs a value: --%s %s", row->name, row->name,
                         row->value);
        value = argv[++*at];
    }
    if (text[1] != '-' && text[2] != '\0' && row->value == NULL)
        *++argv[*at] = '-'; /* "-fn5" is "-f" and then "-n5" */
    else
        (*at)++;
    if (row->id < GLOBAL_JSON)
        *seen |= row->id;
    return take_flag(ctl, row->id, value != NULL ? value : "");
}

static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || isdigit((unsigned char)text[1]) ||
           (text[1] == '.' && isdigit((unsigned char)text[2]));
}

/* -1 = all read. */
static int read_arguments(struct supctl *ctl, int argc, char **argv, unsigned *seen)
{
    ctl->args = xcalloc((size_t)argc + 1, sizeof(ctl->args[0]));
    for (int i = 1; i < argc;) {
        int code;

        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                ctl->args[ctl->n_args++] = argv[i];
        } else if (is_word(argv[i])) {
            ctl->args[ctl->n_args++] = argv[i++];
        } else if ((code = read_flag(ctl, argc, argv, &i, seen)) != -1) {
            return code;
        }
    }
    return -1;
}

/* The command of the first word or two; *n_words_out of them belong to its name. */
static const struct command *find_command(const char **words, unsigned n_words,
                                          unsigned *n_words_out)
{
    for (unsigned t = 0; t < supctl_n_tables; t++) {
        for (unsigned i = 0; i < supctl_tables[t]->n; i++) {
            const struct command *row = &supctl_tables[t]->rows[i];
            const char *blank = strchr(row->name, ' ');
            size_t n = blank != NULL ? (size_t)(blank - row->name) : strlen(row->name);

            if (strlen(words[0]) != n || memcmp(words[0], row->name, n) != 0)
                continue;
            if (blank != NULL && (n_words < 2 || strcmp(words[1], blank + 1) != 0))
                continue;
            *n_words_out = blank != NULL ? 2 : 1;
            return row;
        }
    }
    return NULL;
}

/* Is it the first of two words? */
static bool is_half(const char *word)
{
    size_t n = strlen(word);

    for (unsigned t = 0; t < supctl_n_tables; t++)
        for (unsigned i = 0; i < supctl_tables[t]->n; i++) {
            const char *name = supctl_tables[t]->rows[i].name;

            if (n > 0 && strncmp(name, word, n) == 0 && name[n] == ' ')
                return true;
        }
    return false;
}

static int unknown_command(const char **words, unsigned n_words)
{
    const char *names[128], *nearest;
    char typed[80];
    size_t n = 0;

    for (unsigned i = 0; i < N_ELEMENTS(later); i++) {
        if (strcmp(words[0], later[i]) == 0)
            return usage("'%s' is not in this build", words[0]);
    }
    snprintf(typed, sizeof(typed), "%s", words[0]);
    for (unsigned t = 0; t < supctl_n_tables; t++) {
        for (unsigned i = 0; i < supctl_tables[t]->n && n < N_ELEMENTS(names); i++) {
            const char *name = supctl_tables[t]->rows[i].name,
                       *blank = strchr(name, ' ');

            names[n++] = name;
            if (blank != NULL && n_words > 1 &&
                strncmp(name, words[0], (size_t)(blank - name)) == 0)
                snprintf(typed, sizeof(typed), "%s %s", words[0], words[1]);
        }
    }
    if (n_words == 1 && is_half(words[0]))
        return usage("'%s' wants to know what; 'supctl help %s' says what there is",
                     words[0], words[0]);
    nearest = nearest_find(typed, names, n);
    if (nearest != NULL)
        return usage("unknown command '%s', did you mean '%s'?", typed, nearest);
    return usage("unknown command '%s'", typed);
}

static int print_help(const char *const *words, unsigned n)
{
    if (supctl_print_help(words, n))
        return EXIT_OK;
    return usage("no such command: '%s'", n > 0 ? words[0] : "");
}

/* `call` does that itself: what it didn't find may be the function's affair. */
static void suggest(struct supctl *ctl)
{
    const char *usage = strchr(ctl->command->usage, ' ');

    if (ctl->n_args == 0 || strcmp(ctl->command->name, "call") == 0 ||
        strstr(usage != NULL ? usage : "", "NS:ENTRY") == NULL)
        return;
    supctl_suggest(ctl, NULL, ctl->args[0]);
    if (strcmp(ctl->command->name, "spawn") == 0)
        supctl_suggest(ctl, NULL, ctl->args[1]);
}

static int run(struct supctl *ctl, unsigned seen)
{
    unsigned n_words = 0, extra;
    int code;

    if (ctl->n_args == 0) {
        print_help(NULL, 0);
        return EXIT_USAGE;
    }
    ctl->command = find_command(ctl->args, ctl->n_args, &n_words);
    if (ctl->command == NULL)
        return unknown_command(ctl->args, ctl->n_args);
    ctl->args += n_words;
    ctl->n_args -= n_words;
    extra = seen & ~ctl->command->flags;
    for (unsigned i = 0; i < N_ELEMENTS(supctl_flags); i++) {
        if (supctl_flags[i].id < GLOBAL_JSON && (supctl_flags[i].id & extra) != 0)
            return usage("'%s' takes no --%s", ctl->command->name,
                         supctl_flags[i].name);
    }
    if (ctl->n_args < ctl->command->n_min || ctl->n_args > ctl->command->n_max) {
        fprintf(stderr, "usage: supctl %s\nSee 'supctl help %s'.\n",
                ctl->command->usage, ctl->command->name);
        return EXIT_USAGE;
    }
    code = ctl->command->run(ctl);
    if (code == EXIT_NO_SUCH_NAME)
        suggest(ctl);
    return code;
}

/* no-color.org; a dumb terminal would show the escapes themselves. */
static bool wants_colour(void)
{
    const char *without = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return (without == NULL || without[0] == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* What was found out and nobody got is no success. */
static int finish_output(int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != EXIT_OK)
        return code;
    fprintf(stderr, "supctl: can't write all of the answer: %s\n",
            errno != 0 ? strerror(errno) : "the output is closed");
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct supctl ctl = {.n_lines = -1, .context = value_map()};
    const char **words;
    unsigned seen = 0;
    int code;

    signal(SIGPIPE, SIG_DFL); /* a reader that has enough ends us without a word */
    if (argc > 1 && strcmp(argv[1], "complete") == 0)
        return supctl_complete(argc - 2, argv + 2);
    ctl.is_terminal = isatty(STDOUT_FILENO) == 1;
    ctl.in_colour = ctl.is_terminal && wants_colour();
    ctl.control = getenv("TROUPE_CONTROL");
    if (ctl.control != NULL && ctl.control[0] == '\0')
        ctl.control = NULL;
    code = read_arguments(&ctl, argc, argv, &seen);
    words = ctl.args;
    if (code == -1)
        code = run(&ctl, seen);
    supctl_client_close(ctl.client);
    value_finish(&ctl.context);
    free(words);
    return finish_output(code);
}
