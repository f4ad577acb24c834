#include "worker/modules/time_parts.h"

#include <string.h>

#include "common/mem.h"

const char *const time_month_names[12] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December",
};

const char *const time_weekday_names[7] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
};

static const struct row {
    const char *text;
    enum time_part part;
    enum time_fill fill;
    const char *not_before; /* no part before this text (or "a": a small letter) */
    bool has_z, has_colons;
    int n_fields;
} rows[] = {
    /* the first match counts, so longer ones come first */
    // clang-format off
    {.text = "January", .part = PART_LONG_MONTH},
    {.text = "Jan", .part = PART_SHORT_MONTH, .not_before = "a"},
    {.text = "Monday", .part = PART_LONG_WEEKDAY},
    {.text = "Mon", .part = PART_SHORT_WEEKDAY, .not_before = "a"},
    {.text = "MST", .part = PART_ABBREV},
    {.text = "01", .part = PART_MONTH, .fill = FILL_ZERO},
    {.text = "02", .part = PART_DAY, .fill = FILL_ZERO},
    {.text = "03", .part = PART_HOUR_12, .fill = FILL_ZERO},
    {.text = "04", .part = PART_MINUTE, .fill = FILL_ZERO},
    {.text = "05", .part = PART_SECOND, .fill = FILL_ZERO},
    {.text = "06", .part = PART_SHORT_YEAR},
    {.text = "002", .part = PART_YEAR_DAY, .fill = FILL_ZERO},
    {.text = "15", .part = PART_HOUR, .fill = FILL_ZERO},
    {.text = "1", .part = PART_MONTH},
    {.text = "2006", .part = PART_LONG_YEAR},
    {.text = "2", .part = PART_DAY},
    {.text = "_2", .part = PART_DAY, .fill = FILL_SPACE, .not_before = "006"},
    {.text = "__2", .part = PART_YEAR_DAY, .fill = FILL_SPACE},
    {.text = "3", .part = PART_HOUR_12},
    {.text = "4", .part = PART_MINUTE},
    {.text = "5", .part = PART_SECOND},
    {.text = "PM", .part = PART_HALF},
    {.text = "pm", .part = PART_HALF},
    {.text = "-070000", .part = PART_OFFSET, .n_fields = 3},
    {.text = "-07:00:00", .part = PART_OFFSET, .has_colons = true, .n_fields = 3},
    {.text = "-0700", .part = PART_OFFSET, .n_fields = 2},
    {.text = "-07:00", .part = PART_OFFSET, .has_colons = true, .n_fields = 2},
    {.text = "-07", .part = PART_OFFSET, .n_fields = 1},
    {.text = "Z070000", .part = PART_OFFSET, .has_z = true, .n_fields = 3},
    {.text = "Z07:00:00", .part = PART_OFFSET, .has_z = true, .has_colons = true, .n_fields = 3},
    {.text = "Z0700", .part = PART_OFFSET, .has_z = true, .n_fields = 2},
    {.text = "Z07:00", .part = PART_OFFSET, .has_z = true, .has_colons = true, .n_fields = 2},
    {.text = "Z07", .part = PART_OFFSET, .has_z = true, .n_fields = 1},
    // clang-format on
};

static bool starts_with(const char *at, const char *end, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(end - at) >= n && memcmp(at, text, n) == 0;
}

static bool matches(const struct row *row, const char *at, const char *end)
{
    const char *next = at + strlen(row->text);

    if (!starts_with(at, end, row->text))
        return false;
    if (row->not_before == NULL)
        return true;
    if (*row->not_before == 'a')
        return next == end || *next < 'a' || *next > 'z';
    return !starts_with(next, end, row->not_before);
}

/* ".000" or ",999": a run of one digit that no other digit follows. 0 = none. */
static size_t match_fraction(const char *at, const char *end)
{
    const char *digit = at + 1;

    if ((*at != '.' && *at != ',') || digit == end || (*digit != '0' && *digit != '9'))
        return 0;
    while (digit < end && *digit == at[1])
        digit++;
    return digit < end && is_time_digit(*digit) ? 0 : (size_t)(digit - at);
}

static const struct row *find_row(const char *at, const char *end)
{
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (rows[i].text[0] == *at && matches(&rows[i], at, end))
            return &rows[i];
    return NULL;
}

static void fill_piece(struct time_piece *piece, const struct row *row, const char *at)
{
    piece->text = at;
    piece->n_text = strlen(row->text);
    piece->part = row->part;
    piece->fill = row->fill;
    piece->has_z = row->has_z;
    piece->has_colons = row->has_colons;
    piece->n_fields = row->n_fields;
    piece->lower_case = *at == 'p';
}

void time_parts_next(struct time_cursor *layout, struct time_piece *piece_out)
{
    struct time_piece piece = {.literal = layout->at, .part = PART_NONE};
    const struct row *row = NULL;
    const char *at;
    size_t n = 0;

    for (at = layout->at; at < layout->end && piece.part == PART_NONE; at++) {
        row = find_row(at, layout->end);
        if (row != NULL) {
            fill_piece(&piece, row, at);
        } else if ((n = match_fraction(at, layout->end)) > 0) {
            piece.text = at;
            piece.n_text = n;
            piece.part = PART_FRACTION;
            piece.fill = at[1] == '0' ? FILL_ZERO : FILL_NONE;
            piece.n_digits = n > 1000 ? 999 : (int)n - 1;
        }
    }
    if (piece.part == PART_NONE)
        piece.text = layout->end;
    piece.n_literal = (size_t)(piece.text - piece.literal);
    layout->at = piece.text + piece.n_text;
    *piece_out = piece;
}
