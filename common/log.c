#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/value.h"

/* A pipe takes up to PIPE_BUF bytes in one piece or not at all: lines never mix, and
 * poll can tell in advance that a write won't block. */
#define LINE_MAX_BYTES   4096
#define CUT_MAX_BYTES    400 /* of a field in a line that is too long */
#define TIME_BYTES       48  /* with JSON around it and the line end */
#define BURST_PER_SEC    20  /* the same line is written that often in a second */
#define N_REPEATS        64
#define WAIT_FOR_ROOM_MS 20

struct repeat { /* a line seen lately */
    uint64_t hash;
    uint64_t window_at_ms;
    uint32_t n_written, n_held;
    enum log_level level;
    char message[80];
};

static struct {
    enum log_level level;
    enum log_format format;
    const char *program;
    int fd;
    bool is_stuck; /* the last line found no room: don't wait for the next one */
    bool is_torn; /* of the last line a part was written: begin the next on a new one */
    uint64_t n_lost;
    int lost_errno; /* of the last lost line; 0 = nobody reads */
    void (*tap)(void *context, const struct log_record *record);
    void *tap_context;
    struct repeat repeats[N_REPEATS];
} sink = {.level = LOG_INFO, .program = "supervisor", .fd = STDERR_FILENO};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_set_level(enum log_level level)
{
    sink.level = level;
}

enum log_level log_level(void)
{
    return sink.level;
}

void log_set_format(enum log_format format)
{
    sink.format = format;
}

void log_set_program(const char *program)
{
    sink.program = program;
}

void log_set_fd(int fd)
{
    sink.fd = fd;
    sink.is_stuck = sink.is_torn = false;
}

void log_set_tap(void (*tap)(void *context, const struct log_record *record),
                 void *context)
{
    sink.tap = tap;
    sink.tap_context = context;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level <= LOG_OFF ? level : LOG_OFF];
}

bool log_level_find(const char *name, enum log_level *level_out)
{
    for (unsigned i = 0; i < N_ELEMENTS(level_names); i++) {
        if (strcmp(level_names[i], name) == 0) {
            *level_out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* ---- text of a line -------------------------------------------------------------- */

static void append_escaped(struct buf *buf, const char *text, size_t n_bytes,
                           bool quoted)
{
    for (size_t i = 0; i < n_bytes;) {
        size_t n = utf8_showable_bytes(text + i, n_bytes - i);
        char c = text[i];

        if (n == 1 && quoted && (c == '"' || c == '\\'))
            buf_append(buf, "\\", 1);
        if (n != 0)
            buf_append(buf, text + i, n);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_printf(buf, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else
            buf_printf(buf, "\\x%02x", (uint8_t)c);
        i += n != 0 ? n : 1;
    }
}

static bool needs_quotes(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        uint8_t c = (uint8_t)text[i];

        if (c <= ' ' || c == '"' || c == '=' || c == 0x7f)
            return true;
    }
    return n_bytes == 0;
}

static void append_field(struct buf *buf, const char *key, const struct value *value)
{
    buf_append(buf, " ", 1);
    append_escaped(buf, key, strlen(key), false);
    buf_append(buf, "=", 1);
    if (value->type != VALUE_STRING) {
        value_write_json(buf, value, 0);
    } else if (needs_quotes(value->as.string.data, value->as.string.n)) {
        buf_append(buf, "\"", 1);
        append_escaped(buf, value->as.string.data, value->as.string.n, true);
        buf_append(buf, "\"", 1);
    } else {
        append_escaped(buf, value->as.string.data, value->as.string.n, false);
    }
}

static void append_time(struct buf *buf, int64_t at_ns)
{
    time_t seconds = (time_t)(at_ns / 1000000000);
    char text[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(buf, "%s.%03dZ", text, (int)(at_ns / 1000000 % 1000));
}

/* What follows the time: " level program message key=value". */
static void write_console(struct buf *buf, const struct log_record *record)
{
    buf_printf(buf, " %s ", log_level_name(record->level));
    append_escaped(buf, record->program, strlen(record->program), false);
    buf_append(buf, " ", 1);
    append_escaped(buf, record->message, strlen(record->message), false);
    for (size_t i = 0; i < value_map_n(record->fields); i++)
        append_field(buf, record->fields->as.map.pairs[i].key,
                     &record->fields->as.map.pairs[i].value);
}

static bool is_own_key(const char *key)
{
    return strcmp(key, "level") == 0 || strcmp(key, "ts") == 0 ||
           strcmp(key, "logger") == 0 || strcmp(key, "msg") == 0;
}

/* What follows the time's member: '"level":...}'. */
static void write_json(struct buf *buf, const struct log_record *record)
{
    struct value map = value_map();

    value_put(&map, "level", value_string(log_level_name(record->level)));
    value_put(&map, "logger", value_string(record->program));
    value_put(&map, "msg", value_string(record->message));
    for (size_t i = 0; i < value_map_n(record->fields); i++) {
        const struct value_pair *pair = &record->fields->as.map.pairs[i];
        char *renamed = NULL;

        if (is_own_key(pair->key))
            renamed = xasprintf("field.%s", pair->key);
        value_put(&map, renamed != NULL ? renamed : pair->key,
                  value_copy(&pair->value));
        free(renamed);
    }
    if (value_write_json(buf, &map, 0))
        buf_consume(buf, 1); /* the brace: the time comes before */
    value_finish(&map);
}

/* A copy of text in room, cut with "..." when it's longer. */
static const char *cut_text(char *room, size_t room_bytes, const char *text)
{
    size_t n = strnlen(text, room_bytes);

    if (n + 4 > room_bytes) {
        n = utf8_valid_bytes(text, room_bytes - 4);
        memcpy(room, text, n);
        memcpy(room + n, "...", 4);
    } else {
        memcpy(room, text, n + 1);
    }
    return room;
}

static struct value cut_value(const struct value *value, size_t most)
{
    char room[CUT_MAX_BYTES];
    struct value text;
    struct buf json;

    if (value->type == VALUE_STRING)
        return value->as.string.n < most
                   ? value_copy(value)
                   : value_string(cut_text(room, most, value->as.string.data));
    if (value->type != VALUE_LIST && value->type != VALUE_MAP)
        return value_copy(value);
    buf_init(&json, 0);
    value_write_json(&json, value, 0);
    buf_append(&json, "", 1);
    text = buf_len(&json) <= most
               ? value_copy(value)
               : value_string(cut_text(room, most, (const char *)buf_head(&json)));
    buf_finish(&json);
    return text;
}

/* The first n_most fields, none of them longer than most bytes (CUT_MAX_BYTES). */
static struct value cut_fields(const struct log_record *record, size_t n_most,
                               size_t most)
{
    struct value map = value_map();
    char key[CUT_MAX_BYTES];

    for (size_t i = 0; i < value_map_n(record->fields) && i < n_most; i++) {
        const struct value_pair *pair = &record->fields->as.map.pairs[i];

        value_put(&map, cut_text(key, most, pair->key), cut_value(&pair->value, most));
    }
    return map;
}

static bool fits(struct buf *buf, const struct log_record *record)
{
    buf_clear(buf);
    (sink.format == LOG_JSON ? write_json : write_console)(buf, record);
    return buf_len(buf) <= LINE_MAX_BYTES - TIME_BYTES;
}

/* What is too long loses the ends of its texts and its last fields, visibly. */
static void write_body(struct buf *buf, const struct log_record *record)
{
    static const struct {
        size_t n_fields, field_bytes, message_bytes;
    } cuts[] = {{20, CUT_MAX_BYTES, 1500}, {4, 40, 400}, {0, 1, 400}};
    struct log_record less = *record;
    char message[1500], program[100];
    bool done = fits(buf, record);

    /* an escape is up to six bytes long */
    for (size_t i = 0; !done && i < N_ELEMENTS(cuts); i++) {
        struct value fields = cut_fields(record, cuts[i].n_fields, cuts[i].field_bytes);

        less.fields = &fields;
        less.program = cut_text(program, sizeof(program), record->program);
        less.message = cut_text(message, cuts[i].message_bytes, record->message);
        done = fits(buf, &less);
        value_finish(&fields);
    }
}

/* ---- out ------------------------------------------------------------------------- */

static bool has_room(void)
{
    struct pollfd pfd = {.fd = sink.fd, .events = POLLOUT};
    int n = poll(&pfd, 1, sink.is_stuck ? 0 : WAIT_FOR_ROOM_MS);

    if (n == -1 && errno == EINTR) /* no second wait: signals may come in storms */
        n = poll(&pfd, 1, 0);
    return n == 1 && (pfd.revents & POLLOUT) != 0;
}

/* A reader that has stopped costs lines, never the supervisor's time. Of a line for a
 * file there may be room for a part: a disk that is full takes what fits. */
static bool write_out(struct bytes line)
{
    bool room = has_room();
    ssize_t n = room ? write(sink.fd, line.data, line.n) : -1;

    sink.is_stuck = n == -1;
    if (n == (ssize_t)line.n) {
        sink.is_torn = false;
        return true;
    }
    sink.is_torn = sink.is_torn || n > 0;
    if (n == -1)
        sink.lost_errno = room ? errno : 0;
    else
        sink.lost_errno = ENOSPC;
    sink.n_lost++;
    return false;
}

static bool write_line(struct bytes body, int64_t at_ns)
{
    uint8_t line[LINE_MAX_BYTES];
    struct buf buf = {.data = line, .size = sizeof(line), .max_bytes = sizeof(line)};

    if (sink.is_torn)
        buf_append(&buf, "\n", 1);
    if (sink.format == LOG_JSON)
        buf_append_text(&buf, "{\"ts\":\"");
    append_time(&buf, at_ns);
    if (sink.format == LOG_JSON)
        buf_append_text(&buf, "\",");
    buf_append(&buf, body.data, body.n);
    buf_append(&buf, "\n", 1);
    return write_out(buf_bytes(&buf));
}

static bool write_record(const struct log_record *record)
{
    struct buf body;
    bool is_out;

    buf_init(&body, 0);
    write_body(&body, record);
    is_out = write_line(buf_bytes(&body), record->at_ns);
    buf_finish(&body);
    return is_out;
}

/* A line of our own about lines that didn't get out. */
static bool write_notice(enum log_level level, const char *message, const char *key,
                         const char *text, const char *count_key, uint64_t count)
{
    struct value fields = value_map();
    struct log_record record = {level, clock_wall_ns(), sink.program, message, &fields};
    bool is_out;

    if (key != NULL)
        value_put(&fields, key, value_string(text));
    value_put(&fields, count_key, value_int((int64_t)count));
    is_out = write_record(&record);
    value_finish(&fields);
    return is_out;
}

/* ---- repeats --------------------------------------------------------------------- */

static uint64_t hash_bytes(struct bytes bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
    return hash | 1;
}

static void close_window(struct repeat *row)
{
    if (row->n_held > 0)
        write_notice(row->level, "line repeated, further ones not written", "line",
                     row->message, "repeated", row->n_held);
    row->n_held = row->n_written = 0;
}

static bool is_held(struct bytes body, const struct log_record *record)
{
    uint64_t hash = hash_bytes(body), now_ms = clock_monotonic_ms();
    struct repeat *row = &sink.repeats[hash / 2 % N_REPEATS];

    if (row->hash != hash || now_ms - row->window_at_ms >= 1000) {
        close_window(row);
        row->hash = hash;
        row->window_at_ms = now_ms;
        row->level = record->level;
        snprintf(row->message, sizeof(row->message), "%s", record->message);
    }
    if (row->n_written < BURST_PER_SEC) {
        row->n_written++;
        return false;
    }
    row->n_held++;
    return true;
}

/* The notice isn't counted itself when it doesn't get out either. */
static void tell_of_lost_lines(void)
{
    uint64_t n_lost = sink.n_lost;
    bool is_out;

    if (n_lost == 0 || !has_room())
        return;
    if (sink.lost_errno == 0)
        is_out = write_notice(LOG_WARN, "log lines lost, nobody read them", NULL, NULL,
                              "lines", n_lost);
    else
        is_out = write_notice(LOG_WARN, "log lines lost, they could not be written",
                              "why", strerror(sink.lost_errno), "lines", n_lost);
    sink.n_lost = is_out ? 0 : n_lost;
}

void log_flush_repeats(void)
{
    uint64_t now_ms = clock_monotonic_ms();

    for (unsigned i = 0; i < N_REPEATS; i++) {
        if (now_ms - sink.repeats[i].window_at_ms >= 1000)
            close_window(&sink.repeats[i]);
    }
    tell_of_lost_lines();
}

/* ---- in -------------------------------------------------------------------------- */

void log_emit(const struct log_record *record)
{
    struct buf body;
    int saved_errno = errno;

    if (record->level < sink.level)
        return;
    if (sink.tap != NULL)
        sink.tap(sink.tap_context, record);
    if (sink.fd != -1) {
        buf_init(&body, 0);
        write_body(&body, record);
        if (!is_held(buf_bytes(&body), record))
            write_line(buf_bytes(&body), record->at_ns);
        buf_finish(&body);
    }
    errno = saved_errno;
}

struct arguments { /* a va_list that may be handed on by pointer */
    va_list list;
};

struct conversion {
    char spec[32];   /* "%-5.20s", '*' replaced by its number, integers as long */
    unsigned n_long; /* 0 = given as int; size_t and friends are as wide as long */
    char type;
};

/* at is behind the '%'. Formats are ours, and short. */
static const char *read_conversion(const char *at, struct conversion *out,
                                   struct arguments *arguments)
{
    size_t n = 0;

    memset(out, 0, sizeof(*out));
    out->spec[n++] = '%';
    for (; strchr("diuxXcsfge%", *at) == NULL; at++) {
        assert(n + 13 < sizeof(out->spec));
        if (strchr("hlzjt", *at) != NULL)
            out->n_long += *at != 'h';
        else if (*at == '*')
            n += (size_t)sprintf(out->spec + n, "%d", va_arg(arguments->list, int));
        else
            out->spec[n++] = *at;
    }
    assert(*at != '\0');
    if (strchr("diuxX", *at) != NULL)
        out->spec[n++] = 'l';
    out->spec[n] = out->type = *at;
    return at + 1;
}

static long next_integer(const struct conversion *conversion,
                         struct arguments *arguments)
{
    if (conversion->n_long > 0)
        return va_arg(arguments->list, long);
    if (strchr("di", conversion->type) != NULL)
        return va_arg(arguments->list, int);
    return (long)va_arg(arguments->list, unsigned);
}

/* NOLINTBEGIN(bugprone-branch-clone,readability-function-cognitive-complexity): PRINT
 * hides what differs from the one, and counts for many with the other. */
static void print_conversion(struct buf *buf, const struct conversion *conversion,
                             struct arguments *arguments)
{
    const char *text;

    if (conversion->type == 's') {
        text = va_arg(arguments->list, const char *);
        buf_printf(buf, conversion->spec, text != NULL ? text : "(null)");
    } else if (conversion->type == '%') {
        buf_append(buf, "%", 1);
    } else if (strchr("fge", conversion->type) != NULL) {
        buf_printf(buf, conversion->spec, va_arg(arguments->list, double));
    } else if (conversion->type == 'c') {
        buf_append(buf, &(char){(char)va_arg(arguments->list, int)}, 1);
    } else {
        buf_printf(buf, conversion->spec, next_integer(conversion, arguments));
    }
}
/* NOLINTEND(bugprone-branch-clone,readability-function-cognitive-complexity) */

/* One "key=value" of the format; a lone integer stays a number. */
static const char *read_field(struct value *fields, const char *at,
                              struct arguments *arguments)
{
    size_t n_key = strcspn(at, "= ");
    const char *key = at;
    struct conversion conversion;
    unsigned n_pieces = 0;
    bool is_number = false;
    struct buf text;

    buf_init(&text, 0);
    at += n_key + (at[n_key] == '=');
    while (*at != '\0' && *at != ' ') {
        n_pieces++;
        if (*at != '%') {
            buf_append(&text, at++, 1);
            continue;
        }
        at = read_conversion(at + 1, &conversion, arguments);
        print_conversion(&text, &conversion, arguments);
        is_number = strchr("diu", conversion.type) != NULL;
    }
    buf_append(&text, "", 1);
    value_put_n(fields, key, n_key,
                is_number && n_pieces == 1
                    ? value_int(strtoll((char *)buf_head(&text), NULL, 10))
                    : value_bytes(buf_head(&text), buf_len(&text) - 1));
    buf_finish(&text);
    return at;
}

void log_write(enum log_level level, const char *message, const char *fields_fmt, ...)
{
    struct arguments arguments;
    struct value fields;
    struct log_record record = {level, 0, sink.program, message, &fields};

    if (level < sink.level)
        return;
    record.at_ns = clock_wall_ns();
    fields = value_map();
    va_start(arguments.list, fields_fmt);
    while (fields_fmt != NULL && *fields_fmt != '\0') {
        if (*fields_fmt == ' ')
            fields_fmt++;
        else
            fields_fmt = read_field(&fields, fields_fmt, &arguments);
    }
    va_end(arguments.list);
    log_emit(&record);
    value_finish(&fields);
}
