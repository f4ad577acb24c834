/*
 * supctl_table -- lists of records as columns for people.
 *
 * Columns are as wide as their widest cell; an empty list prints nothing but `none`.
 * Foreign text is escaped, so that no name can steer the terminal.
 */
#ifndef TROUPE_SUPERVISOR_SUPCTL_TABLE_H
#define TROUPE_SUPERVISOR_SUPCTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/value.h"

enum column_kind {
    COLUMN_TEXT,  /* whatever it is, as text */
    COLUMN_STATE, /* coloured */
    COLUMN_NUMBER,
    COLUMN_BYTES, /* 3.4M */
    COLUMN_MS,    /* a duration in milliseconds: 2h03m */
    COLUMN_US,    /* a duration in microseconds: 1.3ms */
    COLUMN_PERCENT,
    COLUMN_TIME, /* nanoseconds since 1970: as in the log, in UTC */
};

struct column {
    const char *title;
    const char *path; /* dotted path into the record */
    enum column_kind kind;
};

void supctl_table_print(FILE *out, const struct value *records,
                        const struct column *columns, unsigned n_columns,
                        const char *none, bool in_colour);

/* One record as "key value" lines, all its keys; nested ones as JSON. What a key says
 * of its unit (_bytes, _ms, _us) or that it is a time decides how its value is
 * written. */
void supctl_record_print(FILE *out, const struct value *record);

/* One cell as people read it. malloc'ed. */
char *supctl_cell_text(const struct value *value, enum column_kind kind);

/* Escapes what could steer a terminal. */
void supctl_text_print(FILE *out, const char *text);

#endif
