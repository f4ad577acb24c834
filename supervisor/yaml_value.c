#include "supervisor/yaml_tree.h"

#include <string.h>

#include "common/value.h"

const struct yaml_pair *yaml_find(const struct yaml_node *node, const char *key)
{
    if (node == NULL || node->type != VALUE_MAP)
        return NULL;
    for (size_t i = 0; i < node->n; i++)
        if (strcmp(node->pairs[i].key->text, key) == 0)
            return &node->pairs[i];
    return NULL;
}

struct converter {
    struct value (*text)(void *context, const struct yaml_node *node);
    void *context;
};

static struct value value_of_node(const struct converter *converter,
                                  const struct yaml_node *node)
{
    switch (node->type) {
    case VALUE_BOOL:
        return value_bool(node->as.boolean);
    case VALUE_INT:
        return value_int(node->as.integer);
    case VALUE_FLOAT:
        return value_float(node->as.real);
    case VALUE_STRING:
        return converter->text(converter->context, node);
    case VALUE_LIST:
        return value_list();
    case VALUE_MAP:
        return value_map();
    default:
        return (struct value){0};
    }
}

struct copying {
    const struct yaml_node *node;
    struct value *place; /* doesn't move while its level is open */
    size_t next;
};

static struct value own_text(void *context, const struct yaml_node *node)
{
    (void)context;
    return value_bytes(node->text, node->n_text);
}

struct value yaml_to_value(const struct yaml_node *node)
{
    return yaml_to_value_with(node, own_text, NULL);
}

struct value yaml_to_value_with(const struct yaml_node *node,
                                struct value (*text)(void *context,
                                                     const struct yaml_node *node),
                                void *context)
{
    struct converter converter = {.text = text, .context = context};
    struct value value = value_of_node(&converter, node);
    struct copying levels[VALUE_MAX_DEPTH] = {{.node = node, .place = &value}};
    size_t n = 1;

    while (n > 0) {
        struct copying *level = &levels[n - 1];
        const struct yaml_pair *pair;
        struct value *place;

        if (level->next == level->node->n) {
            n--;
            continue;
        }
        pair = &level->node->pairs[level->next++];
        if (pair->key == NULL)
            place = value_append(level->place, value_of_node(&converter, pair->node));
        else
            place = value_add_n(level->place, pair->key->text, pair->key->n_text,
                                value_of_node(&converter, pair->node));
        if (pair->node->n != 0)
            levels[n++] = (struct copying){.node = pair->node, .place = place};
    }
    return value;
}
