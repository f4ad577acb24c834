#include "supervisor/logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/bus.h"
#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/system.h"

#define N_KEPT            1000
#define MESSAGE_MAX_BYTES 4096
#define LINE_MAX_BYTES    65536 /* of a message, wherever it goes */
#define FIELDS_MAX_WEIGHT ((size_t)128 * 1024)

struct filter {
    enum log_level level;
    char *logger; /* NULL = any */
};

struct follower {
    struct logs *logs;
    struct request *request;
    struct filter filter;
    int64_t n_missed; /* since the last item that got through */
    struct list in_followers;
};

struct logs {
    struct supervisor *sup;
    struct value ring[N_KEPT]; /* records as they are sent */
    unsigned first, n;
    struct list followers;
    unsigned n_followers;
    uint64_t n_skipped;
    bool streams; /* onto the bus */
    bool is_busy; /* a record made by handing out a record goes to nobody */
};

/* ---- records --------------------------------------------------------------------- */

static struct value record_to_value(const struct log_record *record)
{
    struct value map = value_map();
    size_t n = strnlen(record->message, MESSAGE_MAX_BYTES);

    value_put(&map, "at", value_int(record->at_ns));
    value_put(&map, "level", value_string(log_level_name(record->level)));
    value_put(&map, "logger", value_string(record->program));
    value_put(&map, "message", value_bytes(record->message, n));
    value_put(&map, "fields",
              record->fields != NULL ? value_copy(record->fields) : value_map());
    return map;
}

/* Does the record come from that service (or pool, or entry)? */
static bool is_about(const struct value *record, const char *name)
{
    static const char *const keys[] = {"service", "entry", "pool", "host", "id"};
    const struct value *fields = value_get(record, "fields");
    const char *logger = value_get_text(record, "logger");
    const char *location = value_get_text(fields, "location");
    size_t n = strlen(name);

    if (logger != NULL && strcmp(logger, name) == 0)
        return true;
    if (location != NULL && strncmp(location, name, n) == 0 && location[n] == ':')
        return true;
    for (unsigned i = 0; i < N_ELEMENTS(keys); i++) {
        const char *text = value_get_text(fields, keys[i]);

        if (text != NULL && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

static bool passes(const struct filter *filter, const struct value *record)
{
    enum log_level level = LOG_INFO;

    log_level_find(value_get_text(record, "level"), &level);
    return level >= filter->level &&
           (filter->logger == NULL || is_about(record, filter->logger));
}

/* ---- followers ------------------------------------------------------------------- */

static void miss(struct follower *follower)
{
    follower->n_missed++;
    follower->logs->n_skipped++;
}

static void offer(struct follower *follower, const struct value *record)
{
    struct value marker;
    bool sent;

    if (!passes(&follower->filter, record))
        return;
    if (follower->n_missed > 0) {
        marker = value_map();
        value_put(&marker, "missed", value_int(follower->n_missed));
        sent = request_item(follower->request, &marker);
        value_finish(&marker);
        if (!sent) {
            miss(follower);
            return;
        }
        follower->n_missed = 0;
    }
    if (!request_item(follower->request, record))
        miss(follower);
}

/* EV-7: level and logger stand where apps may choose by them. */
static void stream(struct logs *logs, const struct value *record)
{
    const char *level = value_get_text(record, "level"),
               *logger = value_get_text(record, "logger");

    bus_publish(logs->sup, "logs", level != NULL ? level : "",
                logger != NULL ? logger : "", record);
}

static void on_record(void *context, const struct log_record *record)
{
    struct logs *logs = context;
    struct value *place = &logs->ring[(logs->first + logs->n) % N_KEPT];

    if (logs->is_busy)
        return;
    logs->is_busy = true;
    if (logs->n == N_KEPT) {
        value_finish(place);
        logs->first = (logs->first + 1) % N_KEPT;
    } else {
        logs->n++;
    }
    *place = record_to_value(record);
    LIST_FOREACH_SAFE (node, &logs->followers)
        offer(container_of(node, struct follower, in_followers), place);
    if (logs->streams)
        stream(logs, place);
    logs->is_busy = false;
}

static void follower_destroy(struct follower *follower)
{
    list_remove(&follower->in_followers);
    follower->logs->n_followers--;
    free(follower->filter.logger);
    free(follower);
}

static bool on_unfollow(struct request *request)
{
    follower_destroy(request->state);
    return true;
}

/* ---- targets --------------------------------------------------------------------- */

static int read_filter(const struct value *args, struct filter *out, int64_t *n_out,
                       struct err *err)
{
    const struct value *options = value_item(args, 0);
    const char *level = value_get_text(options, "level");
    const char *logger = value_get_text(options, "logger");

    *out = (struct filter){LOG_DEBUG, NULL};
    if (level != NULL && !log_level_find(level, &out->level))
        return err_set(
            err, ERR_INVALID,
            "no such log level: %.40s; it must be debug, info, warn or error", level);
    *n_out = value_get_int(options, "n", *n_out);
    if (*n_out < 0 || *n_out > N_KEPT)
        *n_out = N_KEPT;
    if (logger != NULL)
        out->logger = xstrdup(logger);
    return 0;
}

/* Index (from the oldest) of the first of the last n that pass. */
static unsigned find_start(const struct logs *logs, const struct filter *filter,
                           int64_t n)
{
    unsigned i = logs->n;

    while (i > 0 && n > 0) {
        i--;
        n -= passes(filter, &logs->ring[(logs->first + i) % N_KEPT]);
    }
    return i;
}

static void handle_tail(struct request *request)
{
    struct logs *logs = request->sup->logs;
    struct value list = value_list();
    struct err err = {0};
    struct filter filter;
    int64_t n = 100;

    if (read_filter(&request->args, &filter, &n, &err) != 0) {
        request_fail(request, &err);
        return;
    }
    for (unsigned i = find_start(logs, &filter, n); i < logs->n; i++) {
        const struct value *record = &logs->ring[(logs->first + i) % N_KEPT];

        if (passes(&filter, record))
            value_append(&list, value_copy(record));
    }
    free(filter.logger);
    request_reply_taken(request, list);
}

static void handle_follow(struct request *request)
{
    struct logs *logs = request->sup->logs;
    struct follower *follower;
    struct err err = {0};
    struct filter filter;
    int64_t n = 10;

    if (logs->n_followers >= LOGS_MAX_FOLLOWERS) {
        request_refuse(request, ERR_RATE_LIMITED, "%d clients follow the log already",
                       LOGS_MAX_FOLLOWERS);
        return;
    }
    if (read_filter(&request->args, &filter, &n, &err) != 0) {
        request_fail(request, &err);
        return;
    }
    follower = xcalloc(1, sizeof(*follower));
    follower->logs = logs;
    follower->request = request;
    follower->filter = filter;
    list_append(&logs->followers, &follower->in_followers);
    logs->n_followers++;
    request->state = follower;
    request->on_cancel = on_unfollow;
    for (unsigned i = find_start(logs, &filter, n); i < logs->n; i++)
        offer(follower, &logs->ring[(logs->first + i) % N_KEPT]);
}

static const struct system_target targets[] = {
    {"logs.follow", handle_follow, ALLOW_CLIENT},
    {"logs.tail", handle_tail, ALLOW_CLIENT},
};

/* ---- frames of workers ----------------------------------------------------------- */

static void tame_message(struct value *message)
{
    if (message->as.string.n > LINE_MAX_BYTES) {
        message->as.string.n =
            utf8_valid_bytes(message->as.string.data, LINE_MAX_BYTES);
        message->as.string.data[message->as.string.n] = '\0';
    }
    for (size_t i = 0; i < message->as.string.n; i++) {
        if (message->as.string.data[i] == '\0') /* it would end the line early */
            message->as.string.data[i] = '?';
    }
}

/* Records are kept: what is too much to be kept is told by its length alone. */
static int read_fields(struct bytes bytes, struct value *out, struct err *err)
{
    if (bytes.n == 0)
        return 0;
    if (bytes.n <= LOG_FIELDS_MAX_BYTES) {
        if (value_decode_bounded(bytes, FIELDS_MAX_WEIGHT, out, err) == 0)
            return 0;
        if (err->kind != ERR_LIMIT_EXCEEDED)
            return -1;
    }
    *out = value_map();
    value_put(out, "fields_too_long_bytes", value_int((int64_t)bytes.n));
    return 0;
}

int logs_on_frame(const struct frame_log *frame, struct err *err)
{
    struct bytes rest = frame->record;
    struct value message, fields = {0};
    struct log_record record;
    char logger[128];
    size_t used;

    if (frame->level > LOG_ERROR)
        return err_set(err, ERR_INVALID, "LOG frame with level %u", frame->level);
    if (frame->level < log_level())
        return 0;
    if (value_decode(rest.data, rest.n, &used, &message, err) != 0)
        return err_wrap(err, "LOG frame");
    rest.data += used;
    rest.n -= used;
    if (message.type != VALUE_STRING) {
        value_finish(&message);
        return err_set(err, ERR_INVALID, "LOG frame whose message is no text");
    }
    if (read_fields(rest, &fields, err) == -1) {
        value_finish(&message);
        return err_wrap(err, "LOG frame");
    }
    tame_message(&message);
    snprintf(logger, sizeof(logger), "%.*s", (int)frame->logger.n,
             (const char *)frame->logger.data);
    record =
        (struct log_record){(enum log_level)frame->level, (int64_t)frame->at_ns,
                            logger[0] != '\0' ? logger : "app", message.as.string.data,
                            fields.type == VALUE_MAP ? &fields : NULL};
    log_emit(&record);
    value_finish(&message);
    value_finish(&fields);
    return 0;
}

/* ---- life ------------------------------------------------------------------------ */

struct logs *logs_create(struct supervisor *sup)
{
    struct logs *logs = xcalloc(1, sizeof(*logs));

    logs->sup = sup;
    logs->streams = config_get_bool(sup->config, "logmanager.stream_to_events");
    list_init(&logs->followers);
    log_set_tap(on_record, logs);
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return logs;
}

void logs_destroy(struct logs *logs)
{
    if (logs == NULL)
        return;
    log_set_tap(NULL, NULL);
    LIST_FOREACH_SAFE (node, &logs->followers)
        follower_destroy(container_of(node, struct follower, in_followers));
    for (unsigned i = 0; i < logs->n; i++)
        value_finish(&logs->ring[(logs->first + i) % N_KEPT]);
    free(logs);
}

unsigned logs_count_followers(const struct logs *logs)
{
    return logs->n_followers;
}

uint64_t logs_count_skipped(const struct logs *logs)
{
    return logs->n_skipped;
}
