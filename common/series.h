/*
 * series -- the text that names one time series: `name{label="value",...}`.
 *
 * Two ends use it: workers make it from what an app passes, the supervisor checks what
 * workers send and prints it as it is. One name and one set of labels always give one
 * text, whatever their order: labels are sorted, bytes that may not stand in a name
 * become '_', values are escaped as the Prometheus text format wants them and are
 * valid UTF-8 without NUL. Without labels there are no braces.
 *
 * What would be longer than SERIES_MAX_BYTES, or has more than SERIES_MAX_LABELS, names
 * no series.
 */
#ifndef TROUPE_COMMON_SERIES_H
#define TROUPE_COMMON_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define SERIES_MAX_BYTES  512
#define SERIES_MAX_LABELS 32

struct series_label {
    struct bytes name, value;
};

/* Appends the text; sorts labels. false (out as before): there is no such series. */
bool series_append(struct buf *out, struct bytes name, struct series_label *labels,
                   size_t n_labels);

/* Could series_append() have made this? Then the length of the name is set. */
bool series_check(struct bytes text, size_t *n_name_out);

#endif
