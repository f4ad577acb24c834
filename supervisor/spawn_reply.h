/* spawn_reply -- what the REPLY of a spawn says: who was started, and where. */
#ifndef TROUPE_SUPERVISOR_SPAWN_REPLY_H
#define TROUPE_SUPERVISOR_SPAWN_REPLY_H

#include <stdint.h>

#include "common/buf.h"

struct err;
struct value;

/* result: of a REPLY_OK. The caller finishes *list (zeroed before), from which host
 * borrows. INTERNAL: it is malformed. */
int spawn_reply_read(struct bytes result, struct value *list, uint64_t *pid_out,
                     struct bytes *host_out, struct err *err);

#endif
