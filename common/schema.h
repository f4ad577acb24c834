/*
 * schema -- JSON Schema (the usual part of draft 2020-12) as a program that is bounded.
 *
 * A schema is compiled once: every subschema becomes a run of operations, references
 * become numbers, patterns go through RE2. What could make a check endless or merely
 * enormous is refused then: a reference that leads back to itself without going deeper
 * into the data, a pattern that isn't linear, more subschemas than SCHEMA_MAX_SUBS.
 * Checking uses an explicit stack and a number of steps in proportion to the data;
 * whoever writes a schema that needs more gets a failed check that says so.
 *
 * Keywords: type enum const; properties required additionalProperties patternProperties
 * minProperties maxProperties propertyNames dependentRequired; prefixItems items
 * minItems maxItems uniqueItems contains minContains maxContains; minimum maximum
 * exclusiveMinimum exclusiveMaximum multipleOf; minLength maxLength pattern; allOf
 * anyOf oneOf not if then else; $ref ("#", "#/pointer", "#anchor"), $anchor, $defs and
 * definitions; true and false. All others are ignored, `format` and `default` too.
 *
 * 3.0 is an integer; an empty Lua table is an object as well as an array; a schema that
 * comes from Lua may write either as {} too. Floor 0: no Lua, no log.
 */
#ifndef TROUPE_COMMON_SCHEMA_H
#define TROUPE_COMMON_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/value.h"

struct err;
struct flat;
struct schema;

#define SCHEMA_MAX_SUBS   20000
#define SCHEMA_MAX_ERRORS 10 /* that one check tells */

/* Does what contracts call that format (F-70; may be NULL) mean such schemas? */
bool schema_is_of_format(const char *format);

/* Compiles a schema: a map, a bool, or JSON text of one. Copies what it needs. Errors:
 * INVALID with the JSON pointer of the place in front. */
struct schema *schema_create(const struct value *definition, struct err *err);
void schema_destroy(struct schema *schema); /* NULL is fine */

struct schema_error {
    char path[240]; /* JSON pointer into the data, "" = all of it; cut with "..." */
    char text[200]; /* "expected integer, got string" */
};

struct schema_report {
    struct schema_error errors[SCHEMA_MAX_ERRORS];
    size_t n;
    bool more; /* there were others */
};

/* Does the data satisfy the schema? Fills the report (NULL: stops at the first flaw),
 * sorted by path; it is empty when the answer is true. flat may get its hashes made. */
bool schema_check(const struct schema *schema, struct flat *flat,
                  struct schema_report *report);

/* All errors as people read them, "/to: expected string, got null; ..." ("/" is all of
 * the data). Returns the length. */
size_t schema_report_format(const struct schema_report *report, char *out,
                            size_t out_bytes);

/* A list of maps {path, message}; at most SCHEMA_REPORT_BYTES as msgpack, with a key
 * and some more around it. */
#define SCHEMA_REPORT_BYTES 8192
struct value schema_report_to_value(const struct schema_report *report);

#endif
