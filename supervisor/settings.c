#include "supervisor/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/value.h"

#define NO_CACHE "queries are run anew each time, there is no cache"

/* Sorted by key. */
static const struct setting settings_table[] = {
    // clang-format off
    {"calls.busy_grace",            SETTING_MS,    "150ms",   0, 3600000, NULL},
    {"calls.cancel_grace",          SETTING_MS,    "1s",      0, 3600000, NULL},
    {"contract.validation",         SETTING_TEXT,  "enforce", 0, 0, "enforce|warn|off"},
    {"finder.query_cache_size",     SETTING_NEVER, NULL,      0, 0, NO_CACHE},
    {"finder.regex_cache_size",     SETTING_NEVER, NULL,      0, 0, NO_CACHE},
    {"functions.host.buffer_size",  SETTING_LATER, NULL,      0, 0, NULL},
    {"functions.host.worker_count", SETTING_LATER, NULL,      0, 0, NULL},
    {"logger.encoding",             SETTING_TEXT,  "console", 0, 0, "console|json"},
    {"logger.file",                 SETTING_TEXT,  "",        0, 0, NULL},
    {"logger.level",                SETTING_TEXT,  "info",    0, 0, "debug|info|warn|error"},
    {"logmanager.min_level",        SETTING_INT,   "-1",      -1, 2, NULL},
    {"logmanager.propagate_downstream", SETTING_LATER, NULL,  0, 0, NULL},
    {"logmanager.stream_to_events", SETTING_BOOL,  "false",   0, 0, NULL},
    {"lua.type_system.enabled",     SETTING_BOOL,  "false",   0, 0, NULL},
    {"lua.type_system.strict",      SETTING_BOOL,  "false",   0, 0, NULL},
    {"metrics.buffer.size",         SETTING_LATER, NULL,      0, 0, NULL},
    {"metrics.interceptor.enabled", SETTING_BOOL,  "false",   0, 0, NULL},
    {"metrics.max_samples",         SETTING_INT,   "10000",   0, 100000, NULL},
    {"otel.batch_size",             SETTING_INT,   "512",     1, 10000, NULL},
    {"otel.delay",                  SETTING_MS,    "5s",      0, 3600000, NULL},
    {"otel.enabled",                SETTING_BOOL,  "false",   0, 0, NULL},
    {"otel.endpoint",               SETTING_TEXT,  "http://127.0.0.1:4318", 0, 0, NULL},
    {"otel.flush_timeout",          SETTING_MS,    "2s",      0, 60000, NULL},
    {"otel.headers",                SETTING_TEXT,  "",        0, 0, NULL},
    {"otel.interceptor.enabled",    SETTING_BOOL,  "true",    0, 0, NULL},
    {"otel.interceptor.order",      SETTING_LATER, NULL,      0, 0, NULL},
    {"otel.protocol",               SETTING_TEXT,  "http/json", 0, 0, "http/json"},
    {"otel.queue_size",             SETTING_INT,   "2048",    1, 100000, NULL},
    {"otel.sample_rate",            SETTING_REAL,  "1",       0, 1, NULL},
    {"otel.service_name",           SETTING_TEXT,  "",        0, 0, NULL},
    {"otel.timeout",                SETTING_MS,    "10s",     1, 600000, NULL},
    {"prometheus.address",          SETTING_TEXT,  "127.0.0.1:9090", 0, 0, NULL},
    {"prometheus.enabled",          SETTING_BOOL,  "false",   0, 0, NULL},
    {"prometheus.timeout",          SETTING_MS,    "10s",     1, 3600000, NULL},
    {"registry.enable_history",     SETTING_BOOL,  "true",    0, 0, NULL},
    {"registry.event_wait_timeout", SETTING_MS,    "30s",     1, 3600000, NULL},
    {"registry.history_path",       SETTING_TEXT,  ".wippy/registry.db", 0, 0, NULL},
    {"registry.history_type",       SETTING_TEXT,  "memory",  0, 0, "memory|nil|sqlite"},
    {"relay.node_name",             SETTING_LATER, NULL,      0, 0, NULL},
    {"security.strict_mode",        SETTING_BOOL,  "false",   0, 0, NULL},
    {"shutdown.timeout",            SETTING_MS,    "30s",     1, 86400000, NULL},
    {"supervisor.host.buffer_size", SETTING_LATER, NULL,      0, 0, NULL},
    {"supervisor.host.worker_count", SETTING_LATER, NULL,     0, 0, NULL},
    {"trace.max_spans",             SETTING_INT,   "10000",   1, 1000000, NULL},
    {"trace.sample",                SETTING_REAL,  "0",       0, 1, NULL},
    {"workers.confine",             SETTING_TEXT,  "on",      0, 0, "on|off|strict"},
    {"workers.memory_mb",           SETTING_INT,   "0",       0, 1048576, NULL},
    {"workers.ping_every",          SETTING_MS,    "5s",      100, 3600000, NULL},
    {"workers.pong_timeout",        SETTING_MS,    "15s",     100, 3600000, NULL},
    {"workers.ready_timeout",       SETTING_MS,    "10s",     100, 3600000, NULL},
    {"workers.total_cpus",          SETTING_REAL,  "0",       0, 4096, NULL},
    {"workers.total_memory_mb",     SETTING_INT,   "0",       0, 67108864, NULL},
    {"workers.user",                SETTING_TEXT,  "",        0, 0, NULL},
    // clang-format on
};

const struct setting *setting_at(unsigned i)
{
    return i < N_ELEMENTS(settings_table) ? &settings_table[i] : NULL;
}

const struct setting *setting_find(const char *key)
{
    for (unsigned i = 0; i < N_ELEMENTS(settings_table); i++) {
        if (strcmp(settings_table[i].key, key) == 0)
            return &settings_table[i];
    }
    return NULL;
}

const char *setting_nearest(const char *key)
{
    const char *names[N_ELEMENTS(settings_table)];

    for (unsigned i = 0; i < N_ELEMENTS(settings_table); i++)
        names[i] = settings_table[i].key;
    return nearest_find(key, names, N_ELEMENTS(names));
}

bool setting_counts(const struct setting *row)
{
    return row->type != SETTING_LATER && row->type != SETTING_NEVER;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    }
    return choices == NULL;
}

static bool read_bool(const char *text, struct value *out)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *out = value_bool(text[0] == 't');
    return true;
}

static bool read_int(const struct setting *row, const char *text, struct value *out)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0 || number < row->least ||
        number > row->most)
        return false;
    *out = value_int(number);
    return true;
}

static bool read_ms(const struct setting *row, const char *text, struct value *out)
{
    char why[DURATION_ERROR_BYTES];
    int64_t ns;

    if (!duration_parse(text, strlen(text), &ns, why) || ns < 0 ||
        ns / 1000000 < row->least || ns / 1000000 > row->most)
        return false;
    *out = value_int(ns / 1000000);
    return true;
}

static bool read_real(const struct setting *row, const char *text, struct value *out)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= (double)row->least) ||
        !(number <= (double)row->most))
        return false;
    *out = value_float(number);
    return true;
}

static bool read_text(const struct setting *row, const char *text, struct value *out)
{
    if (!is_choice(row->choices, text))
        return false;
    *out = value_string(text);
    return true;
}

bool setting_read(const struct setting *row, const char *text, struct value *out)
{
    switch (row->type) {
    case SETTING_BOOL:
        return read_bool(text, out);
    case SETTING_INT:
        return read_int(row, text, out);
    case SETTING_REAL:
        return read_real(row, text, out);
    case SETTING_MS:
        return read_ms(row, text, out);
    case SETTING_TEXT:
        return read_text(row, text, out);
    case SETTING_LATER:
    case SETTING_NEVER:
        break;
    }
    return false;
}

void setting_describe(const struct setting *row, char *out, size_t out_bytes)
{
    if (row->type == SETTING_BOOL)
        snprintf(out, out_bytes, "true or false");
    else if (row->type == SETTING_INT || row->type == SETTING_REAL)
        snprintf(out, out_bytes, "a number from %lld to %lld", (long long)row->least,
                 (long long)row->most);
    else if (row->type == SETTING_MS)
        snprintf(out, out_bytes, "a duration like %s (%lldms to %llds)", row->fallback,
                 (long long)row->least, (long long)row->most / 1000);
    else
        snprintf(out, out_bytes, "one of %s",
                 row->choices != NULL ? row->choices : "any text");
}
