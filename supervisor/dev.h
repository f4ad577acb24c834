/*
 * dev -- `supervisor dev`: reloads whenever a file of the app has changed.
 *
 * What a reload did, or why it did nothing, is printed for the person who just saved a
 * file. The last version that worked goes on until one works again.
 */
#ifndef TROUPE_SUPERVISOR_DEV_H
#define TROUPE_SUPERVISOR_DEV_H

#include <stdio.h>

struct dev;
struct err;
struct load_options;
struct supervisor;

/* Watches what load names; out may be NULL: nothing is printed. NULL: UNAVAILABLE. */
struct dev *dev_create(struct supervisor *sup, const struct load_options *load,
                       FILE *out, struct err *err);

/* Says and does nothing more; what it asked for may still be answered. NULL is fine. */
void dev_stop(struct dev *dev);
void dev_destroy(struct dev *dev); /* NULL is fine */

#endif
