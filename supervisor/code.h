/*
 * code -- compiled chunks, made by the one worker that parses apps' sources.
 *
 * The supervisor runs no app code and parses no Lua: it sends sources to a `compile`
 * worker (CALL "@compile" [id, kind, source]) and keeps the bytecode that comes back,
 * by entry and version. Many requests are under way at a time; the worker ends when it
 * has been idle for half a minute. If it dies, what it had is tried once more.
 *
 * Workers fetch what they need with CALL "@code.get" [id]: {id, kind, method, bytecode,
 * uses_G, modules, imports, version, meta}.
 */
#ifndef TROUPE_SUPERVISOR_CODE_H
#define TROUPE_SUPERVISOR_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct code;
struct err;
struct supervisor;
struct value;

struct code *code_create(struct supervisor *sup); /* adds its @targets to sup->system */
void code_destroy(struct code *code);

/* One problem of one entry: err's text is the rendered diagnostic; details is a map
 * {line, column, ...} or NULL. */
typedef void code_problem(void *context, const char *entry, const struct err *err,
                          const struct value *details);

/* Compiles every entry of the registry that has a source. problem comes for each that
 * fails, then done once. */
void code_compile_all(struct code *code, code_problem *problem,
                      void (*done)(void *context, unsigned n_compiled,
                                   unsigned n_failed),
                      void *context);

/* Forgets what is cached for entry (it changed or vanished). */
void code_forget(struct code *code, const char *entry);

/* Ends the compile worker (shutdown). */
void code_stop(struct code *code);

#endif
