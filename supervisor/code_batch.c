#include "supervisor/code_private.h"

#include <stdlib.h>

#include "common/mem.h"

#include "supervisor/core.h"
#include "supervisor/registry.h"

struct batch {
    code_problem *problem;
    code_done *done;
    void *context;
    size_t n_left, n_compiled, n_failed;
};

static void finish_one(struct batch *batch)
{
    if (--batch->n_left != 0)
        return;
    batch->done(batch->context, batch->n_compiled, batch->n_failed);
    free(batch);
}

static void on_batch_chunk(struct waiter *waiter, const struct chunk *chunk)
{
    struct batch *batch = waiter->context;

    free(waiter);
    if (chunk->state == CHUNK_COMPILED) {
        batch->n_compiled++;
    } else {
        batch->n_failed++;
        batch->problem(batch->context, chunk->entry, &chunk->err,
                       chunk->details.type == VALUE_MAP ? &chunk->details : NULL);
    }
    finish_one(batch);
}

/* The supervisor ends while it compiles: nobody is told. */
static void drop_batch(void *context)
{
    struct batch *batch = context;

    if (--batch->n_left == 0)
        free(batch);
}

void code_compile(struct code *code, struct entry *const *entries, size_t n,
                  code_problem *problem, code_done *done, void *context)
{
    struct batch *batch = xcalloc(1, sizeof(*batch));

    *batch = (struct batch){
        .problem = problem, .done = done, .context = context, .n_left = 1};
    for (size_t i = 0; i < n; i++) {
        if (!code_has_code(entries[i]))
            continue;
        batch->n_left++; /* NOLINT(clang-analyzer-unix.Malloc): counted, 1 is ours */
        code_want(code, entries[i],
                  code_make_waiter(on_batch_chunk, drop_batch, batch));
    }
    finish_one(batch); /* NOLINT(clang-analyzer-unix.Malloc) */
    code_send_pending(code);
}

void code_compile_all(struct code *code, code_problem *problem, code_done *done,
                      void *context)
{
    const struct snapshot *state = registry_state(code->sup->registry);

    code_compile(code, state->entries, state->n, problem, done, context);
}
