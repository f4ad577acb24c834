#include "worker/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/exit.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/coroutines.h"
#include "worker/modules.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/sandbox.h"
#include "worker/types.h"
#include "worker/unit.h"

/* Calls inside each other that nobody means: they are what fills the memory then. */
#define STACK_MANY_LEVELS 20000

/* What would pass the hard ceiling is refused outright; our own code never is. */
static bool is_refused(const struct vm *vm, size_t old_bytes, size_t new_bytes)
{
    return new_bytes > old_bytes && vm->n_trusted == 0 &&
           vm->used_bytes + (new_bytes - old_bytes) > vm->hard_bytes;
}

/* Is Lua calling a finaliser? Those are ours alone, and come once: one that got no
 * memory for its call would leave what it was to free, or to take out of our lists. The
 * collector is at rest meanwhile, so that it answers no question. */
static bool __attribute__((cold, noinline)) is_finalizing(struct vm *vm)
{
    return vm->L != NULL && lua_gc(vm->L, LUA_GCISRUNNING) == -1;
}

/* For a new block osize is a type tag, not a size. */
static void *allocate(void *context, void *ptr, size_t osize, size_t nsize)
{
    struct vm *vm = context;
    size_t old_bytes = ptr != NULL ? osize : 0;
    void *block;

    if (nsize == 0) {
        heap_resize(&vm->heap, ptr, old_bytes, 0);
        vm->used_bytes -= old_bytes;
        return NULL;
    }
    if (is_refused(vm, old_bytes, nsize) && !is_finalizing(vm)) {
        vm->starved = true;
        return NULL;
    }
    block = heap_resize(&vm->heap, ptr, old_bytes, nsize);
    if (block == NULL)
        return NULL;
    vm->used_bytes += nsize - old_bytes;
    if (vm->used_bytes > vm->soft_bytes && !vm->over) {
        vm->over = true;
        sched_interrupt_running();
    }
    return block;
}

void vm_check_ceiling(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_Debug ar;

    lua_gc(L, LUA_GCCOLLECT);
    vm->over = vm->used_bytes > vm->soft_bytes;
    if (!vm->over)
        return;
    vm->over = false; /* the next allocation sets it again */
    if (lua_getstack(L, STACK_MANY_LEVELS, &ar))
        luaL_error(L, "stack overflow");
    vm->starved = true;
    luaL_error(L, "not enough memory: %s uses more than its %d KiB", vm->program->id,
               (int)(vm->soft_bytes / 1024));
}

static int on_panic(lua_State *L)
{
    const char *text = lua_tostring(L, -1);

    fprintf(stderr, "troupe worker: Lua panic outside any actor: %s\n",
            text != NULL ? text : "(no message)");
    if (text != NULL && strcmp(text, "not enough memory") == 0)
        _exit(EXIT_BUG); /* as mem_give_up(): the supervisor knows what that means */
    return 0;            /* Lua aborts: only this worker dies */
}

/* ---- what is shared by the actors of a VM ---------------------------------------- */

static void load_chunk(lua_State *L, const struct unit *unit)
{
    char name[300];

    snprintf(name, sizeof(name), "=%s", unit->id);
    if (luaL_loadbufferx(L, (const char *)unit->bytecode, unit->bytecode_bytes, name,
                         "b") != LUA_OK)
        lua_error(L);
}

static void load_chunks(lua_State *L, struct vm *vm)
{
    struct program *program = vm->program;

    lua_createtable(L, program->n_bindings, 0);
    for (int i = 0; i < program->n_bindings; i++) {
        int same = i;

        while (same > 0 &&
               program->bindings[same - 1].unit != program->bindings[i].unit)
            same--;
        if (same > 0)
            lua_rawgeti(L, -1, same); /* bound under two aliases: loaded once */
        else
            load_chunk(L, program->bindings[i].unit);
        lua_rawseti(L, -2, i + 1);
    }
    vm->ref_chunks = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int set_up(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);

    sandbox_open(L);
    coroutines_open(L);
    modules_open(L, vm->program->modules, vm->program->n_modules);
    if (vm->program->has_types)
        types_open(L, vm->program);
    sandbox_seal(L);
    if (vm->program->has_types)
        types_seal(L);
    load_chunks(L, vm);
    lua_newtable(L);
    vm->ref_actors = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

void vm_push_env(struct vm *vm, lua_State *L)
{
    sandbox_push_env(L, vm->program->uses_G);
}

struct vm *vm_create(struct runtime *rt, struct program *program, struct err *err)
{
    struct vm *vm = xcalloc(1, sizeof(*vm));

    vm->rt = rt;
    vm->program = program;
    vm->soft_bytes = rt->settings.vm_max_bytes;
    vm->asked_bytes = -1;
    vm->hard_bytes = 2 * vm->soft_bytes;
    vm->n_max_actors = rt->settings.vm_actors;
    list_init(&vm->in_program);
    list_init(&vm->idle);
    heap_init(&vm->heap);
    vm->L = lua_newstate(allocate, vm);
    if (vm->L == NULL) {
        heap_finish(&vm->heap);
        free(vm);
        err_set(err, ERR_UNAVAILABLE, "no memory for a Lua state");
        return NULL;
    }
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    lua_atpanic(vm->L, on_panic);
    lua_gc(vm->L, LUA_GCINC, 0, 0, 0);
    lua_pushcfunction(vm->L, set_up);
    lua_pushlightuserdata(vm->L, vm);
    if (lua_pcall(vm->L, 1, 0, 0) != LUA_OK) {
        err_set(err, ERR_INTERNAL, "failed to load script: %s",
                lua_tostring(vm->L, -1));
        vm_destroy(vm);
        return NULL;
    }
    return vm;
}

void vm_destroy(struct vm *vm)
{
    if (vm == NULL)
        return;
    list_remove(&vm->in_program);
    lua_close(vm->L);
    heap_finish(&vm->heap);
    free(vm->free_indices);
    free(vm);
}
