#include "common/flat.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/mem.h"
#include "common/value.h"
#include "common/value_walk.h"

struct flat_text {
    struct flat_text *next;
    char data[];
};

void flat_init(struct flat *flat)
{
    flat->nodes = flat->inline_nodes;
    flat->n = 0;
    flat->size = N_ELEMENTS(flat->inline_nodes);
    flat->texts = NULL;
    flat->hashes = NULL;
}

void flat_finish(struct flat *flat)
{
    struct flat_text *next;

    for (struct flat_text *text = flat->texts; text != NULL; text = next) {
        next = text->next;
        free(text);
    }
    if (flat->nodes != flat->inline_nodes)
        free(flat->nodes);
    free(flat->hashes);
    flat_init(flat);
}

/* ---- building -------------------------------------------------------------------- */

static bool grow(struct flat *flat)
{
    uint32_t size = flat->size * 2;
    struct flat_node *nodes;

    if (flat->size >= FLAT_MAX_NODES)
        return false;
    if (flat->nodes == flat->inline_nodes) {
        nodes = malloc(size * sizeof(*nodes));
        if (nodes != NULL)
            memcpy(nodes, flat->nodes, flat->n * sizeof(*nodes));
    } else {
        nodes = realloc(flat->nodes, size * sizeof(*nodes));
    }
    if (nodes == NULL)
        return false;
    flat->nodes = nodes;
    flat->size = size;
    return true;
}

uint32_t flat_add(struct flat *flat, enum flat_type type)
{
    uint32_t i = flat->n;

    if (i == flat->size && !grow(flat))
        return UINT32_MAX;
    flat->nodes[i] = (struct flat_node){.type = (uint8_t)type, .next = i + 1};
    flat->n++;
    return i;
}

const char *flat_keep_text(struct flat *flat, const char *text, size_t n_bytes)
{
    struct flat_text *kept = malloc(sizeof(*kept) + n_bytes);

    if (kept == NULL)
        return NULL;
    memcpy(kept->data, text, n_bytes);
    kept->next = flat->texts;
    flat->texts = kept;
    return kept->data;
}

static bool add_text(struct flat *flat, const char *text, size_t n_bytes)
{
    uint32_t i = flat_add(flat, FLAT_STRING);

    if (i == UINT32_MAX || n_bytes > UINT32_MAX)
        return false;
    flat->nodes[i].n = (uint32_t)n_bytes;
    flat->nodes[i].as.text = text;
    return true;
}

static bool add_node(struct flat *flat, const struct value *value)
{
    static const uint8_t types[] = {
        [VALUE_NIL] = FLAT_NULL,      [VALUE_BOOL] = FLAT_BOOL,
        [VALUE_INT] = FLAT_INT,       [VALUE_FLOAT] = FLAT_FLOAT,
        [VALUE_STRING] = FLAT_STRING, [VALUE_LIST] = FLAT_LIST,
        [VALUE_MAP] = FLAT_MAP,
    };
    uint32_t i;

    if (value->type == VALUE_STRING)
        return add_text(flat, value->as.string.data, value->as.string.n);
    i = flat_add(flat, types[value->type]);
    if (i == UINT32_MAX)
        return false;
    if (value->type == VALUE_BOOL)
        flat->nodes[i].as.boolean = value->as.boolean;
    else if (value->type == VALUE_INT)
        flat->nodes[i].as.integer = value->as.integer;
    else if (value->type == VALUE_FLOAT)
        flat->nodes[i].as.real = value->as.real;
    else if (value->type == VALUE_LIST)
        flat->nodes[i].n = (uint32_t)value->as.list.n;
    else if (value->type == VALUE_MAP)
        flat->nodes[i].n = (uint32_t)value->as.map.n;
    return true;
}

int flat_add_value(struct flat *flat, const struct value *value)
{
    struct value_walk walk;
    enum value_visit event;
    bool ok = true;

    value_walk_init(&walk, value);
    while (ok && (event = value_walk_next(&walk)) != VISIT_END) {
        if (event == VISIT_CLOSE) {
            flat->nodes[(uintptr_t)walk.aux].next = flat->n;
            continue;
        }
        if (walk.key != NULL)
            ok = add_text(flat, walk.key, strlen(walk.key));
        ok = ok && add_node(flat, walk.value);
        if (ok && event == VISIT_OPEN)
            value_walk_set_aux(&walk, (void *)(uintptr_t)(flat->n - 1));
    }
    value_walk_finish(&walk);
    return ok ? 0 : -1;
}

struct number flat_number(const struct flat_node *node)
{
    return node->type == FLAT_INT ? number_of_integer(node->as.integer)
                                  : number_of_real(node->as.real);
}

/* ---- equality -------------------------------------------------------------------- */

struct pair {
    uint32_t i, k;
};

/* Pairs of nodes that are still to be compared. */
struct comparison {
    const struct flat *a, *b;
    struct pair *pairs;
    size_t n, size;
    uint64_t steps; /* left */
};

static bool spend(struct comparison *c, uint64_t n)
{
    if (c->steps <= n) {
        c->steps = 0;
        return false;
    }
    c->steps -= n;
    return true;
}

static bool push_pair(struct comparison *c, uint32_t i, uint32_t k)
{
    if (c->n == c->size) {
        size_t size = c->size == 0 ? 64 : c->size * 2;
        struct pair *pairs = realloc(c->pairs, size * sizeof(*pairs));

        if (pairs == NULL) {
            c->steps = 0;
            return false;
        }
        c->pairs = pairs;
        c->size = size;
    }
    c->pairs[c->n++] = (struct pair){i, k};
    return true;
}

static bool texts_equal(const struct flat_node *x, const struct flat_node *y)
{
    return x->n == y->n && (x->n == 0 || memcmp(x->as.text, y->as.text, x->n) == 0);
}

static bool lists_match(struct comparison *c, uint32_t i, uint32_t k)
{
    const struct flat_node *x = c->a->nodes, *y = c->b->nodes;
    uint32_t n = x[i].n;

    if (n != y[k].n)
        return false;
    i++, k++;
    for (uint32_t item = 0; item < n; item++) {
        if (!spend(c, 1) || !push_pair(c, i, k))
            return false;
        i = x[i].next;
        k = y[k].next;
    }
    return true;
}

/* The value under that key of the map whose first pair is at first; *at is where to
 * begin, for most maps have their keys in the same order. */
static uint32_t find_key(struct comparison *c, const struct flat_node *key,
                         uint32_t first, uint32_t end, uint32_t *at)
{
    const struct flat_node *y = c->b->nodes;
    uint32_t start = *at;

    do {
        uint32_t k = *at, value = y[k].next;

        if (!spend(c, 1 + y[k].n / 64))
            return UINT32_MAX;
        *at = y[value].next == end ? first : y[value].next;
        if (texts_equal(key, &y[k]))
            return value;
    } while (*at != start);
    return UINT32_MAX;
}

static bool maps_match(struct comparison *c, uint32_t i, uint32_t k)
{
    const struct flat_node *x = c->a->nodes;
    uint32_t n = x[i].n, end = c->b->nodes[k].next, at = k + 1;

    if (n != c->b->nodes[k].n)
        return false;
    i++;
    for (uint32_t pair = 0; pair < n; pair++) {
        uint32_t value = x[i].next, other = find_key(c, &x[i], k + 1, end, &at);

        if (other == UINT32_MAX || !push_pair(c, value, other))
            return false;
        i = x[value].next;
    }
    return true;
}

static bool is_empty(const struct flat_node *node)
{
    return node->type == FLAT_EMPTY ||
           ((node->type == FLAT_LIST || node->type == FLAT_MAP) && node->n == 0);
}

/* Equal as far as the two nodes themselves say; what is in them is left to do. */
static bool nodes_match(struct comparison *c, uint32_t i, uint32_t k)
{
    const struct flat_node *x, *y;

    i = flat_resolve(c->a, i);
    k = flat_resolve(c->b, k);
    x = &c->a->nodes[i];
    y = &c->b->nodes[k];
    if (flat_is_number(x) && flat_is_number(y)) {
        struct number p = flat_number(x), q = flat_number(y);

        if (p.is_integer != q.is_integer)
            return false; /* whole numbers that fit are integers by now */
        return p.is_integer ? p.as.integer == q.as.integer : p.as.real == q.as.real;
    }
    if (x->type == FLAT_EMPTY || y->type == FLAT_EMPTY)
        return is_empty(x) && is_empty(y);
    if (x->type != y->type)
        return false;
    switch (x->type) {
    case FLAT_BOOL:
        return x->as.boolean == y->as.boolean;
    case FLAT_STRING:
        return spend(c, x->n / 64) && texts_equal(x, y);
    case FLAT_LIST:
        return lists_match(c, i, k);
    case FLAT_MAP:
        return maps_match(c, i, k);
    case FLAT_OTHER:
        return false;
    default:
        return true;
    }
}

bool flat_equal(const struct flat *a, uint32_t i, const struct flat *b, uint32_t k,
                uint64_t *steps)
{
    struct comparison c = {.a = a, .b = b, .steps = *steps};
    bool equal = spend(&c, 1) && nodes_match(&c, i, k);

    while (equal && c.n != 0) {
        struct pair pair = c.pairs[--c.n];

        equal = nodes_match(&c, pair.i, pair.k);
    }
    free(c.pairs);
    *steps = c.steps;
    return equal;
}

/* ---- hashes ---------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t hash_text(uint64_t seed, const char *text, size_t n)
{
    uint64_t hash = mix(seed, n);
    uint64_t word;

    for (; n >= 8; text += 8, n -= 8) {
        memcpy(&word, text, 8);
        hash = mix(hash, word);
    }
    word = 0;
    if (n != 0)
        memcpy(&word, text, n);
    return mix(hash, word);
}

static uint64_t hash_number(uint64_t seed, struct number number)
{
    uint64_t bits;

    if (number.is_integer)
        return mix(seed, (uint64_t)number.as.integer);
    memcpy(&bits, &number.as.real, 8);
    return mix(mix(seed, 1), bits);
}

/* Keys come in any order, so the pairs are summed up. */
static uint64_t hash_map(const struct flat *flat, uint32_t i, uint64_t seed)
{
    const struct flat_node *nodes = flat->nodes;
    uint64_t sum = 0;
    uint32_t at = i + 1;

    for (uint32_t pair = 0; pair < nodes[i].n; pair++) {
        uint32_t value = nodes[at].next;

        sum += mix(mix(seed, flat->hashes[at]), flat->hashes[value]);
        at = nodes[value].next;
    }
    return mix(mix(seed, 3), sum);
}

static uint64_t hash_list(const struct flat *flat, uint32_t i, uint64_t seed)
{
    const struct flat_node *nodes = flat->nodes;
    uint64_t hash = mix(seed, 4);
    uint32_t at = i + 1;

    for (uint32_t item = 0; item < nodes[i].n; item++, at = nodes[at].next)
        hash = mix(hash, flat->hashes[at]);
    return hash;
}

static uint64_t hash_node(const struct flat *flat, uint32_t i, uint64_t seed)
{
    const struct flat_node *node = &flat->nodes[i];

    if (is_empty(node))
        return mix(seed, 5);
    switch (node->type) {
    case FLAT_BOOL:
        return mix(seed, 6 + node->as.boolean);
    case FLAT_INT:
    case FLAT_FLOAT:
        return hash_number(seed, flat_number(node));
    case FLAT_STRING:
        return hash_text(seed, node->as.text, node->n);
    case FLAT_LIST:
        return hash_list(flat, i, seed);
    case FLAT_MAP:
        return hash_map(flat, i, seed);
    default:
        return mix(seed, 8 + node->type);
    }
}

/* A table that is here twice is known only by its first place, whose hash comes later
 * than that of the second: all tables get the same one then. */
static void level_tables(struct flat *flat, uint64_t seed)
{
    for (uint32_t i = 0; i < flat->n; i++) {
        uint8_t type = flat->nodes[i].type;

        if (type == FLAT_LIST || type == FLAT_MAP || type == FLAT_EMPTY ||
            type == FLAT_SAME)
            flat->hashes[i] = seed;
    }
}

bool flat_make_hashes(struct flat *flat)
{
    uint64_t seed = (uintptr_t)flat;
    bool shared = false;

    if (flat->hashes != NULL)
        return true;
    flat->hashes = malloc(flat->n * sizeof(*flat->hashes));
    if (flat->hashes == NULL)
        return false;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = mix(seed, (uintptr_t)flat->hashes);
    for (uint32_t i = flat->n; i-- > 0;) { /* what is inside comes first */
        flat->hashes[i] = hash_node(flat, i, seed);
        shared = shared || flat->nodes[i].type == FLAT_SAME;
    }
    if (shared)
        level_tables(flat, seed);
    return true;
}
