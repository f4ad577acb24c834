/*
 * settings -- the table of all settings: one row each, with type, default and bounds.
 *
 * A setting is a dotted key ("shutdown.timeout") and a value that is written as text,
 * wherever it comes from. config.h says where that is and which source wins.
 */
#ifndef TROUPE_SUPERVISOR_SETTINGS_H
#define TROUPE_SUPERVISOR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value;

/* LATER: known from elsewhere, any value, not in this build. NEVER: the same, and what
 * it sets doesn't exist here. */
enum setting_type {
    SETTING_BOOL,
    SETTING_INT,
    SETTING_MS,
    SETTING_REAL,
    SETTING_TEXT,
    SETTING_LATER,
    SETTING_NEVER
};

struct setting {
    const char *key;
    enum setting_type type;
    const char *fallback;
    int64_t least, most; /* INT, REAL: the number; MS: milliseconds */
    const char *choices; /* TEXT: "a|b", NULL = anything; NEVER: why not */
};

/* The i-th row, sorted by key; NULL behind the last. */
const struct setting *setting_at(unsigned i);
const struct setting *setting_find(const char *key); /* NULL if there is none */

/* A key that is much like this one, NULL if there is none. */
const char *setting_nearest(const char *key);

/* Has it a value here, or is it LATER or NEVER? */
bool setting_counts(const struct setting *row);

/* The text as a value of the row's type; false when it is none. The row counts. */
bool setting_read(const struct setting *row, const char *text, struct value *out);

/* What its value must be, for a person. */
void setting_describe(const struct setting *row, char *out, size_t out_bytes);

#endif
