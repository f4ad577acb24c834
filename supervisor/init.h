/* init -- the command `init`: a new wippy.lock, which says where an app's folders are.
 */
#ifndef TROUPE_SUPERVISOR_INIT_H
#define TROUPE_SUPERVISOR_INIT_H

struct init_options;

/* Prints what became of it, and returns the exit status; a file that is there stays. */
int init_write_lock_file(const struct init_options *options);

#endif
