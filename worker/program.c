#include "worker/program.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/runtime.h"
#include "worker/unit.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define KEEP_MAX_BYTES   ((size_t)4 << 20) /* of an empty VM */
#define MAX_BINDINGS     1000 /* of one program: libraries that it reaches, by alias */
#define IMPORT_MAX_DEPTH 64

/* Somebody who waits for a program. */
struct want {
    struct list node;
    char *id;
    char *waits_for; /* the entry whose fetch it waits for */
    void (*done)(void *context, struct program *program, const struct err *err);
    void *context;
};

struct programs {
    struct runtime *rt;
    struct map units;    /* id → unit */
    struct map programs; /* id → program */
    struct map asked;    /* id → fetch under way */
    struct list stale;   /* programs whose code has changed */
    struct list wants;
};

struct fetch {
    struct programs *programs;
    char *id;
    bool outdated; /* what comes may be old: ask again */
};

struct programs *programs_create(struct runtime *rt)
{
    struct programs *programs = xcalloc(1, sizeof(*programs));

    programs->rt = rt;
    map_init(&programs->units);
    map_init(&programs->programs);
    map_init(&programs->asked);
    list_init(&programs->stale);
    list_init(&programs->wants);
    return programs;
}

static void program_destroy(struct program *program)
{
    struct list *node;

    while ((node = list_first(&program->vms)) != NULL)
        vm_destroy(container_of(node, struct vm, in_program));
    list_remove(&program->in_stale);
    for (int i = 0; i < program->n_bindings; i++)
        unit_unref(program->bindings[i].unit);
    free(program->bindings);
    free(program->modules);
    value_finish(&program->changes);
    free(program);
}

static void want_destroy(struct want *want)
{
    free(want->id);
    free(want->waits_for);
    free(want);
}

void programs_destroy(struct programs *programs)
{
    struct list *node;
    struct err err;

    if (programs == NULL)
        return;
    err_set(&err, ERR_UNAVAILABLE, "the worker stops");
    while ((node = list_take_first(&programs->wants)) != NULL) {
        struct want *want = container_of(node, struct want, node);

        want->done(want->context, NULL, &err);
        want_destroy(want);
    }
    while ((node = list_first(&programs->stale)) != NULL)
        program_destroy(container_of(node, struct program, in_stale));
    MAP_FOREACH (row, &programs->programs)
        program_destroy(row->value);
    MAP_FOREACH (row, &programs->units)
        unit_unref(row->value);
    MAP_FOREACH (row, &programs->asked) {
        struct fetch *fetch = row->value;

        free(fetch->id);
        free(fetch);
    }
    map_finish(&programs->programs);
    map_finish(&programs->units);
    map_finish(&programs->asked);
    free(programs);
}

/* ---- flattening imports ---------------------------------------------------------- */

/* An import being followed: its unit's imports from `next` on are still to do. */
struct step {
    struct unit *unit;
    const char *alias;
    size_t next;
};

/* All that is being followed, the entry itself first. */
struct walk {
    struct programs *programs;
    struct program *program;
    const char *missing; /* the id of a unit that isn't here; ends the walk */
    int depth;
    struct step steps[IMPORT_MAX_DEPTH];
};

static struct unit *find_unit(struct programs *programs, const char *id)
{
    return id != NULL ? map_find(&programs->units, id, strlen(id)) : NULL;
}

static bool is_bound(const struct program *program, const struct unit *unit,
                     const char *alias)
{
    for (int i = 0; i < program->n_bindings; i++)
        if (program->bindings[i].unit == unit && program->bindings[i].alias != NULL &&
            strcmp(program->bindings[i].alias, alias) == 0)
            return true;
    return false;
}

static int add_binding(struct program *program, struct unit *unit, const char *alias,
                       struct err *err)
{
    if (program->n_bindings == MAX_BINDINGS)
        return err_set(err, ERR_INVALID, "%s imports more than %d libraries",
                       program->id, MAX_BINDINGS);
    program->bindings[program->n_bindings++] = (struct binding){unit_ref(unit), alias};
    return 0;
}

static int enter(struct walk *walk, struct unit *unit, const char *alias,
                 struct err *err)
{
    if (walk->depth == IMPORT_MAX_DEPTH)
        return err_set(err, ERR_INVALID, "imports of %s are nested too deeply",
                       walk->program->id);
    walk->steps[walk->depth++] = (struct step){unit, alias, 0};
    return 0;
}

static int follow(struct walk *walk, const struct value_pair *import, struct err *err)
{
    const char *id = value_text(&import->value);
    struct unit *unit = find_unit(walk->programs, id);

    if (id == NULL)
        return err_set(err, ERR_INVALID, "import %s of %s names nothing", import->key,
                       walk->steps[walk->depth - 1].unit->id);
    if (unit == NULL)
        walk->missing = id;
    else if (!is_bound(walk->program, unit, import->key))
        return enter(walk, unit, import->key, err);
    return 0;
}

/* Depth first, dependencies before what needs them, until one is missing. */
static int flatten(struct walk *walk, struct err *err)
{
    int failed = enter(walk, walk->program->unit, NULL, err);

    while (failed == 0 && walk->depth > 0 && walk->missing == NULL) {
        struct step *top = &walk->steps[walk->depth - 1];
        const struct value *imports = &top->unit->imports;

        if (imports->type == VALUE_MAP && top->next < imports->as.map.n) {
            failed = follow(walk, &imports->as.map.pairs[top->next++], err);
        } else {
            failed = add_binding(walk->program, top->unit, top->alias, err);
            walk->depth--;
        }
    }
    return failed;
}

static bool has_module(const struct program *program, const char *name)
{
    for (int i = 0; i < program->n_modules; i++)
        if (strcmp(program->modules[i], name) == 0)
            return true;
    return false;
}

static void collect_modules(struct program *program)
{
    int n_max = 0;

    for (int i = 0; i < program->n_bindings; i++)
        if (program->bindings[i].unit->modules.type == VALUE_LIST)
            n_max += (int)program->bindings[i].unit->modules.as.list.n;
    program->modules = xcalloc((size_t)n_max + 1, sizeof(*program->modules));
    for (int i = 0; i < program->n_bindings; i++) {
        const struct unit *unit = program->bindings[i].unit;
        const struct value *list = &unit->modules;

        program->uses_G = program->uses_G || unit->uses_G;
        program->has_types = program->has_types || unit->types.type == VALUE_LIST;
        for (size_t j = 0; list->type == VALUE_LIST && j < list->as.list.n; j++) {
            const char *name = value_text(&list->as.list.items[j]);

            if (name != NULL && !has_module(program, name))
                program->modules[program->n_modules++] = name;
        }
    }
}

/* NULL without err->kind when a unit is still missing (missing_out). */
static struct program *make_program(struct programs *programs, struct unit *unit,
                                    const char **missing_out, struct err *err)
{
    struct program *program = xcalloc(1, sizeof(*program));
    struct walk walk = {.programs = programs, .program = program};

    program->rt = programs->rt;
    program->unit = unit;
    program->id = unit->id;
    program->is_interceptor =
        strncmp(unit->kind, "interceptor.lua", strlen("interceptor.lua")) == 0;
    program->bindings = xcalloc(MAX_BINDINGS, sizeof(*program->bindings));
    list_init(&program->vms);
    list_init(&program->in_stale);
    if (flatten(&walk, err) == -1 || walk.missing != NULL) {
        *missing_out = walk.missing;
        program_destroy(program);
        return NULL;
    }
    program->bindings = xrealloc(program->bindings, (size_t)program->n_bindings *
                                                        sizeof(*program->bindings));
    collect_modules(program);
    map_put(&programs->programs, unit->id, strlen(unit->id), program);
    return program;
}

/* ---- fetching -------------------------------------------------------------------- */

static void settle_wants(struct programs *programs);

static void fail_wants(struct programs *programs, const char *id, const struct err *err)
{
    LIST_FOREACH_SAFE (node, &programs->wants) {
        struct want *want = container_of(node, struct want, node);

        if (strcmp(want->waits_for, id) != 0)
            continue;
        list_remove(&want->node);
        want->done(want->context, NULL, err);
        want_destroy(want);
    }
}

static int keep_unit(struct programs *programs, const char *id, uint8_t status,
                     struct bytes result, struct err *err)
{
    struct value list = {0};
    struct unit *unit;
    struct err inner;

    if (status != REPLY_OK) {
        if (error_decode(result, err, &inner) == -1)
            *err = inner;
        return -1;
    }
    if (payload_decode(result, &list, err) == -1)
        return -1;
    unit = unit_create(id, list.as.list.n == 1 ? &list.as.list.items[0] : NULL, err);
    value_finish(&list);
    if (unit == NULL)
        return -1;
    map_put(&programs->units, unit->id, strlen(unit->id), unit);
    return 0;
}

static void send_fetch(struct fetch *fetch);

static void fetched(void *context, uint8_t status, struct bytes result)
{
    struct fetch *fetch = context;
    struct programs *programs = fetch->programs;
    struct err err;
    int failed;

    if (fetch->outdated) {
        send_fetch(fetch);
        return;
    }
    failed = keep_unit(programs, fetch->id, status, result, &err);
    map_remove(&programs->asked, fetch->id, strlen(fetch->id));
    if (failed == -1)
        fail_wants(programs, fetch->id, &err);
    else
        settle_wants(programs);
    free(fetch->id);
    free(fetch);
}

static void send_fetch(struct fetch *fetch)
{
    struct value arg = value_string(fetch->id);

    fetch->outdated = false;
    uplink_ask(fetch->programs->rt->uplink, "@code.get", &arg, 1, fetched, fetch);
    value_finish(&arg);
}

static void ask_for(struct programs *programs, const char *id)
{
    struct fetch *fetch;

    if (map_find(&programs->asked, id, strlen(id)) != NULL)
        return;
    fetch = xcalloc(1, sizeof(*fetch));
    fetch->programs = programs;
    fetch->id = xstrdup(id);
    map_put(&programs->asked, fetch->id, strlen(fetch->id), fetch);
    send_fetch(fetch);
}

/* The program, or NULL: with err (kind set) or with a fetch under way that want waits
 * for. */
static struct program *try_program(struct programs *programs, struct want *want,
                                   struct err *err)
{
    const char *id = want->id, *missing = NULL;
    struct program *program = map_find(&programs->programs, id, strlen(id));
    struct unit *unit = find_unit(programs, id);

    err->kind = ERR_UNKNOWN;
    if (program != NULL)
        return program;
    if (unit == NULL)
        missing = id;
    else
        program = make_program(programs, unit, &missing, err);
    if (missing != NULL) {
        free(want->waits_for);
        want->waits_for = xstrdup(missing);
        ask_for(programs, missing);
    }
    return program;
}

static void settle_wants(struct programs *programs)
{
    LIST_FOREACH_SAFE (node, &programs->wants) {
        struct want *want = container_of(node, struct want, node);
        struct err err;
        struct program *program = try_program(programs, want, &err);

        if (program == NULL && err.kind == ERR_UNKNOWN)
            continue;
        list_remove(&want->node);
        want->done(want->context, program, program == NULL ? &err : NULL);
        want_destroy(want);
    }
}

void programs_get(struct programs *programs, const char *id, size_t n_bytes,
                  void (*done)(void *context, struct program *program,
                               const struct err *err),
                  void *context)
{
    struct program *program = map_find(&programs->programs, id, n_bytes);
    struct want *want;
    struct err err;

    if (program != NULL) {
        done(context, program, NULL);
        return;
    }
    want = xcalloc(1, sizeof(*want));
    want->id = xstrndup(id, n_bytes);
    want->done = done;
    want->context = context;
    program = try_program(programs, want, &err);
    if (program == NULL && err.kind == ERR_UNKNOWN) {
        list_append(&programs->wants, &want->node);
        return;
    }
    done(context, program, program == NULL ? &err : NULL);
    want_destroy(want);
}

/* ---- forgetting ------------------------------------------------------------------ */

static bool is_made_of(const struct program *program, const struct value *ids)
{
    for (int i = 0; i < program->n_bindings; i++)
        if (unit_is_among(program->bindings[i].unit, ids))
            return true;
    return false;
}

static bool is_here_for(const struct programs *programs, const struct program *program)
{
    const struct settings *settings = &programs->rt->settings;

    return settings->role == ROLE_POOL && strcmp(settings->entry, program->id) == 0;
}

/* Programs to forget, moved to the list; the map must not change while it is walked. */
static void collect_stale(struct programs *programs, const struct value *ids)
{
    MAP_FOREACH (row, &programs->programs) {
        struct program *program = row->value;

        if (!is_here_for(programs, program) && is_made_of(program, ids)) {
            program->stale = true;
            program->changes = value_copy(ids);
            list_append(&programs->stale, &program->in_stale);
        }
    }
}

/* The map must not change while it is walked. */
static void forget_units(struct programs *programs, const struct value *ids)
{
    struct unit **gone = xcalloc(programs->units.n + 1, sizeof(struct unit *));
    size_t n = 0;

    MAP_FOREACH (row, &programs->units) {
        struct unit *unit = row->value;

        if (unit_is_among(unit, ids))
            gone[n++] = unit;
    }
    while (n-- > 0) {
        map_remove(&programs->units, gone[n]->id, strlen(gone[n]->id));
        unit_unref(gone[n]);
    }
    free(gone);
}

/* What is on its way may be old code; whose method it is, only the answer will tell. */
static void forget_fetches(struct programs *programs, const struct value *ids)
{
    MAP_FOREACH (row, &programs->asked) {
        struct fetch *fetch = row->value;

        for (size_t i = 0; i < ids->as.list.n; i++) {
            const char *id = value_text(&ids->as.list.items[i]);
            size_t n = id != NULL ? strlen(id) : 0;

            if (id != NULL && strncmp(fetch->id, id, n) == 0 &&
                (fetch->id[n] == '\0' || fetch->id[n] == '.'))
                fetch->outdated = true;
        }
    }
}

void programs_forget(struct programs *programs, const struct value *ids)
{
    collect_stale(programs, ids);
    LIST_FOREACH (node, &programs->stale) {
        const struct program *program = container_of(node, struct program, in_stale);
        const char *id = program->id;

        if (map_find(&programs->programs, id, strlen(id)) == program)
            map_remove(&programs->programs, id, strlen(id));
    }
    forget_units(programs, ids);
    forget_fetches(programs, ids);
}

void programs_sweep(struct programs *programs)
{
    LIST_FOREACH_SAFE (node, &programs->stale) {
        struct program *program = container_of(node, struct program, in_stale);

        if (program->n_actors == 0)
            program_destroy(program);
    }
}

void programs_each(struct programs *programs,
                   void (*visit)(void *context, const struct program *program),
                   void *context)
{
    MAP_FOREACH (row, &programs->programs)
        visit(context, row->value);
}

int program_check_process(const struct program *program, const struct err *err,
                          struct err *why_out)
{
    static const char prefix[] = "process.";

    if (program == NULL && err->kind != ERR_NOT_FOUND) {
        *why_out = *err;
        return -1;
    }
    if (program == NULL ||
        strncmp(program->unit->kind, prefix, sizeof(prefix) - 1) != 0)
        return err_set(why_out, ERR_NOT_FOUND, "factory not found");
    return 0;
}

/* Only the given share of what it may hold counts. */
static bool has_room(const struct vm *vm, unsigned share)
{
    return vm->n_actors < vm->n_max_actors / share &&
           vm->used_bytes < vm->soft_bytes / share;
}

struct vm *program_vm(struct program *program, struct err *err)
{
    struct list *first = list_first(&program->vms);
    struct vm *vm;

    if (first != NULL) {
        vm = container_of(first, struct vm, in_program);
        if (has_room(vm, 1) && !vm->crowded)
            return vm;
    }
    LIST_FOREACH (node, &program->vms) {
        vm = container_of(node, struct vm, in_program);
        if (!has_room(vm, 2))
            continue;
        vm->crowded = false;
        list_remove(&vm->in_program);
        list_prepend(&program->vms, &vm->in_program);
        return vm;
    }
    vm = vm_create(program->rt, program, err);
    if (vm != NULL)
        list_prepend(&program->vms, &vm->in_program);
    return vm;
}

/* A burst of actors leaves its memory to the system; the next one starts small. */
void program_vm_emptied(struct vm *vm)
{
    bool keep = vm->used_bytes <= KEEP_MAX_BYTES;

    vm->crowded = false;
    if (vm->program->stale) {
        if (vm->program->n_actors == 0)
            program_destroy(vm->program);
        return;
    }
    LIST_FOREACH (node, &vm->program->vms) {
        struct vm *other = container_of(node, struct vm, in_program);

        keep = keep && (other == vm || other->n_actors != 0);
    }
    if (!keep)
        vm_destroy(vm);
}
