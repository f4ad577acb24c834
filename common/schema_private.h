/*
 * schema_private -- what compiling (schema.c, schema_keywords.c) and checking
 * (schema_machine.h) share.
 */
#ifndef TROUPE_COMMON_SCHEMA_PRIVATE_H
#define TROUPE_COMMON_SCHEMA_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/flat.h"
#include "common/map.h"
#include "common/number.h"
#include "common/value.h"

struct err;
struct regex;

#define NO_SUB UINT32_MAX

/* Types as a set. A whole number is INTEGER and NUMBER, an empty Lua table ARRAY and
 * OBJECT. */
enum type_bit {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_OTHER = 128, /* what has no name in a schema */
    TYPE_ANY = 255,
};

enum op_code {
    OP_CONST, /* constants: a list of one */
    OP_ENUM,
    OP_MINIMUM, /* number */
    OP_MAXIMUM,
    OP_ABOVE, /* exclusiveMinimum */
    OP_BELOW,
    OP_MULTIPLE,
    OP_MIN_LENGTH, /* count */
    OP_MAX_LENGTH,
    OP_PATTERN, /* pattern */
    OP_MIN_ITEMS,
    OP_MAX_ITEMS,
    OP_UNIQUE,
    OP_ITEMS,    /* items */
    OP_CONTAINS, /* contains */
    OP_MIN_PROPERTIES,
    OP_MAX_PROPERTIES,
    OP_REQUIRED, /* required */
    OP_DEPENDENT_REQUIRED,
    OP_PROPERTIES, /* properties */
    OP_NAMES,      /* sub */
    OP_ALL,        /* list */
    OP_ANY,
    OP_ONE,
    OP_NOT, /* sub */
    OP_IF,  /* branch */
    OP_REF, /* sub */
    OP_N_CODES,
};

/* sub numbers in schema->lists[first .. first + n) */
struct sub_list {
    uint32_t first, n;
};

struct pattern_rule {
    struct regex *regex; /* of schema->patterns */
    uint32_t sub;
};

struct property_rules {
    struct map properties; /* name → sub + 1 */
    struct pattern_rule *patterns;
    uint32_t n_patterns;
    uint32_t additional; /* NO_SUB: anything */
};

/* Names without doubles. */
struct name_list {
    const char **names;
    uint32_t n;
    struct map by_name; /* → place + 1 */
};

struct op {
    uint8_t code;  /* enum op_code */
    uint8_t types; /* what it looks at; all else satisfies it */
    union {
        struct flat *constants;
        struct number number;
        uint64_t count;
        struct {
            struct regex *regex;
            const char *text;
        } pattern;
        struct {
            struct sub_list prefix;
            uint32_t rest; /* NO_SUB: anything */
        } items;
        struct {
            uint32_t sub;
            uint32_t min, max;
        } contains;
        struct name_list *required;
        struct {
            const char *when;
            struct name_list *required;
        } dependent;
        struct property_rules *properties;
        struct sub_list list;
        uint32_t sub;
        struct {
            uint32_t condition, then, otherwise; /* the last two may be NO_SUB */
        } branch;
    } as;
};

struct sub {
    const struct value *source;
    bool never;    /* false */
    uint8_t types; /* allowed */
    uint32_t first_op, n_ops;
    /* Where it stands: parent's pointer, then "/keyword", then "/key" or "/index". */
    uint32_t parent;
    const char *keyword, *key;
    uint32_t index;
};

struct schema {
    struct value source; /* names and texts point into it */
    struct sub *subs;    /* subs[0] is all of it */
    uint32_t n_subs, size_subs;
    struct op *ops;
    uint32_t n_ops, size_ops;
    uint32_t *lists;
    uint32_t n_lists, size_lists;
    struct regex **patterns;
    uint32_t n_patterns;
    struct map by_source; /* address of a subschema's value → its number + 1 */
    struct map anchors;   /* $anchor → sub + 1 */
};

/* ---- Between schema.c and schema_keywords.c ---- */

/* A $ref whose target isn't known yet. */
struct unresolved {
    uint32_t op, sub;
    const char *text;
};

struct compiler {
    struct schema *schema;
    uint32_t at; /* the subschema being compiled */
    struct unresolved *refs;
    uint32_t n_refs, size_refs;
    struct err *err;
};

/* Fills err: "/properties/to/minLength: why". keyword may be NULL. Always -1. */
int schema_refuse(const struct compiler *c, uint32_t sub, const char *keyword,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A new subschema, to be compiled later; NO_SUB and err when that can't be. */
uint32_t schema_add_sub(struct compiler *c, const struct sub *sub);

/* Adds the operations of the subschema c->at. */
int schema_compile_sub(struct compiler *c);

#endif
