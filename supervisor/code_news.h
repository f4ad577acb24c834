/*
 * code_news -- tells workers that code has changed, and knows when all have heard.
 *
 * Workers keep the code that they have fetched. After a change of the registry each of
 * them is told what to forget (CALL "@code.forget", the ids), and answers with a list:
 * the pids (integers) of its actors that will take the new code by themselves (UP-2),
 * or nil. Contracts they keep too, and forget all of them ("@contract.forget"). Who
 * made the change waits here until all have answered: from then on nobody starts the
 * old code any more (REG-23, REG-24). What runs already runs on.
 */
#ifndef TROUPE_SUPERVISOR_CODE_NEWS_H
#define TROUPE_SUPERVISOR_CODE_NEWS_H

#include <stdbool.h>
#include <stdint.h>

struct changeset;
struct code_news;
struct supervisor;

struct code_news *code_news_create(struct supervisor *sup); /* after the pools */
void code_news_destroy(struct code_news *news);             /* NULL is fine */

/* Was that actor told of the last change, and will it upgrade itself? Counts until the
 * next one is spread. */
bool code_news_is_upgrading(const struct code_news *news, uint64_t pid);

/* The changeset was committed. */
void code_news_spread(struct code_news *news, const struct changeset *changeset);

/* Calls done once no worker and no pool has old code to start, perhaps at once; or drop
 * when the supervisor ends before that. */
void code_news_wait(struct code_news *news, void (*done)(void *context),
                    void (*drop)(void *context), void *context);

#endif
