/* yaml_scalar -- what a plain scalar means (REG-04). */
#ifndef TROUPE_SUPERVISOR_YAML_SCALAR_H
#define TROUPE_SUPERVISOR_YAML_SCALAR_H

#include <stddef.h>

#include "common/value.h"

/* The value of an unquoted scalar: nil, boolean, integer, float, or VALUE_STRING (whose
 * text is left NULL: it is the scalar's own). */
struct value yaml_type_scalar(const char *text, size_t n);

/* The same for a scalar with one of the core tags ("str", "int", "float", "bool",
 * "null"); false when it can't be that. */
bool yaml_type_tagged(const char *tag, const char *text, size_t n,
                      struct value *value_out);

/* The number that text spells, as a boolean "it is one". */
bool yaml_read_number(const char *text, size_t n, struct value *value_out);

#endif
