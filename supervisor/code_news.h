/*
 * code_news -- tells workers that code has changed, and knows when all have heard.
 *
 * Workers keep the code that they have fetched. After a change of the registry each of
 * them is told what to forget, and answers; pools of changed functions are replaced in
 * the meantime. Who made the change waits here until both are through: from then on
 * nobody starts the old code any more (REG-23, REG-24). What runs already runs on.
 */
#ifndef TROUPE_SUPERVISOR_CODE_NEWS_H
#define TROUPE_SUPERVISOR_CODE_NEWS_H

struct changeset;
struct code_news;
struct supervisor;

struct code_news *code_news_create(struct supervisor *sup); /* after the pools */
void code_news_destroy(struct code_news *news);             /* NULL is fine */

/* The changeset was committed, its pools are being replaced. */
void code_news_spread(struct code_news *news, const struct changeset *changeset);

/* Calls done once no worker and no pool has old code to start, perhaps at once; or drop
 * when the supervisor ends before that. */
void code_news_wait(struct code_news *news, void (*done)(void *context),
                    void (*drop)(void *context), void *context);

#endif
