/*
 * log -- one structured line per event; the sink is this program's only global.
 *
 *   2026-03-01T10:11:12.345Z warn supervisor worker died, restarting pool=app:math ...
 *
 * A message is a fixed sentence that ends in its consequence; what varies goes into
 * key=value fields. A line that comes more than 20 times in a second is counted, not
 * written; one that is too long is cut; foreign bytes can't break a line or steer a
 * terminal. A descriptor whose reader has stopped costs lines, never time.
 */
#ifndef TROUPE_COMMON_LOG_H
#define TROUPE_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_CONSOLE, LOG_JSON };

struct value;

struct log_record {
    enum log_level level;
    int64_t at_ns;       /* wall clock */
    const char *program; /* "supervisor", "worker", or the logger's name of an app */
    const char *message;
    const struct value *fields; /* a map or NULL */
};

/* The fields of an app's record, encoded; what is more is cut before it is sent. */
#define LOG_FIELDS_MAX_BYTES 8192

void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level); /* "debug" ... "off" */
bool log_level_find(const char *name, enum log_level *level_out);
void log_set_format(enum log_format format);
void log_set_program(const char *program); /* borrowed for ever */

/* Where lines go: a descriptor (borrowed). Default 2; -1 = nowhere but the tap. */
void log_set_fd(int fd);

/* Called for every record that passes the level, before it is written (supctl logs). */
void log_set_tap(void (*tap)(void *context, const struct log_record *record),
                 void *context);

/* Writes one record. fields_fmt is "key=%s other=%d": values that hold blanks or quotes
 * are quoted. Never blocks for long, never fails. */
void log_write(enum log_level level, const char *message, const char *fields_fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_emit(const struct log_record *record);

/* Reports what was counted instead of written; call it about once a second. */
void log_flush_repeats(void);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
