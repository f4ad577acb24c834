/* jail_user -- whom workers of root become. */
#ifndef TROUPE_SUPERVISOR_JAIL_USER_H
#define TROUPE_SUPERVISOR_JAIL_USER_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Looks text up: "name", "name:group", or numbers. -1 (NOT_FOUND, INVALID: root). May
 * read files or ask whatever the system keeps its users in. */
int jail_find_user(const char *text, uint32_t *uid_out, uint32_t *gid_out,
                   struct err *err);

/* May this process become somebody else, and still end who did? */
bool jail_may_change_user(void);

/* Does it have that capability (CAP_...) now? */
bool jail_has_capability(unsigned capability);

#endif
