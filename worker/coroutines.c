#include "worker/coroutines.h"

#include <lauxlib.h>

#include "worker/actor.h"
#include "worker/sandbox.h"
#include "worker/sched.h"
#include "worker/vm.h"

/* What a layer does with the inner coroutine's end: resume returns it, wrap raises. */
typedef int finish_layer(lua_State *L, lua_State *co, int status, int n_results);

static int continue_layer(lua_State *L, lua_State *co, int n_args, lua_KFunction k,
                          finish_layer *finish)
{
    struct task *task = task_current(L);
    int n_results, status;

    if (task == NULL) /* see sched_run_aside() */
        return luaL_error(L, "no coroutine can be resumed here");
    /* Lua lets co yield whatever lies below L; the scheduler's yield must go
     * through. */
    vm_set_tag(co, VM_TAG_PINNED, !lua_isyieldable(L) || vm_has_tag(L, VM_TAG_PINNED));
    status = sched_resume(co, L, n_args, &n_results);
    if (status == LUA_YIELD && task->to_scheduler) {
        vm_set_tag(co, VM_TAG_BLOCKED, true);
        return lua_yieldk(L, 0, 0, k);
    }
    return finish(L, co, status, n_results);
}

/* The scheduler runs the task again: on through this layer to the innermost. */
static int resumed_layer(lua_State *L, lua_State *co, lua_KFunction k,
                         finish_layer *finish)
{
    struct task *task = task_current(L);

    vm_set_tag(co, VM_TAG_BLOCKED, false);
    return continue_layer(L, co, task->blocked == co ? task->n_values : 0, k, finish);
}

enum co_state { CO_SUSPENDED, CO_DEAD, CO_OTHER };

static enum co_state state_of(lua_State *L, lua_State *co)
{
    lua_Debug ar;

    if (vm_has_tag(co, VM_TAG_BLOCKED) || co == L)
        return CO_OTHER;
    if (lua_status(co) == LUA_YIELD)
        return CO_SUSPENDED;
    if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar) != 0)
        return CO_OTHER;
    return lua_status(co) == LUA_OK && lua_gettop(co) != 0 ? CO_SUSPENDED : CO_DEAD;
}

/* NULL when co can be resumed, else what is wrong with it. */
static const char *why_not(lua_State *L, lua_State *co)
{
    enum co_state state = state_of(L, co);

    if (state == CO_DEAD)
        return "cannot resume dead coroutine";
    return state == CO_SUSPENDED && !vm_has_tag(co, VM_TAG_TASK)
               ? NULL
               : "cannot resume non-suspended coroutine";
}

static int finish_resume(lua_State *L, lua_State *co, int status, int n_results)
{
    bool ok = status == LUA_OK || status == LUA_YIELD;
    int n = ok ? n_results : 1;

    lua_settop(L, 1);
    lua_pushboolean(L, ok);
    if (!lua_checkstack(L, n + 1)) {
        lua_pop(co, n);
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "too many results to resume");
        return 2;
    }
    lua_xmove(co, L, n);
    return n + 1;
}

static int resume_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return resumed_layer(L, lua_tothread(L, 1), resume_k, finish_resume);
}

static lua_State *check_thread(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);

    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = check_thread(L);
    const char *wrong = why_not(L, co);
    int n = lua_gettop(L) - 1;

    if (wrong == NULL && !lua_checkstack(co, n))
        wrong = "too many arguments to resume";
    if (wrong != NULL) {
        lua_pushboolean(L, 0);
        lua_pushstring(L, wrong);
        return 2;
    }
    lua_xmove(L, co, n);
    return continue_layer(L, co, n, resume_k, finish_resume);
}

static int finish_wrap(lua_State *L, lua_State *co, int status, int n_results)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) { /* as Lua's own: where it was called */
            luaL_where(L, 1);
            lua_insert(L, -2);
            lua_concat(L, 2);
        }
        return lua_error(L);
    }
    luaL_checkstack(L, n_results, "too many results");
    lua_xmove(co, L, n_results);
    return n_results;
}

static int wrap_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return resumed_layer(L, lua_tothread(L, lua_upvalueindex(1)), wrap_k, finish_wrap);
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    const char *wrong = why_not(L, co);
    int n = lua_gettop(L);

    if (wrong != NULL)
        return luaL_error(L, "%s", wrong);
    luaL_argcheck(L, lua_checkstack(co, n), 1, "too many arguments");
    lua_xmove(L, co, n);
    return continue_layer(L, co, n, wrap_k, finish_wrap);
}

static int coroutine_create(lua_State *L)
{
    lua_State *co;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int coroutine_wrap(lua_State *L)
{
    coroutine_create(L);
    lua_pushcclosure(L, wrap_call, 1);
    return 1;
}

static int coroutine_yield(lua_State *L)
{
    return lua_yield(L, lua_gettop(L));
}

static int coroutine_status(lua_State *L)
{
    static const char *const names[] = {
        [CO_SUSPENDED] = "suspended", [CO_DEAD] = "dead", [CO_OTHER] = "normal"};
    lua_State *co = check_thread(L);

    lua_pushstring(L, co == L ? "running" : names[state_of(L, co)]);
    return 1;
}

static int coroutine_running(lua_State *L)
{
    struct task *task = task_current(L);

    lua_pushthread(L);
    lua_pushboolean(L, task != NULL && task->co == L && task == &task->actor->main);
    return 2;
}

static int coroutine_isyieldable(lua_State *L)
{
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

static int spawned_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 1; /* the thread, which is on top */
}

/* CO-1: the new task runs before its spawner goes on. */
static int coroutine_spawn(lua_State *L)
{
    struct actor *actor;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    actor = task_begin_block(L)->actor;
    actor_spawn_task(actor, L);
    return task_pause(L, 0, spawned_k);
}

void coroutines_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"create", coroutine_create},
                                         {"resume", coroutine_resume},
                                         {"wrap", coroutine_wrap},
                                         {"yield", coroutine_yield},
                                         {"status", coroutine_status},
                                         {"running", coroutine_running},
                                         {"isyieldable", coroutine_isyieldable},
                                         {"spawn", coroutine_spawn},
                                         {NULL, NULL}};

    sandbox_push_globals(L);
    if (lua_getfield(L, -1, "coroutine") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "coroutine");
    }
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 2);
}
