/*
 * env -- environment variables of apps: declared in the registry, kept in storages.
 *
 * A variable (env.variable) has a public name and a storage (env.storage.*); apps reach
 * what is declared and nothing else. Kinds of storages: os (read-only, the supervisor's
 * own environment), memory, static (read-only), file (read anew at each access), router
 * (the first of several that has it). A variable that isn't well declared doesn't
 * exist; what checks changes warns of it (ENV-03).
 *
 * System targets: @env.get [name, namespace of the caller], @env.set [name, value,
 * namespace], @env.get_all.
 */
#ifndef TROUPE_SUPERVISOR_ENV_H
#define TROUPE_SUPERVISOR_ENV_H

#include <stdbool.h>

struct env;
struct err;
struct registry;
struct system;
struct value;

/* Observes registry (borrowed) and gives it the values that its entries' placeholders
 * stand for. */
struct env *env_create(struct registry *registry);
void env_destroy(struct env *env); /* NULL is fine */

/* namespace may be NULL. Returns owned text, NULL with err (NOT_FOUND, INTERNAL). */
char *env_get(struct env *env, const char *name, const char *space, struct err *err);

/* A map of everything in all storages. */
struct value env_get_all(struct env *env);

/* May a variable be called that in public? */
bool env_is_name(const char *name);

void env_add_targets(struct system *system);

#endif
