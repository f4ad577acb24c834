#include "supervisor/registry_order.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"

#include "supervisor/registry.h"

/* Where references stand. '*' is any key, '#' any item of a list, "*_env" any key that
 * ends so; "[]" at the end is a list (a lone reference counts as a list of one); '!' in
 * front allows the forms ns: and group:. */
static const char *const patterns[] = {
    "!meta.depends_on[]",
    "meta.parent",
    "meta.server",
    "meta.router",
    "meta.*_env",
    "meta.groups[]",
    "data.groups[]",
    "!data.*.depends_on[]",
    "!data.lifecycle.requires[]",
    "data.imports.*",
    "data.config",
    "data.func",
    "data.set",
    "data.server",
    "data.middleware[]",
    "data.post_middleware[]",
    "data.host",
    "data.process",
    "data.fs",
    "data.driver",
    "data.queue",
    "data.dead_letter.queue",
    "data.storage",
    "data.storages[]",
    "data.env",
    "data.*_env",
    "data.security.*",
    "data.lifecycle.security.policies[]",
    "data.lifecycle.security.groups[]",
    "data.contracts.#.contract",
    "data.contracts.#.methods.*",
    "data.network",
    "data.store",
    "data.token_store",
    "data.bucket",
};

/* ---- groups ---------------------------------------------------------------------- */

struct group {
    const struct entry **entries;
    size_t n, size;
};

void needs_init(struct needs *needs, const struct snapshot *state)
{
    *needs = (struct needs){.state = state};
    map_init(&needs->groups);
}

void needs_finish(struct needs *needs)
{
    MAP_FOREACH (row, &needs->groups) {
        struct group *group = row->value;

        free(group->entries);
        free(group);
    }
    map_finish(&needs->groups);
}

static void add_to_group(struct needs *needs, const char *name,
                         const struct entry *entry)
{
    struct group *group = map_find(&needs->groups, name, strlen(name));

    if (group == NULL) {
        group = xcalloc(1, sizeof(*group));
        map_put(&needs->groups, name, strlen(name), group);
    }
    if (group->n == group->size) {
        group->size = group->size == 0 ? 4 : group->size * 2;
        group->entries = xrealloc(group->entries, group->size * sizeof(entry));
    }
    group->entries[group->n++] = entry;
}

static void read_groups(struct needs *needs)
{
    for (size_t i = 0; i < needs->state->n; i++) {
        const struct entry *entry = needs->state->entries[i];
        const struct value *list = value_get(&entry->meta, "groups");

        for (size_t k = 0;
             list != NULL && list->type == VALUE_LIST && k < list->as.list.n; k++) {
            const char *name = value_text(&list->as.list.items[k]);

            if (name != NULL)
                add_to_group(needs, name, entry);
        }
    }
    needs->has_groups = true;
}

/* ---- references ------------------------------------------------------------------ */

struct finder {
    const struct entry *entry;
    struct needs *needs;
    const struct snapshot *state;
    bool groups; /* ns: and group: count here */
    void (*found)(void *context, const struct entry *dependency);
    void *context;
};

/* Below 0: id comes before all ids of that namespace, 0: it is one of them. */
static int compare_namespace(const char *id, const char *namespace, size_t n)
{
    int order = strncmp(id, namespace, n);

    return order != 0 ? order : (unsigned char)id[n] - ':';
}

/* Entries are sorted by id, so those of a namespace stand together. */
static void find_namespace(const struct finder *finder, const char *namespace)
{
    const struct snapshot *state = finder->state;
    size_t n = strlen(namespace), low = 0, high = state->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_namespace(state->entries[middle]->id, namespace, n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < state->n; low++) {
        const struct entry *entry = state->entries[low];

        if (compare_namespace(entry->id, namespace, n) != 0)
            return;
        if (entry != finder->entry && entry->namespace_bytes == n)
            finder->found(finder->context, entry);
    }
}

static void find_group(const struct finder *finder, const char *name)
{
    const struct group *group;

    if (!finder->needs->has_groups)
        read_groups(finder->needs);
    group = map_find(&finder->needs->groups, name, strlen(name));
    for (size_t i = 0; group != NULL && i < group->n; i++)
        if (group->entries[i] != finder->entry)
            finder->found(finder->context, group->entries[i]);
}

/* Looks an id up without building it: most references are whole already. */
static void find_reference(const struct finder *finder, const struct value *ref)
{
    const char *text = value_text(ref);
    const struct entry *dependency;
    char *id;

    if (finder->groups && text != NULL && strncmp(text, "ns:", 3) == 0)
        find_namespace(finder, text + 3);
    if (finder->groups && text != NULL && strncmp(text, "group:", 6) == 0)
        find_group(finder, text + 6);
    id = entry_resolve(finder->entry, ref);
    if (id == NULL)
        return;
    dependency = snapshot_find(finder->state, id, strlen(id));
    free(id);
    if (dependency != NULL && dependency != finder->entry)
        finder->found(finder->context, dependency);
}

static void find_references(const struct finder *finder, const struct value *value,
                            bool list)
{
    if (!list || value->type != VALUE_LIST) {
        find_reference(finder, value);
        return;
    }
    for (size_t i = 0; i < value->as.list.n; i++)
        find_reference(finder, &value->as.list.items[i]);
}

/* Does key match one part of a pattern? */
static bool part_matches(const char *part, size_t n, const char *key)
{
    size_t n_key = strlen(key);

    if (n == 0 || part[0] != '*')
        return n == n_key && memcmp(part, key, n) == 0;
    return n_key >= n - 1 && memcmp(key + n_key - (n - 1), part + 1, n - 1) == 0;
}

struct step {
    const struct value *from;
    const char *rest; /* the pattern from here on */
    size_t next;      /* pair or item of from */
};

/* What comes next in from, NULL when it doesn't match; false behind the last. */
static bool take_next(struct step *step, size_t part, const struct value **next_out)
{
    const struct value *from = step->from;
    const struct value_pair *pair;

    if (from->type == VALUE_LIST && step->next < from->as.list.n) {
        bool any = part == 1 && step->rest[0] == '#';

        *next_out = any ? &from->as.list.items[step->next] : NULL;
        step->next = any ? step->next + 1 : from->as.list.n;
        return true;
    }
    if (from->type != VALUE_MAP || step->next >= from->as.map.n)
        return false;
    pair = &from->as.map.pairs[step->next++];
    *next_out = part_matches(step->rest, part, pair->key) ? &pair->value : NULL;
    return true;
}

/* Patterns are four parts deep at most, so the stack is. */
static void find_pattern(struct finder *finder, const struct value *root,
                         const char *pattern)
{
    struct step steps[6] = {{.from = root, .rest = pattern}};
    size_t n = 1;

    while (n > 0) {
        struct step *step = &steps[n - 1];
        size_t part = strcspn(step->rest, ".[");
        const struct value *next;

        if (!take_next(step, part, &next)) {
            n--;
            continue;
        }
        if (next == NULL)
            continue;
        if (step->rest[part] == '.') {
            steps[n] = (struct step){.from = next, .rest = step->rest + part + 1};
            n++;
        } else {
            find_references(finder, next, step->rest[part] == '[');
        }
    }
}

void entry_each_dependency(const struct entry *entry, struct needs *needs,
                           void (*found)(void *context, const struct entry *dependency),
                           void *context)
{
    struct finder finder = {.entry = entry,
                            .needs = needs,
                            .state = needs->state,
                            .found = found,
                            .context = context};

    for (size_t i = 0; i < N_ELEMENTS(patterns); i++) {
        const char *pattern = patterns[i];

        finder.groups = pattern[0] == '!';
        pattern += finder.groups ? 1 : 0;
        find_pattern(&finder, pattern[0] == 'm' ? &entry->meta : &entry->data,
                     strchr(pattern, '.') + 1);
    }
}

/* ---- sorting --------------------------------------------------------------------- */

struct node {
    struct entry *entry;
    size_t *dependants; /* nodes that need this one */
    size_t n, size;
    size_t n_missing;      /* needs of its own that aren't placed yet */
    size_t last_dependant; /* + 1: so that an edge that comes twice counts once */
};

struct graph {
    struct node *nodes; /* sorted by id */
    size_t n, from;
    struct map by_id;
    size_t *heap, n_heap; /* nodes that need nothing more, the smallest on top */
};

static int compare_entries(const void *left, const void *right)
{
    const struct entry *const *a = left, *const *b = right;

    return strcmp((*a)->id, (*b)->id);
}

static void add_edge(void *context, const struct entry *dependency)
{
    struct graph *graph = context;
    struct node *node = map_find(&graph->by_id, dependency->id, strlen(dependency->id));

    if (node == NULL || node->entry == graph->nodes[graph->from].entry ||
        node->last_dependant == graph->from + 1)
        return;
    node->last_dependant = graph->from + 1;
    if (node->n == node->size) {
        node->size = node->size == 0 ? 4 : node->size * 2;
        node->dependants =
            xrealloc(node->dependants, node->size * sizeof(*node->dependants));
    }
    node->dependants[node->n++] = graph->from;
    graph->nodes[graph->from].n_missing++;
}

static void heap_push(struct graph *graph, size_t node)
{
    size_t at = graph->n_heap++;

    while (at > 0 && graph->heap[(at - 1) / 2] > node) {
        graph->heap[at] = graph->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    graph->heap[at] = node;
}

static size_t heap_pop(struct graph *graph)
{
    size_t top = graph->heap[0], last = graph->heap[--graph->n_heap], at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < graph->n_heap && graph->heap[child + 1] < graph->heap[child])
            child++;
        if (child >= graph->n_heap || graph->heap[child] >= last)
            break;
        graph->heap[at] = graph->heap[child];
        at = child;
    }
    graph->heap[at] = last;
    return top;
}

static void build_graph(struct graph *graph, struct entry **entries, size_t n,
                        const struct snapshot *state)
{
    struct needs needs;

    needs_init(&needs, state);
    map_init(&graph->by_id);
    graph->n = n;
    graph->nodes = xcalloc(n + 1, sizeof(struct node));
    graph->heap = xcalloc(n + 1, sizeof(*graph->heap));
    for (size_t i = 0; i < n; i++) {
        graph->nodes[i].entry = entries[i];
        map_put(&graph->by_id, entries[i]->id, strlen(entries[i]->id),
                &graph->nodes[i]);
    }
    for (graph->from = 0; graph->from < n; graph->from++)
        entry_each_dependency(entries[graph->from], &needs, add_edge, graph);
    needs_finish(&needs);
}

static void finish_graph(struct graph *graph)
{
    for (size_t i = 0; i < graph->n; i++)
        free(graph->nodes[i].dependants);
    free(graph->nodes);
    free(graph->heap);
    map_finish(&graph->by_id);
}

size_t entries_sort_by_need(struct entry **entries, size_t n,
                            const struct snapshot *state)
{
    struct graph graph = {0};
    size_t placed = 0, n_cyclic;

    if (n > 1)
        qsort(entries, n, sizeof(void *), compare_entries);
    build_graph(&graph, entries, n, state);
    for (size_t i = 0; i < n; i++)
        if (graph.nodes[i].n_missing == 0)
            heap_push(&graph, i);
    while (graph.n_heap > 0) {
        struct node *node = &graph.nodes[heap_pop(&graph)];

        entries[placed++] = node->entry;
        node->entry = NULL;
        for (size_t i = 0; i < node->n; i++)
            if (--graph.nodes[node->dependants[i]].n_missing == 0)
                heap_push(&graph, node->dependants[i]);
    }
    n_cyclic = n - placed;
    for (size_t i = 0; i < n; i++)
        if (graph.nodes[i].entry != NULL)
            entries[placed++] = graph.nodes[i].entry;
    finish_graph(&graph);
    return n_cyclic;
}
