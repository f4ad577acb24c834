/*
 * time_parts -- cuts a layout into literal text and parts; for time_layout*.c only.
 */
#ifndef TROUPE_WORKER_MODULES_TIME_PARTS_H
#define TROUPE_WORKER_MODULES_TIME_PARTS_H

#include <stdbool.h>
#include <stddef.h>

enum time_part {
    PART_NONE, /* the layout ends: only the literal text is left */
    PART_LONG_MONTH,
    PART_SHORT_MONTH,
    PART_MONTH,
    PART_LONG_WEEKDAY,
    PART_SHORT_WEEKDAY,
    PART_DAY,
    PART_YEAR_DAY,
    PART_HOUR,
    PART_HOUR_12,
    PART_MINUTE,
    PART_SECOND,
    PART_HALF,
    PART_LONG_YEAR,
    PART_SHORT_YEAR,
    PART_ABBREV,
    PART_OFFSET,
    PART_FRACTION,
    N_TIME_PARTS,
};

enum time_fill { FILL_NONE, FILL_ZERO, FILL_SPACE };

struct time_piece {
    const char *literal; /* before the part; borrowed from the layout, as text is */
    size_t n_literal;
    const char *text; /* the part as it stands in the layout */
    size_t n_text;
    enum time_part part;
    enum time_fill fill;    /* of a number */
    bool has_z, has_colons; /* of an offset */
    int n_fields;           /* of an offset: hours, minutes, seconds */
    int n_digits;           /* of a fraction; FILL_NONE cuts trailing zeros */
    bool lower_case;        /* am or AM */
};

struct time_cursor {
    const char *at, *end;
};

/* Takes literal text and one part from the layout. */
void time_parts_next(struct time_cursor *layout, struct time_piece *piece_out);

extern const char *const time_month_names[12];
extern const char *const time_weekday_names[7];

static inline bool is_time_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
