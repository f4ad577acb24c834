/*
 * modules -- makes what a struct supervisor consists of, and takes it apart again.
 *
 * The order is that of core.h: each may use those made before it. Nothing is started,
 * listened at or read here; program.h does that, step by step.
 */
#ifndef TROUPE_SUPERVISOR_MODULES_H
#define TROUPE_SUPERVISOR_MODULES_H

struct load_options;
struct supervisor;

/* sup has its loop, settings and registry. load (borrowed, for reloads) outlives them;
 * worker_path (taken) NULL: where the build or the installation has it. */
void modules_create(struct supervisor *sup, const struct load_options *load,
                    char *worker_path);

/* In the reverse order, with what was added since: control, metrics_http, otel. Workers
 * that are left are killed and reaped. Loop, settings and registry stay. */
void modules_destroy(struct supervisor *sup);

#endif
