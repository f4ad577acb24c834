/* supervisor_manual -- help, manual pages and completion of `supervisor` and
 * `worker`. */
#ifndef TROUPE_SUPERVISOR_SUPERVISOR_MANUAL_H
#define TROUPE_SUPERVISOR_SUPERVISOR_MANUAL_H

struct options;

/* The commands help, manual and completion; an exit status. */
int supervisor_manual_run(const struct options *options);

/* `supervisor complete WORDS...`, which completion scripts call: an exit status. */
int supervisor_manual_complete(int argc, char **argv);

#endif
