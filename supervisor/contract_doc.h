/*
 * contract_doc -- `supervisor contracts doc`: what an app's contracts promise, to read
 * (functions.md F-71).
 *
 * Everything is gathered into one list of plain data first; as JSON it is written as it
 * is, as Markdown it is rendered. Both are sorted by id and depend on nothing but the
 * entries: the same app gives the same bytes.
 */
#ifndef TROUPE_SUPERVISOR_CONTRACT_DOC_H
#define TROUPE_SUPERVISOR_CONTRACT_DOC_H

#include <stdbool.h>
#include <stdio.h>

#include "common/value.h"

struct buf;
struct err;
struct options;
struct snapshot;

/* What options->doc asks for, written to its file or to out. NOT_FOUND when no contract
 * matches a pattern that was given. */
int contract_doc_write(const struct snapshot *state, const struct options *options,
                       FILE *out, struct err *err);

/* ---- contract_markdown.c ---- */

/* Appends that list as Markdown; false when the buffer can't grow. */
bool contract_doc_to_markdown(const struct value *list, struct buf *out);

#endif
