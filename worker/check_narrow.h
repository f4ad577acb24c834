/*
 * check_narrow -- what a condition leaves of a type.
 *
 * A union is taken apart, by names and unions inside it, and each of its members is
 * kept, dropped or made smaller. What nobody knows (any) stays as it is.
 */
#ifndef TROUPE_WORKER_CHECK_NARROW_H
#define TROUPE_WORKER_CHECK_NARROW_H

#include "worker/check_type.h"

#define TYPE_MAX_MEMBERS 64

struct type_members {
    const struct type *items[TYPE_MAX_MEMBERS];
    unsigned n;
    bool weak, many; /* many: more than there is room for */
};

/* What a type may be, unions inside unions taken apart. */
void type_list_members(struct type_store *types, const struct type *type,
                       struct type_members *out);

/* What keep() makes of each member: NULL drops it. */
const struct type *type_filter(struct type_store *types, const struct type *type,
                               const struct type *(*keep)(const struct type *member,
                                                          const void *context),
                               const void *context);

/* What a condition leaves. */
const struct type *type_truthy(struct type_store *types, const struct type *type);
const struct type *type_falsy(struct type_store *types, const struct type *type);
const struct type *type_without_nil(struct type_store *types, const struct type *type);

/* type(x) == name, or not. */
const struct type *type_of_kind(struct type_store *types, const struct type *type,
                                const char *name, size_t n, bool is_it);

/* x == the one value that exact stands for (nil, true, false, a text), or not. */
const struct type *type_equal(struct type_store *types, const struct type *type,
                              const struct type *exact, bool is_it);

/* What type(x) says of such a value; NULL: it depends. */
const char *type_kind_name(const struct type *type);

/* The same one value? exact is nil, true, false or a text. */
bool type_is_exactly(const struct type *member, const struct type *exact);

#endif
