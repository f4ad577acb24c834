/*
 * code -- compiled chunks, made by the one worker that parses apps' sources.
 *
 * The supervisor runs no app code and parses no Lua: it sends sources to a `compile`
 * worker (CALL "@compile" [id, kind, source]) and keeps the bytecode that comes back,
 * by entry (entries never change: a change makes another one). Many requests are under
 * way at a time; the worker ends when it has been idle for half a minute. If it dies,
 * what it had is tried once more, one by one, so that a source that kills the compiler
 * fails alone.
 *
 * Workers fetch what they need with CALL "@code.get" [id]: {id, kind, method, bytecode,
 * uses_G, types, modules, imports, version, meta}. For "ns:name.method" of a module.lua
 * that is the module's with this id and method.
 */
#ifndef TROUPE_SUPERVISOR_CODE_H
#define TROUPE_SUPERVISOR_CODE_H

#include <stddef.h>

struct code;
struct entry;
struct err;
struct problems;
struct snapshot;
struct supervisor;
struct value;

struct code *code_create(struct supervisor *sup); /* adds its @targets to sup->system */
void code_destroy(struct code *code);

/* One entry's source is wrong: err's text is the rendered diagnostic; details is a map
 * {line, column, ...} or NULL. All borrowed. */
typedef void code_problem(void *context, const struct entry *entry,
                          const struct err *err, const struct value *details);
typedef void code_done(void *context, size_t n_compiled, size_t n_failed);

/* The same as a line for a person, with the place in a file. */
void code_add_problem(struct problems *problems, const struct entry *entry,
                      const struct err *err, const struct value *details);

/* Compiles those of the entries that have a source, in the registry or not yet; those
 * with bytecode of their own (bytecode.h) are there at once. problem
 * comes for each that fails, then done once, perhaps before this returns. What compiled
 * stays cached: forget entries that don't make it into the registry. */
void code_compile(struct code *code, struct entry *const *entries, size_t n,
                  code_problem *problem, code_done *done, void *context);

/* The same for every entry of the registry. */
void code_compile_all(struct code *code, code_problem *problem, code_done *done,
                      void *context);

/* What the compiler answered for a compiled entry: {bytecode, uses_G, types}. */
int code_read(const struct code *code, const struct entry *entry,
              struct value *compiled_out, struct err *err);

/* Frees what is cached for entry (it changed or vanished). */
void code_forget(struct code *code, const struct entry *entry);

/* The same for those entries of view that the registry has (no longer). */
void code_forget_outside(struct code *code, const struct snapshot *view);

/* Ends the compile worker (shutdown); a later compile starts another. */
void code_stop(struct code *code);

#endif
