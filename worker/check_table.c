#include "worker/check_private.h"

#include <string.h>

/* The item that was read, if one was: its values are on top of the operands. */
static void take_item(struct checker *c, bool last)
{
    struct frame *frame = check_top(c);
    const struct operand *value = check_operand(c), *key;
    struct type_field *field;

    if (frame->item == 0 || c->n_operands <= frame->operands)
        return;
    field = CHECK_PUSH(c, fields);
    if (field == NULL)
        return;
    field->type = value->type;
    field->at = value->start;
    if (frame->item == TRACE_ITEM_NAMED) {
        field->name = frame->name;
        field->n_bytes = frame->n_bytes;
    } else if (frame->item == TRACE_ITEM_KEYED) {
        key = value - 1;
        if (c->n_operands - frame->operands >= 2 && key->type->sort == SORT_TEXT) {
            field->name = key->type->as.text.data;
            field->n_bytes = key->type->as.text.n;
        } else {
            c->n_fields--;
            frame->open = true;
        }
    } else if (last && (value->form == OPERAND_CALL || value->form == OPERAND_DOTS)) {
        c->n_fields--; /* as many as it gives */
        frame->open = true;
    }
    frame->item = 0;
    check_pop_operands(c, frame->operands);
}

void table_open(struct checker *c, const struct trace_step *step)
{
    check_open(c, FRAME_TABLE, step->start);
}

void table_item(struct checker *c, const struct trace_step *step)
{
    struct frame *frame;

    take_item(c, false);
    frame = check_top(c);
    frame->item = (uint8_t)step->what;
    frame->name = c->source + step->start;
    frame->n_bytes = step->end - step->start;
}

void table_close(struct checker *c, const struct trace_step *step)
{
    struct frame *frame;
    struct type_field *fields;
    struct type *type;
    uint32_t n, start;

    take_item(c, true);
    frame = check_top(c);
    n = c->n_fields - frame->fields;
    type = type_store_alloc(&c->types, sizeof(*type));
    fields = type_store_alloc(&c->types, (n + 1) * sizeof(*fields));
    if (type != NULL && fields != NULL) {
        if (n != 0)
            memcpy(fields, c->fields + frame->fields, n * sizeof(*fields));
        type->sort = SORT_LITERAL;
        type->open = frame->open;
        type->as.fields.items = fields;
        type->as.fields.n = n;
    }
    c->n_fields = frame->fields;
    start = frame->start;
    check_pop(c);
    check_push_operand(c, fields != NULL ? type : NULL, start, step->end);
}
