/*
 * token_targets -- what workers need of entries of kind security.token_store (S-50).
 *
 * @tokens.store [id] → {store, token_length, expiration_ms, token_key}: read anew for
 * each store that an app acquires, so that a change counts from then on. NotFound: no
 * such entry; Invalid: it is of another kind.
 */
#ifndef TROUPE_SUPERVISOR_TOKEN_TARGETS_H
#define TROUPE_SUPERVISOR_TOKEN_TARGETS_H

struct entry;
struct problems;
struct supervisor;

void token_targets_add(struct supervisor *sup);

/* Adds to problems what is wrong with the fields of a token store. */
void token_store_check(const struct entry *entry, struct problems *problems);

#endif
