#include "worker/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#define LINGER_MS_DEFAULT 30000

static char *copy_text(const struct value *map, const char *key)
{
    const char *text = value_get_text(map, key);

    return xstrdup(text != NULL ? text : "");
}

static struct value copy_field(const struct value *map, const char *key)
{
    const struct value *field = value_get(map, key);

    return field != NULL ? value_copy(field) : (struct value){0};
}

struct unit *unit_create(const char *id, const struct value *map, struct err *err)
{
    const struct value *code = value_get(map, "bytecode");
    uint8_t *bytecode;
    struct unit *unit;

    if (code == NULL || code->type != VALUE_STRING) {
        err_set(err, ERR_INTERNAL, "failed to load script: no bytecode came");
        return NULL;
    }
    bytecode = malloc(code->as.string.n + 1);
    if (bytecode == NULL) {
        err_set(err, ERR_UNAVAILABLE, "no memory for the code of %s", id);
        return NULL;
    }
    memcpy(bytecode, code->as.string.data, code->as.string.n);
    unit = xcalloc(1, sizeof(*unit));
    *unit = (struct unit){
        .n_refs = 1,
        .id = xstrdup(id),
        .kind = copy_text(map, "kind"),
        .method = copy_text(map, "method"),
        .bytecode = bytecode,
        .bytecode_bytes = code->as.string.n,
        .uses_G = value_get_bool(map, "uses_G", true),
        .linger_ms = (uint64_t)value_get_int(map, "linger_ms", LINGER_MS_DEFAULT),
        .modules = copy_field(map, "modules"),
        .imports = copy_field(map, "imports"),
        .types = copy_field(map, "types"),
    };
    return unit;
}

struct unit *unit_ref(struct unit *unit)
{
    unit->n_refs++;
    return unit;
}

void unit_unref(struct unit *unit)
{
    if (--unit->n_refs != 0)
        return;
    free(unit->id);
    free(unit->kind);
    free(unit->method);
    free(unit->bytecode);
    value_finish(&unit->modules);
    value_finish(&unit->imports);
    value_finish(&unit->types);
    free(unit);
}

static bool is_code_of(const struct unit *unit, const char *id)
{
    size_t n = strlen(id);

    return strncmp(unit->id, id, n) == 0 &&
           (unit->id[n] == '\0' ||
            (unit->id[n] == '.' && strcmp(unit->id + n + 1, unit->method) == 0));
}

bool unit_is_among(const struct unit *unit, const struct value *ids)
{
    for (size_t i = 0; i < ids->as.list.n; i++) {
        const char *id = value_text(&ids->as.list.items[i]);

        if (id != NULL && is_code_of(unit, id))
            return true;
    }
    return false;
}
