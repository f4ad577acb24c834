#include "worker/vm.h"

#include <string.h>

#include "common/err.h"

#include "worker/actor.h"
#include "worker/program.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

#define SOURCE                                                                         \
    "local lib = require('lib') local kept = {} "                                      \
    "local function work() local t = {} for i = 1, 40 do t[i] = {n = i, "              \
    "s = ('x'):rep(i)} end local ch = channel.new(2) coroutine.spawn(function() "      \
    "for i = 1, 4 do ch:send({i, tostring(i)}) end ch:close() end) "                   \
    "for i = 1, 4 do t[#t + 1] = ch:receive() end "                                    \
    "process.send(process.pid(), 'self', t, 'text', 1.5) "                             \
    "local m = process.inbox():receive() local list = m:payload() "                    \
    "t[#t + 1] = list[1]:data() local gen = coroutine.wrap(function() "                \
    "for i = 1, 3 do coroutine.yield(lib.join(t)) end end) gen() gen() "               \
    "local l = process.listen('topic') process.send(process.pid(), 'topic', {t = t}) " \
    "t[#t + 1] = l:receive() process.unlisten(l) "                                     \
    "local r = channel.select{time.after('1us'):case_receive()} "                      \
    "local ok, err = pcall(error, errors.new{message = 'm', details = {a = {1, 2}}}) " \
    "t[#t + 1] = err:details() logger:info('worked', {n = #t, t = t}) "                \
    "local f = funcs.async('t:echo', t) t[#t + 1] = f:response():receive() "           \
    "return #t end "                                                                   \
    "return {main = function(how) if how == 'careful' then "                           \
    "local ok, v = pcall(work) return ok and v or tostring(v) end return work() end}"

static void add_entries(struct bench *bench)
{
    bench_add(bench, "t:work", "process.lua", "time logger funcs", SOURCE);
    bench_add(bench, "t:lib", "library.lua", "",
              "return {join = function(t) local s = '' for i = 1, #t do s = s .. "
              "tostring(i) end return s end}");
    bench_add_import(bench, "t:work", "lib", "t:lib");
    bench_add(bench, "t:echo", "function.lua", "", "return function(v) return v end");
}

static struct vm *first_vm(struct bench *bench)
{
    struct program *program = bench_program(bench, "t:work");

    return container_of(list_first(&program->vms), struct vm, in_program);
}

/* How many bytes a fresh VM of it takes. */
static size_t size_of_vm(void)
{
    struct bench bench;
    size_t n_bytes;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    ck_assert_str_eq(bench_run(&bench, "t:work", NULL), "48");
    bench_settle(&bench);
    n_bytes = first_vm(&bench)->used_bytes;
    bench_end(&bench);
    return n_bytes;
}

/* A state that can't be made is an error of the spawn, wherever memory ends (L8). */
START_TEST(vm_is_made_or_refused_whole)
{
    size_t n_bytes = size_of_vm();
    int n_made = 0, n_refused = 0;

    for (size_t max = 512; max < n_bytes; max += n_bytes / 60) {
        struct bench bench;
        const char *outcome;

        bench_begin(&bench, NULL);
        add_entries(&bench);
        bench.rt.settings.vm_max_bytes = max; /* the hard ceiling is twice that */
        outcome = bench_run(&bench, "t:work", NULL);
        if (strcmp(outcome, "48") == 0) {
            n_made++;
        } else {
            ck_assert_msg(strstr(outcome, "memory") != NULL, "at %zu: %s", max,
                          outcome);
            n_refused++;
        }
        ck_assert_uint_eq(bench.rt.slots.n_live, 0);
        bench_end(&bench);
    }
    ck_assert_int_gt(n_refused, 0);
    (void)n_made;
}
END_TEST

/* The allocator says no somewhere in the middle of everything that a process does: it
 * fails or succeeds, its VM and its neighbours go on. */
START_TEST(vm_survives_refused_allocations)
{
    static const char *const hows[] = {NULL, "[\"careful\"]"};
    struct bench bench;
    int n_failed = 0;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    ck_assert_str_eq(bench_run(&bench, "t:work", hows[_i]), "48");
    bench_settle(&bench);
    for (size_t room = 0; room < 60000; room += 331) {
        struct vm *vm = first_vm(&bench);
        size_t hard = vm->hard_bytes, soft = vm->soft_bytes;
        const char *outcome;

        lua_gc(vm->L, LUA_GCCOLLECT);
        vm->hard_bytes = vm->used_bytes + room;
        outcome = bench_run(&bench, "t:work", hows[_i]);
        if (strcmp(outcome, "48") != 0) {
            ck_assert_msg(strstr(outcome, "memory") != NULL, "with %zu: %s", room,
                          outcome);
            n_failed++;
        }
        bench_settle(&bench);
        ck_assert_ptr_eq(first_vm(&bench), vm);
        vm->hard_bytes = hard;
        vm->soft_bytes = soft;
        ck_assert_str_eq(bench_run(&bench, "t:work", hows[_i]), "48");
        bench_settle(&bench);
    }
    ck_assert_int_gt(n_failed, 0);
    ck_assert_uint_eq(bench.rt.slots.n_live, 0);
    bench_end(&bench);
}
END_TEST

/* The same for the ceiling that comes first. */
START_TEST(vm_survives_its_soft_ceiling_anywhere)
{
    struct bench bench;
    int n_failed = 0;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    ck_assert_str_eq(bench_run(&bench, "t:work", NULL), "48");
    bench_settle(&bench);
    for (size_t room = 0; room < 60000; room += 331) {
        struct vm *vm = first_vm(&bench);
        size_t soft = vm->soft_bytes;
        const char *outcome;

        lua_gc(vm->L, LUA_GCCOLLECT);
        vm->soft_bytes = vm->used_bytes + room;
        outcome = bench_run(&bench, "t:work", NULL);
        if (strcmp(outcome, "48") != 0) {
            ck_assert_msg(strstr(outcome, "memory") != NULL, "with %zu: %s", room,
                          outcome);
            n_failed++;
        }
        bench_settle(&bench);
        for (struct list *node = bench_program(&bench, "t:work")->vms.next;
             node != &bench_program(&bench, "t:work")->vms; node = node->next)
            container_of(node, struct vm, in_program)->soft_bytes = soft;
    }
    ck_assert_int_gt(n_failed, 0);
    bench_end(&bench);
}
END_TEST

static size_t counted_by_lua(const struct vm *vm)
{
    return (size_t)lua_gc(vm->L, LUA_GCCOUNT) * 1024 +
           (size_t)lua_gc(vm->L, LUA_GCCOUNTB);
}

/* Lua and its allocator keep the same books, to the byte: after work that succeeded,
 * that failed, that was refused memory, and after a collection. */
START_TEST(vm_counts_what_lua_counts)
{
    struct bench bench;
    struct vm *vm;
    size_t hard;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    ck_assert_str_eq(bench_run(&bench, "t:work", NULL), "48");
    vm = first_vm(&bench);
    hard = vm->hard_bytes;
    for (size_t room = 100; room < 60000; room += 5000) {
        vm->hard_bytes = vm->used_bytes + room;
        bench_run(&bench, "t:work", NULL);
        ck_assert_uint_eq(vm->used_bytes, counted_by_lua(vm));
        vm->hard_bytes = hard;
        ck_assert_str_eq(bench_run(&bench, "t:work", NULL), "48");
        ck_assert_uint_eq(vm->used_bytes, counted_by_lua(vm));
    }
    lua_gc(vm->L, LUA_GCCOLLECT);
    ck_assert_uint_eq(vm->used_bytes, counted_by_lua(vm));
    bench_end(&bench);
}
END_TEST

START_TEST(vm_tags_leave_its_pointer_alone)
{
    struct bench bench;
    struct vm *vm;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    bench_run(&bench, "t:work", NULL);
    vm = first_vm(&bench);
    for (int tag = 1; tag <= 4; tag *= 2) {
        vm_set_tag(vm->L, (enum vm_tag)tag, true);
        ck_assert(vm_has_tag(vm->L, (enum vm_tag)tag));
        ck_assert_ptr_eq(vm_of(vm->L), vm);
        vm_set_tag(vm->L, (enum vm_tag)tag, false);
        ck_assert(!vm_has_tag(vm->L, (enum vm_tag)tag));
    }
    bench_end(&bench);
}
END_TEST

START_TEST(vm_gives_an_instance_its_memory_back)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench.rt.settings.vm_max_bytes = 4 << 20;
    bench_add(&bench, "t:leak", "function.lua", "",
              "local kept = {} return function(how) if how == 'leak' then "
              "for i = 1, 1e9 do kept[i] = {i} end end return #kept end");
    ck_assert_ptr_nonnull(
        strstr(bench_call(&bench, "t:leak", "[\"leak\"]"), "not enough memory"));
    /* what it kept is over the ceiling still: the next call must not inherit that */
    ck_assert_str_eq(bench_call(&bench, "t:leak", "[\"look\"]"), "0");
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, vm_is_made_or_refused_whole);
    tcase_add_loop_test(tc, vm_survives_refused_allocations, 0, 2);
    tcase_add_test(tc, vm_survives_its_soft_ceiling_anywhere);
    tcase_add_test(tc, vm_counts_what_lua_counts);
    tcase_add_test(tc, vm_tags_leave_its_pointer_alone);
    tcase_add_test(tc, vm_gives_an_instance_its_memory_back);
}

int main(void)
{
    return unit_main("vm", fill);
}
