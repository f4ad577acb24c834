/*
 * identity -- who acts in a frame, and whether they may (security.md S-4, S-5, S-6).
 *
 * A frame inherits an actor and a scope in its context, either, both or none. They are
 * decoded once for all frames that share the context, when the first check asks for
 * them. Every place of the permission table asks here before anything is sent or done.
 *
 * With both, a check is answered by the scope's policies. With one or none, whatever is
 * not `security.can` is allowed unless the application runs in strict mode. So a frame
 * without a context costs a check two loads and a branch.
 */
#ifndef TROUPE_WORKER_IDENTITY_H
#define TROUPE_WORKER_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "common/policy.h"
#include "common/value.h"

#include "worker/actor.h"
#include "worker/runtime.h"
#include "worker/vm.h"

struct identity {
    bool has_actor, has_scope;
    struct value actor;    /* map {id = text, meta = map} */
    struct value policies; /* list of ids as they came */
};
void identity_destroy(struct identity *identity); /* NULL is fine */

/* Of the frame; NULL when it has neither actor nor scope. Borrowed from its context. */
const struct identity *identity_of(const struct actor *actor);

/* ---- checks of built-in modules (S-4, first row) --------------------------------- */

/* meta: what conditions see, NULL = nothing. The slow part of the functions below. */
bool identity_check(const struct actor *actor, const char *action, const char *resource,
                    const struct value *meta);
bool identity_check_text(const struct actor *actor, const char *action,
                         const char *resource, const char *key, const char *text);
bool identity_check_process(const struct actor *actor, const char *action,
                            const char *resource);

/* Has both: policies decide what it may. */
bool identity_is_held(const struct actor *actor);

/* Do policies say deny, not merely nothing? For other names of a resource than the one
 * that was checked. */
bool identity_denies(const struct actor *actor, const char *action,
                     const char *resource);

/* Nothing can be refused to this frame. */
static inline bool identity_is_free(const struct actor *actor)
{
    return actor->context == NULL && !actor->vm->rt->settings.strict_mode;
}

/* The running actor; NULL where none does, as in a __tostring of what somebody raised
 * who has ended by then: that may do nothing. */
static inline const struct actor *identity_actor(lua_State *L)
{
    const struct task *task = vm_of(L)->rt->sched.current;

    return task != NULL ? task->actor : NULL;
}

static inline bool identity_allows(lua_State *L, const char *action,
                                   const char *resource)
{
    const struct actor *actor = identity_actor(L);

    return actor != NULL &&
           (identity_is_free(actor) || identity_check(actor, action, resource, NULL));
}

/* The same with one text for conditions to see. */
static inline bool identity_allows_text(lua_State *L, const char *action,
                                        const char *resource, const char *key,
                                        const char *text)
{
    const struct actor *actor = identity_actor(L);

    return actor != NULL && (identity_is_free(actor) ||
                             identity_check_text(actor, action, resource, key, text));
}

/* The same with the caller's pid (processes.md C-5). */
static inline bool identity_allows_process(lua_State *L, const char *action,
                                           const char *resource)
{
    const struct actor *actor = identity_actor(L);

    return actor != NULL &&
           (identity_is_free(actor) || identity_check_process(actor, action, resource));
}

/* ---- policies -------------------------------------------------------------------- */

/* What the policies of these ids (a list) say together; ids of none are passed over. */
enum policy_effect identity_evaluate(const struct runtime *rt,
                                     const struct value *policies,
                                     const struct policy_check *check);

bool identity_policy_exists(const struct runtime *rt, const char *id);

/* Pushes the list of ids of a group's policies; false: there is no such group. */
bool identity_push_group(lua_State *L, const char *id);

/* ---- security.can (S-4, second row): false without both actor and scope ---------- */

bool identity_can(const struct actor *actor, const char *action, const char *resource,
                  const struct value *meta);

#endif
