#include "worker/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/context.h"
#include "worker/policies.h"
#include "worker/program.h"
#include "worker/uplink.h"

void identity_destroy(struct identity *identity)
{
    if (identity == NULL)
        return;
    value_finish(&identity->actor);
    value_finish(&identity->policies);
    free(identity);
}

/* ---- decoding, once for each context --------------------------------------------- */

enum part { ABSENT, READ, BROKEN };

static enum part decode(const struct context *context, const char *key,
                        enum value_type type, struct value *out)
{
    struct bytes bytes;

    if (!context_find(context, key, &bytes))
        return ABSENT;
    if (value_decode(bytes.data, bytes.n, NULL, out, NULL) == -1)
        return BROKEN;
    if (out->type == type)
        return READ;
    value_finish(out);
    *out = (struct value){0};
    return BROKEN;
}

/* A frame that carries what can't be read may do nothing: taken for one without an
 * identity it might do everything. */
static void refuse_all(struct identity *identity)
{
    value_finish(&identity->actor);
    value_finish(&identity->policies);
    identity->has_actor = identity->has_scope = true;
    identity->actor = value_map();
    identity->policies = value_list();
}

static struct identity *read_identity(const struct context *context)
{
    struct identity *identity = xcalloc(1, sizeof(*identity));
    enum part actor = decode(context, "actor", VALUE_MAP, &identity->actor);
    enum part scope = decode(context, "scope", VALUE_LIST, &identity->policies);

    identity->has_actor = actor == READ;
    identity->has_scope = scope == READ;
    if (actor == BROKEN || scope == BROKEN)
        refuse_all(identity);
    if (identity->has_actor || identity->has_scope)
        return identity;
    identity_destroy(identity);
    return NULL;
}

const struct identity *identity_of(const struct actor *actor)
{
    struct context *context = actor->context;

    if (context == NULL)
        return NULL;
    if (!context->knows_identity) {
        context->identity = read_identity(context);
        context->knows_identity = true;
    }
    return context->identity;
}

/* ---- checks ---------------------------------------------------------------------- */

static size_t format_pid(const struct actor *actor, char text[PID_TEXT_MAX])
{
    return pid_format(text, actor->host, strlen(actor->host), actor->pid);
}

/* S-5: which part was missing for which check. */
static void log_missing(const struct actor *actor, const char *part, const char *action,
                        const char *resource)
{
    struct value fields = value_map();
    char pid[PID_TEXT_MAX], message[40];

    snprintf(message, sizeof(message), "no %s in the security context", part);
    value_put(&fields, "action", value_string(action));
    value_put(&fields, "resource", value_string(resource));
    value_put(&fields, "pid", value_bytes(pid, format_pid(actor, pid)));
    value_put(&fields, "entry", value_string(actor->vm->program->id));
    uplink_log(actor->vm->rt->uplink, LOG_DEBUG, "security", value_string(message),
               fields);
}

static bool is_complete(const struct identity *identity)
{
    return identity != NULL && identity->has_actor && identity->has_scope;
}

bool identity_is_held(const struct actor *actor)
{
    return is_complete(identity_of(actor));
}

enum policy_effect identity_evaluate(const struct runtime *rt,
                                     const struct value *policies,
                                     const struct policy_check *check)
{
    enum policy_effect effect = POLICY_UNDEFINED;

    for (size_t i = 0; i < policies->as.list.n && effect != POLICY_DENY; i++) {
        const struct value *id = &policies->as.list.items[i];
        const struct policy *policy =
            id->type == VALUE_STRING
                ? policies_find(rt->policies, id->as.string.data, id->as.string.n)
                : NULL;

        if (policy != NULL)
            effect = policy_join(effect, policy_evaluate(policy, check));
    }
    return effect;
}

static enum policy_effect effect_of(const struct actor *actor,
                                    const struct identity *identity, const char *action,
                                    const char *resource, const struct value *meta)
{
    struct policy_check check = {&identity->actor, action, resource, meta};

    return identity_evaluate(actor->vm->rt, &identity->policies, &check);
}

static bool evaluate(const struct actor *actor, const struct identity *identity,
                     const char *action, const char *resource, const struct value *meta)
{
    return effect_of(actor, identity, action, resource, meta) == POLICY_ALLOW;
}

bool identity_denies(const struct actor *actor, const char *action,
                     const char *resource)
{
    const struct identity *identity = identity_of(actor);

    return is_complete(identity) &&
           effect_of(actor, identity, action, resource, NULL) == POLICY_DENY;
}

bool identity_check(const struct actor *actor, const char *action, const char *resource,
                    const struct value *meta)
{
    const struct identity *identity = identity_of(actor);
    const struct settings *settings = &actor->vm->rt->settings;

    if (is_complete(identity))
        return evaluate(actor, identity, action, resource, meta);
    /* Without strict mode a frame that never had an identity is the normal case. */
    if ((settings->strict_mode || identity != NULL) &&
        settings->log_level <= LOG_DEBUG) {
        if (identity == NULL || !identity->has_actor)
            log_missing(actor, "actor", action, resource);
        if (identity == NULL || !identity->has_scope)
            log_missing(actor, "scope", action, resource);
    }
    return !settings->strict_mode;
}

bool identity_check_text(const struct actor *actor, const char *action,
                         const char *resource, const char *key, const char *text)
{
    struct value meta = value_map();
    bool allowed;

    value_put(&meta, key, value_string(text));
    allowed = identity_check(actor, action, resource, &meta);
    value_finish(&meta);
    return allowed;
}

bool identity_check_process(const struct actor *actor, const char *action,
                            const char *resource)
{
    char pid[PID_TEXT_MAX];

    if (!is_complete(identity_of(actor)))
        return identity_check(actor, action, resource, NULL);
    format_pid(actor, pid);
    return identity_check_text(actor, action, resource, "pid", pid);
}

bool identity_can(const struct actor *actor, const char *action, const char *resource,
                  const struct value *meta)
{
    const struct identity *identity = identity_of(actor);

    return is_complete(identity) && evaluate(actor, identity, action, resource, meta);
}

bool identity_policy_exists(const struct runtime *rt, const char *id)
{
    return policies_find(rt->policies, id, strlen(id)) != NULL;
}

bool identity_push_group(lua_State *L, const char *id)
{
    const struct value *ids = policies_group(vm_of(L)->rt->policies, id, strlen(id));

    if (ids == NULL)
        return false;
    lua_createtable(L, (int)ids->as.list.n, 0);
    for (size_t i = 0; i < ids->as.list.n; i++) {
        lua_pushstring(L, ids->as.list.items[i].as.string.data);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return true;
}
