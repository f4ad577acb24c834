/*
 * compile -- an app's source to bytecode: types erased (and, if somebody wants that,
 * checked), grammar checked, compiled.
 */
#ifndef TROUPE_WORKER_COMPILE_H
#define TROUPE_WORKER_COMPILE_H

struct err;
struct runtime;
struct value;

/* @compile [id, kind, source, types?, strict?, imports?] → {bytecode, uses_G, types};
 * types (with that argument true): what type_tree.h makes of the types that the source
 * declares. With strict, type errors refuse it (check.h); imports: it has libraries. On
 * failure result is the error as a map with details {line, column, problem}, for type
 * errors also {problems, n_problems}, and err says the same. */
int compile_source(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err);

#endif
