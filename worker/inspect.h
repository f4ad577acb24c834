/* inspect -- what an operator may see of a worker's inside (supctl ps, inspect). */
#ifndef TROUPE_WORKER_INSPECT_H
#define TROUPE_WORKER_INSPECT_H

#include <stdint.h>

struct err;
struct runtime;
struct value;

int64_t inspect_heap_bytes(const struct runtime *rt);

/* @actors.list [max] → list of maps; @actors.inspect [pid] → map. */
int inspect_actors(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err);
int inspect_actor(struct runtime *rt, const struct value *args, struct value *result,
                  struct err *err);

/* @actors.host [pid] → the host part of its text. */
int inspect_host(struct runtime *rt, const struct value *args, struct value *result,
                 struct err *err);

#endif
