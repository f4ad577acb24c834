/*
 * supctl_top -- a live view of the supervisor on the whole screen.
 *
 * Asks for @system.status once a second and shows one of four tables, sorted by any
 * column. supctl_top.c owns the terminal and the keys, supctl_top_view.c the tables,
 * which know nothing of either. Signals are blocked but for the moment of waiting, so
 * that every way out goes through the place that gives the terminal back.
 */
#ifndef TROUPE_SUPERVISOR_SUPCTL_TOP_H
#define TROUPE_SUPERVISOR_SUPCTL_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/value.h"

#include "supervisor/supctl_table.h"

struct supctl;

int supctl_run_top(struct supctl *ctl);

/* ---- tables ---------------------------------------------------------------------- */

struct top_column {
    struct column column;
    unsigned width; /* 0: what is left; only the first */
};

struct top_view {
    const char *name, *key; /* key: of the list in @system.status */
    const struct top_column *columns;
    size_t n_columns, sort_at; /* by which it is sorted at first */
};
extern const struct top_view top_views[];
#define TOP_N_VIEWS 4

/* Largest first for numbers, names from A on; or the other way round. */
void top_sort(struct value *list, const struct top_column *column, bool reverse);

/* The cell as so many columns: cut or filled up, numbers at the right. malloc'ed. */
char *top_cell(const struct value *record, const struct column *column, unsigned width);

/* The first two lines, cut by whoever shows them. */
void top_head(const struct value *status, char *first, char *second, size_t n_bytes);

#endif
