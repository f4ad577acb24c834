#include "supervisor/options.h"

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/nearest.h"

#include "supervisor/options_table.h"
#include "supervisor/pack.h"

#define MAX_NAMES 64 /* of commands, of options */

struct parser {
    struct options *out;
    const struct command_row *command;
    const struct option_row *restricted; /* the first that not every command has */
    struct err *err;
};

static void texts_add(struct texts *texts, const char *text)
{
    texts->items = xrealloc(texts->items, (texts->n + 1) * sizeof(texts->items[0]));
    texts->items[texts->n++] = text;
}

static int unknown_option(const struct parser *parser, const char *text, size_t n)
{
    const char *names[MAX_NAMES];
    char typed[80];
    const char *nearest;

    assert(n_options <= MAX_NAMES);
    for (unsigned i = 0; i < n_options; i++)
        names[i] = options_table[i].name;
    snprintf(typed, sizeof(typed), "%.*s", (int)n, text);
    nearest = nearest_find(typed, names, n_options);
    if (nearest != NULL)
        return err_set(parser->err, ERR_INVALID,
                       "unknown option '--%s', did you mean '--%s'?", typed, nearest);
    return err_set(parser->err, ERR_INVALID,
                   "unknown option '--%s'; arguments of the app that start with a dash "
                   "go behind '--'",
                   typed);
}

static const struct option_row *find_long(const struct parser *parser, const char *text,
                                          size_t n)
{
    for (unsigned i = 0; parser->out->as_wippy && i < n_wippy_options; i++) {
        const struct option_row *row = &wippy_options_table[i];

        if (strlen(row->name) == n && memcmp(row->name, text, n) == 0)
            return row;
    }
    for (unsigned i = 0; i < n_options; i++) {
        const struct option_row *row = &options_table[i];

        if (strlen(row->name) == n && memcmp(row->name, text, n) == 0)
            return row;
    }
    return NULL;
}

static const struct option_row *find_letter(const struct parser *parser, char letter)
{
    for (unsigned i = 0; parser->out->as_wippy && i < n_wippy_options; i++) {
        if (wippy_options_table[i].letter == letter)
            return &wippy_options_table[i];
    }
    for (unsigned i = 0; i < n_options; i++) {
        if (options_table[i].letter == letter)
            return &options_table[i];
    }
    return NULL;
}

static int set_log_format(const struct parser *parser, const char *value)
{
    assert(value != NULL); /* its row says that it has one; likewise below */
    if (strcmp(value, "console") != 0 && strcmp(value, "json") != 0)
        return err_set(parser->err, ERR_INVALID,
                       "--log-format is 'console' or 'json', not '%.60s'", value);
    parser->out->has_log_format = true;
    parser->out->log_format = value[0] == 'j' ? LOG_JSON : LOG_CONSOLE;
    return 0;
}

static int set_log_level(const struct parser *parser, const char *value)
{
    if (!log_level_find(value, &parser->out->log_level))
        return err_set(parser->err, ERR_INVALID,
                       "--log-level is debug, info, warn or error, not '%.60s'", value);
    parser->out->has_log_level = true;
    return 0;
}

static bool is_override(const char *text)
{
    const char *first = strchr(text, ':');
    const char *second = first != NULL ? strchr(first + 1, ':') : NULL;
    const char *equals = strchr(text, '=');

    return second != NULL && equals != NULL && equals > second + 1 &&
           equals < text + strcspn(text, ",");
}

/* The end of the field that starts at text: a comma outside of quotes, or the end. */
static const char *field_end(const char *text)
{
    bool quoted = text[0] == '"';

    for (text += quoted; *text != '\0'; text++) {
        if (quoted && text[0] == '"' && text[1] == '"')
            text++;
        else if (quoted && text[0] == '"')
            quoted = false;
        else if (!quoted && text[0] == ',')
            break;
    }
    return text;
}

/* As CSV has it: quotes around a field go, doubled ones in it are one. */
static char *unquote(const char *text, size_t n)
{
    char *field = xstrndup(text, n), *out = field;

    if (field[0] != '"')
        return field;
    for (const char *at = field + 1; *at != '\0'; at++) {
        if (*at == '"' && at[1] != '"')
            continue;
        at += *at == '"';
        *out++ = *at;
    }
    *out = '\0';
    return field;
}

static void own(struct options *options, char *text)
{
    options->owned =
        xrealloc(options->owned, (options->n_owned + 1) * sizeof(options->owned[0]));
    options->owned[options->n_owned++] = text;
}

/* REG-11, CLI-01: commas separate overrides; one before what is no override belongs to
 * the value. */
static int set_override(const struct parser *parser, const char *value)
{
    const char *end;

    assert(value != NULL);
    if (!is_override(value + (value[0] == '"')))
        return err_set(parser->err, ERR_INVALID,
                       "invalid -o \"%.100s\": expected ns:entry:field=value", value);
    for (const char *at = value;; at = end + 1) {
        char *field;

        end = field_end(at);
        while (*end == ',' && !is_override(end + 1 + (end[1] == '"')))
            end = field_end(end + 1);
        field = unquote(at, (size_t)(end - at));
        own(parser->out, field);
        texts_add(&parser->out->overrides, field);
        if (*end == '\0')
            return 0;
    }
}

static int set_setting(const struct parser *parser, const char *value)
{
    const char *equals, *dot;

    assert(value != NULL);
    equals = strchr(value, '=');
    dot = strchr(value, '.');
    if (equals == NULL)
        return err_set(parser->err, ERR_INVALID,
                       "invalid --set \"%.100s\": expected section.path=value", value);
    if (dot == NULL || dot > equals || dot == value || dot + 1 == equals)
        return err_set(parser->err, ERR_INVALID,
                       "invalid --set \"%.100s\": key must be section.path (e.g. "
                       "shutdown.timeout)",
                       value);
    texts_add(&parser->out->sets, value);
    return 0;
}

/* `512M`, `1G`, plain bytes. There, it is a goal of the one process; here, no worker
 * gets more. A worker that gets too little to start would help nobody. */
static int set_memory(const struct parser *parser, const char *value)
{
    static const char units[] = "KMGT";
    char *end, *setting;
    const char *unit;
    unsigned shift = 0;
    unsigned long long n;

    assert(value != NULL);
    n = strtoull(value, &end, 10);
    if (*end != '\0' && (unit = strchr(units, toupper((unsigned char)*end))) != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    end += *end == 'B';
    if (!isdigit((unsigned char)value[0]) || *end != '\0' || n == 0 ||
        n > (UINT64_C(1) << 40) >> shift)
        return err_set(parser->err, ERR_INVALID,
                       "-m is a size such as 512M or 1G, not '%.60s'", value);
    n = ((n << shift) + (UINT64_C(1) << 20) - 1) >> 20;
    setting = xasprintf("workers.memory_mb=%llu", n > 64 ? n : 64);
    own(parser->out, setting);
    return set_setting(parser, setting);
}

static int set_level(const struct parser *parser, const char *value)
{
    assert(value != NULL);
    if (strcmp(value, "error") != 0 && strcmp(value, "warning") != 0 &&
        strcmp(value, "hint") != 0)
        return err_set(parser->err, ERR_INVALID,
                       "--level is error, warning or hint, not '%.60s'", value);
    parser->out->lint.level = value;
    return 0;
}

static int set_limit(const struct parser *parser, const char *value)
{
    assert(value != NULL);
    if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
        return err_set(parser->err, ERR_INVALID, "--limit is a number, not '%.60s'",
                       value);
    parser->out->lint.limit = value;
    return 0;
}

static int set_format(const struct parser *parser, const char *value)
{
    assert(value != NULL);
    if (strcmp(value, "md") != 0 && strcmp(value, "json") != 0)
        return err_set(parser->err, ERR_INVALID, "--format is md or json, not '%.60s'",
                       value);
    parser->out->doc.json = value[0] == 'j';
    return 0;
}

static bool names_place(enum option_id id)
{
    return id == OPT_CONFIG || id == OPT_STATE || id == OPT_CONTROL || id == OPT_OUT ||
           id == OPT_SRC_DIR || id == OPT_MODULES_DIR || id == OPT_LOCK_FILE;
}

enum field_type { FIELD_TEXT, FIELD_TEXTS, FIELD_TRUE };

/* Options that only fill in a field. */
static const struct {
    enum option_id id;
    enum field_type type;
    size_t at; /* in struct options */
} fields[] = {
    {OPT_CONFIG, FIELD_TEXTS, offsetof(struct options, configs)},
    {OPT_BYTECODE, FIELD_TEXTS, offsetof(struct options, pack.bytecode)},
    {OPT_EXCLUDE, FIELD_TEXTS, offsetof(struct options, pack.exclude)},
    {OPT_EXCLUDE_NS, FIELD_TEXTS, offsetof(struct options, pack.exclude_ns)},
    {OPT_EMBED, FIELD_TEXTS, offsetof(struct options, pack.embed)},
    {OPT_NS, FIELD_TEXTS, offsetof(struct options, lint.ns)},
    {OPT_CODE, FIELD_TEXTS, offsetof(struct options, lint.codes)},
    {OPT_STATE, FIELD_TEXT, offsetof(struct options, state)},
    {OPT_CONTROL, FIELD_TEXT, offsetof(struct options, control)},
    {OPT_EXEC, FIELD_TEXT, offsetof(struct options, exec)},
    {OPT_HOST, FIELD_TEXT, offsetof(struct options, host)},
    {OPT_OUT, FIELD_TEXT, offsetof(struct options, doc.out)},
    {OPT_SRC_DIR, FIELD_TEXT, offsetof(struct options, init.src)},
    {OPT_MODULES_DIR, FIELD_TEXT, offsetof(struct options, init.modules)},
    {OPT_LOCK_FILE, FIELD_TEXT, offsetof(struct options, init.lock_file)},
    {OPT_SILENT, FIELD_TRUE, offsetof(struct options, silent)},
    {OPT_LIST, FIELD_TRUE, offsetof(struct options, pack.list)},
    {OPT_JSON, FIELD_TRUE, offsetof(struct options, lint.json)},
    {OPT_SUMMARY, FIELD_TRUE, offsetof(struct options, lint.summary)},
};

static bool take_field(struct options *out, enum option_id id, const char *value)
{
    for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
        void *at = (char *)out + fields[i].at;

        if (fields[i].id != id)
            continue;
        if (fields[i].type == FIELD_TEXT)
            *(const char **)at = value;
        else if (fields[i].type == FIELD_TEXTS)
            texts_add(at, value);
        else
            *(bool *)at = true;
        return true;
    }
    return false;
}

static int take_option(struct parser *parser, const struct option_row *row,
                       const char *value)
{
    struct options *out = parser->out;

    if (row->of != COMMAND_BOOT && parser->restricted == NULL)
        parser->restricted = row;
    if (value != NULL && value[0] == '\0' && names_place(row->id))
        return err_set(parser->err, ERR_INVALID, "--%s needs a path, not ''",
                       row->name);
    if (take_field(out, row->id, value))
        return 0;
    switch (row->id) {
    case OPT_OVERRIDE:
        return set_override(parser, value);
    case OPT_SET:
        return set_setting(parser, value);
    case OPT_LOG_FORMAT:
        return set_log_format(parser, value);
    case OPT_LOG_LEVEL:
        return set_log_level(parser, value);
    case OPT_VERBOSE:
        return set_log_level(parser, "debug");
    case OPT_CONSOLE:
        return set_log_format(parser, "console");
    case OPT_EVENTS:
        return set_setting(parser, "logmanager.stream_to_events=true");
    case OPT_MEMORY:
        return set_memory(parser, value);
    case OPT_LEVEL:
        return set_level(parser, value);
    case OPT_LIMIT:
        return set_limit(parser, value);
    case OPT_FORMAT:
        return set_format(parser, value);
    case OPT_VERSION:
        out->command = COMMAND_VERSION;
        return 0;
    case OPT_HELP:
        out->command = COMMAND_HELP;
        return 0;
    default: /* understood, and without effect here */
        return 0;
    }
}

/* next is the argument behind, NULL if none. Returns how many arguments were used. */
static int read_long(struct parser *parser, const char *text, const char *next)
{
    const char *equals = strchr(text, '=');
    size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const struct option_row *row = find_long(parser, text, n);
    const char *value = "";

    if (row == NULL)
        return unknown_option(parser, text, n);
    if (row->value == NULL && equals != NULL)
        return err_set(parser->err, ERR_INVALID, "--%s takes no value", row->name);
    if (row->value != NULL && equals == NULL && next == NULL)
        return err_set(parser->err, ERR_INVALID, "--%s needs a value: --%s %s",
                       row->name, row->name, row->value);
    if (equals != NULL)
        value = equals + 1;
    else if (row->value != NULL && next != NULL)
        value = next;
    if (take_option(parser, row, value) != 0)
        return -1;
    return row->value != NULL && equals == NULL ? 2 : 1;
}

/* "-sx NS:ENTRY": letters together, the last may take a value, also glued on. */
static int read_letters(struct parser *parser, const char *text, const char *next)
{
    for (; *text != '\0'; text++) {
        const struct option_row *row = find_letter(parser, *text);

        if (row == NULL)
            return err_set(parser->err, ERR_INVALID,
                           "unknown option '-%c'; arguments of the app that start with "
                           "a dash go behind '--'",
                           isprint((unsigned char)*text) ? *text : '?');
        if (row->value != NULL && text[1] == '\0' && next == NULL)
            return err_set(parser->err, ERR_INVALID, "-%c needs a value: -%c %s", *text,
                           *text, row->value);
        if (row->value != NULL) {
            bool is_glued = text[1] != '\0';

            if (take_option(parser, row, is_glued || next == NULL ? text + 1 : next) !=
                0)
                return -1;
            return is_glued ? 1 : 2;
        }
        if (take_option(parser, row, "") != 0)
            return -1;
    }
    return 1;
}

/* What `wippy` knows besides (CLI-01). */
static bool is_of_hub(const char *text)
{
    static const char *const names[] = {"add",      "auth",   "install", "publish",
                                        "registry", "search", "update"};

    for (unsigned i = 0; i < N_ELEMENTS(names); i++) {
        if (strcmp(names[i], text) == 0)
            return true;
    }
    return false;
}

static int read_command(struct parser *parser, const char *text)
{
    const char *names[MAX_NAMES];
    const char *nearest;

    if (strcmp(text, "help") == 0) {
        parser->out->command = COMMAND_HELP;
        return 1;
    }
    assert(n_commands <= MAX_NAMES);
    for (unsigned i = 0; i < n_commands; i++) {
        const struct command_row *row = &commands_table[i];

        names[i] = row->name;
        if (strcmp(row->name, text) != 0)
            continue;
        if (row->later)
            return err_set(parser->err, ERR_INVALID, "'%s' is not in this build", text);
        parser->command = row;
        if (parser->out->command == COMMAND_BOOT)
            parser->out->command = row->id;
        return 1;
    }
    if (is_of_hub(text))
        return err_set(
            parser->err, ERR_INVALID,
            "'%s' is not here: there is no package hub; wippy.lock names the "
            "folders of modules, and supctl registry shows what runs",
            text);
    if (access(text, F_OK) == 0)
        return err_set(parser->err, ERR_INVALID,
                       "unknown command '%.60s'; an app is named with --config %.60s",
                       text, text);
    nearest = nearest_find(text, names, n_commands);
    return err_set(parser->err, ERR_INVALID, "unknown command '%.60s'%s%s%s", text,
                   nearest != NULL ? ", did you mean '" : "; see 'supervisor --help'",
                   nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

/* Is the word the app itself, as --config would name it? */
static bool names_app(enum command command, const char *text)
{
    bool takes_pack = command == COMMAND_RUN || command == COMMAND_CHECK ||
                      command == COMMAND_TEST || command == COMMAND_LINT;

    return command == COMMAND_DEV || (takes_pack && pack_is_path(text));
}

static bool takes_words(const struct parser *parser)
{
    enum command id = parser->command->id;

    return id == COMMAND_RUN || id == COMMAND_TEST ||
           ((id == COMMAND_COMPLETION || id == COMMAND_MANUAL) &&
            parser->out->args.n == 0);
}

static int refuse_word(struct parser *parser, const char *text)
{
    bool is_path = access(text, F_OK) == 0;

    return err_set(parser->err, ERR_INVALID, "'%s' takes no argument: '%.60s'%s%.60s",
                   parser->command->name, text,
                   is_path ? "; an app is named with --config " : "",
                   is_path ? text : "");
}

static int read_word(struct parser *parser, const char *text)
{
    struct options *out = parser->out;

    if (parser->command == NULL && out->command == COMMAND_HELP) {
        if (out->help_about == NULL) /* 'help run list' is about run */
            out->help_about = text;
        return 1;
    }
    if (parser->command == NULL)
        return read_command(parser, text);
    if (out->configs.n == 0 && names_app(parser->command->id, text))
        texts_add(&out->configs, text);
    else if (parser->command->id == COMMAND_PACK && out->pack.out == NULL)
        out->pack.out = text;
    else if (parser->command->id == COMMAND_CONTRACTS && !out->doc.asked &&
             strcmp(text, "doc") == 0)
        out->doc.asked = true;
    else if (parser->command->id == COMMAND_CONTRACTS && out->doc.asked &&
             out->doc.pattern == NULL)
        out->doc.pattern = text;
    else if (parser->command->id == COMMAND_RUN && out->exec == NULL &&
             out->name == NULL)
        out->name = text;
    else if (takes_words(parser))
        texts_add(&out->args, text);
    else
        return refuse_word(parser, text);
    return 1;
}

static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || isdigit((unsigned char)text[1]) ||
           (text[1] == '.' && isdigit((unsigned char)text[2]));
}

static const char *name_of_command(enum command id)
{
    unsigned i = 0;

    while (i < n_commands - 1 && commands_table[i].id != id)
        i++;
    return commands_table[i].name;
}

/* An option may stand in a row for each of several commands. */
static bool has_option(enum command command, const struct option_row *row)
{
    for (unsigned i = 0; i < n_options; i++) {
        if (options_table[i].id == row->id && options_table[i].of == command)
            return true;
    }
    return row->of == command;
}

/* What can only be told when everything has been read. */
static int settle(struct parser *parser)
{
    struct options *out = parser->out;

    if (parser->command != NULL && out->command == COMMAND_HELP)
        out->help_about = parser->command->name;
    /* `run hello -x app:other`: the name came first, but was an argument */
    if (out->exec != NULL && out->name != NULL) {
        texts_add(&out->args, out->name);
        memmove(out->args.items + 1, out->args.items,
                (out->args.n - 1) * sizeof(out->args.items[0]));
        out->args.items[0] = out->name;
        out->name = NULL;
    }
    if (out->command == COMMAND_RUN && out->name != NULL &&
        strcmp(out->name, "list") == 0)
        out->command = COMMAND_RUN_LIST;
    if (out->command != COMMAND_RUN && out->command <= COMMAND_CONTRACTS &&
        (out->exec != NULL || out->host != NULL))
        return err_set(parser->err, ERR_INVALID,
                       "-x and --host belong to 'run': supervisor run -x %s",
                       out->exec != NULL ? out->exec : "NS:ENTRY");
    if (out->command == COMMAND_RUN && out->host != NULL && out->exec == NULL &&
        out->name == NULL)
        return err_set(parser->err, ERR_INVALID,
                       "--host says where one process runs: name that too, supervisor "
                       "run -x NS:ENTRY --host %s",
                       out->host);
    if (out->command == COMMAND_RUN_LIST && out->args.n != 0)
        return err_set(parser->err, ERR_INVALID,
                       "'run list' takes no argument: '%.60s'", out->args.items[0]);
    if (parser->restricted != NULL && out->command <= COMMAND_INIT &&
        !has_option(out->command, parser->restricted))
        return err_set(parser->err, ERR_INVALID, "--%s belongs to '%s'",
                       parser->restricted->name,
                       name_of_command(parser->restricted->of));
    if (out->command == COMMAND_PACK && out->pack.out == NULL)
        return err_set(parser->err, ERR_INVALID,
                       "pack needs a file to write: supervisor pack OUT.wapp");
    if (out->command == COMMAND_CONTRACTS && !out->doc.asked)
        return err_set(parser->err, ERR_INVALID,
                       "contracts needs to know what to do: supervisor contracts doc");
    if (parser->command == NULL && out->command == COMMAND_BOOT && out->configs.n == 0)
        return err_set(parser->err, ERR_INVALID,
                       "nothing to do: name a registry with --config, or a command");
    return 0;
}

int options_parse(struct options *out, int argc, char **argv, struct err *err)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *program = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
    struct parser parser = {.out = out, .err = err};

    memset(out, 0, sizeof(*out));
    out->as_wippy = strcmp(program, "wippy") == 0;
    for (int i = 1; i < argc;) {
        const char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int n_used;

        if (strcmp(text, "--") == 0) {
            while (++i < argc) {
                if (read_word(&parser, argv[i]) == -1)
                    return -1;
            }
            break;
        }
        if (is_word(text))
            n_used = read_word(&parser, text);
        else if (text[1] == '-')
            n_used = read_long(&parser, text + 2, next);
        else
            n_used = read_letters(&parser, text + 1, next);
        if (n_used == -1)
            return -1;
        i += n_used;
    }
    return settle(&parser);
}

void options_finish(struct options *options)
{
    free(options->configs.items);
    free(options->overrides.items);
    for (unsigned i = 0; i < options->n_owned; i++)
        free(options->owned[i]);
    free(options->owned);
    free(options->sets.items);
    free(options->args.items);
    free(options->pack.bytecode.items);
    free(options->pack.exclude.items);
    free(options->pack.exclude_ns.items);
    free(options->pack.embed.items);
    free(options->lint.ns.items);
    free(options->lint.codes.items);
    memset(options, 0, sizeof(*options));
}
