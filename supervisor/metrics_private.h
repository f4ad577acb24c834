/* metrics_private -- what metrics_own.c and metrics_tables.c share. */
#ifndef TROUPE_SUPERVISOR_METRICS_PRIVATE_H
#define TROUPE_SUPERVISOR_METRICS_PRIVATE_H

struct buf;
struct supervisor;

/* One name after the other; what doesn't fit into a series isn't there. */
struct labels {
    const char *names[4], *values[4];
};

/* Appends one line; labels may be NULL. */
void metrics_sample(struct buf *out, const char *name, const struct labels *labels,
                    double number);

/* How full everything is that grows with traffic. */
void metrics_write_tables(struct supervisor *sup, struct buf *out);

#endif
