#include "supervisor/registry_query.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/regex.h"
#include "common/value.h"

#include "supervisor/registry.h"

enum test {
    TEST_ROOT,
    TEST_EQUAL,
    TEST_REGEX,
    TEST_CONTAINS,
    TEST_PREFIX,
    TEST_SUFFIX,
};

struct criterion {
    enum test test;
    const char *key; /* "kind", or the flat key of meta */
    const struct value *want;
    struct regex *regex;
};

struct query {
    struct criterion *criteria;
    size_t n, size;
};

/* ---- making one ------------------------------------------------------------------ */

static bool is_root_field(const char *key)
{
    return strcmp(key, "kind") == 0 || strcmp(key, "ns") == 0 ||
           strcmp(key, "name") == 0 || strcmp(key, "id") == 0;
}

static void add(struct query *query, enum test test, const char *key,
                const struct value *want, struct regex *regex)
{
    if (query->n == query->size) {
        query->size = query->size == 0 ? 4 : query->size * 2;
        query->criteria =
            xrealloc(query->criteria, query->size * sizeof(*query->criteria));
    }
    query->criteria[query->n++] =
        (struct criterion){.test = test, .key = key, .want = want, .regex = regex};
}

static void add_regex(struct query *query, const char *key, const struct value *want)
{
    char why[200];
    struct regex *regex =
        regex_create(want->as.string.data, want->as.string.n, why, sizeof(why));

    if (regex == NULL)
        log_warn("pattern of a registry query is wrong, leaving the criterion out",
                 "field=%s pattern=%s why=%s", key, want->as.string.data, why);
    else
        add(query, TEST_REGEX, key, want, regex);
}

static enum test test_of(char sign)
{
    return sign == '~'   ? TEST_REGEX
           : sign == '*' ? TEST_CONTAINS
           : sign == '^' ? TEST_PREFIX
           : sign == '$' ? TEST_SUFFIX
                         : TEST_EQUAL;
}

static void warn_bare(const char *key)
{
    log_warn("metadata field must use 'meta.' prefix, taking it for that",
             "field=%s use_instead=%s%s", key, is_root_field(key) ? "." : "meta.", key);
}

static void add_criterion(struct query *query, const char *key,
                          const struct value *want)
{
    enum test test = test_of(key[0]);
    const char *field = test == TEST_EQUAL ? key : key + 1;

    if (field[0] == '.') {
        if (test == TEST_EQUAL && is_root_field(field + 1) &&
            want->type == VALUE_STRING)
            add(query, TEST_ROOT, field + 1, want, NULL);
        return;
    }
    if (strncmp(field, "meta.", 5) == 0) {
        field += 5;
    } else {
        warn_bare(field);
        if (test == TEST_EQUAL && is_root_field(field)) {
            if (want->type == VALUE_STRING)
                add(query, TEST_ROOT, field, want, NULL);
            return;
        }
    }
    if (test != TEST_EQUAL && want->type != VALUE_STRING)
        return;
    if (test == TEST_REGEX)
        add_regex(query, field, want);
    else
        add(query, test, field, want, NULL);
}

struct query *query_create(const struct value *filter)
{
    struct query *query = xcalloc(1, sizeof(*query));

    if (filter->type != VALUE_MAP)
        return query;
    for (size_t i = 0; i < filter->as.map.n; i++) {
        const struct value_pair *pair = &filter->as.map.pairs[i];

        if (strcmp(pair->key, "meta") != 0 || pair->value.type != VALUE_MAP) {
            add_criterion(query, pair->key, &pair->value);
            continue;
        }
        for (size_t k = 0; k < pair->value.as.map.n; k++)
            add_criterion(query, pair->value.as.map.pairs[k].key,
                          &pair->value.as.map.pairs[k].value);
    }
    return query;
}

void query_destroy(struct query *query)
{
    if (query == NULL)
        return;
    for (size_t i = 0; i < query->n; i++)
        regex_destroy(query->criteria[i].regex);
    free(query->criteria);
    free(query);
}

/* ---- matching -------------------------------------------------------------------- */

static bool glob_matches(const char *glob, const char *text, size_t n)
{
    const char *star = strchr(glob, '*');
    size_t n_before, n_after;

    if (star == NULL)
        return strlen(glob) == n && memcmp(glob, text, n) == 0;
    n_before = (size_t)(star - glob);
    n_after = strlen(star + 1);
    return n >= n_before + n_after && memcmp(glob, text, n_before) == 0 &&
           memcmp(star + 1, text + n - n_after, n_after) == 0;
}

static bool root_matches(const struct criterion *criterion, const struct entry *entry)
{
    const char *glob = criterion->want->as.string.data;

    switch (criterion->key[0]) {
    case 'k':
        return glob_matches(glob, entry->kind, strlen(entry->kind));
    case 'i':
        return glob_matches(glob, entry->id, strlen(entry->id));
    case 'n':
        if (criterion->key[1] == 's')
            return glob_matches(glob, entry->id, entry->namespace_bytes);
        return glob_matches(glob, entry->name, strlen(entry->name));
    default:
        return false;
    }
}

static bool is_number(const struct value *value)
{
    return value->type == VALUE_INT || value->type == VALUE_FLOAT;
}

static double number_of(const struct value *value)
{
    return value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
}

static bool list_holds(const struct value *list, const struct value *item)
{
    for (size_t i = 0; i < list->as.list.n; i++)
        if (value_equal(&list->as.list.items[i], item))
            return true;
    return false;
}

static bool equal_matches(const struct value *want, const struct value *have)
{
    if (want->type == VALUE_LIST && have->type == VALUE_LIST) {
        for (size_t i = 0; i < want->as.list.n; i++)
            if (!list_holds(have, &want->as.list.items[i]))
                return false;
        return true;
    }
    /* Whole numbers may have become floats on their way through Lua. */
    if (is_number(want) && is_number(have) && want->type != have->type)
        return number_of(want) == number_of(have);
    return value_equal(want, have);
}

static bool contains(const struct value *text, const struct value *part)
{
    return text->type == VALUE_STRING &&
           memmem(text->as.string.data, text->as.string.n, part->as.string.data,
                  part->as.string.n) != NULL;
}

static bool contains_matches(const struct value *want, const struct value *have)
{
    if (have->type != VALUE_LIST)
        return contains(have, want);
    for (size_t i = 0; i < have->as.list.n; i++)
        if (contains(&have->as.list.items[i], want))
            return true;
    return false;
}

static bool text_matches(const struct criterion *criterion, const struct value *have)
{
    size_t n = have->as.string.n, n_want = criterion->want->as.string.n;
    const char *text = have->as.string.data, *want = criterion->want->as.string.data;

    if (have->type != VALUE_STRING)
        return false;
    if (criterion->test == TEST_REGEX)
        return regex_matches(criterion->regex, text, n);
    if (n < n_want)
        return false;
    return memcmp(criterion->test == TEST_PREFIX ? text : text + n - n_want, want,
                  n_want) == 0;
}

static bool criterion_matches(const struct criterion *criterion,
                              const struct entry *entry)
{
    const struct value *have;

    if (criterion->test == TEST_ROOT)
        return root_matches(criterion, entry);
    have = value_get(&entry->meta, criterion->key);
    if (have == NULL)
        return false;
    if (criterion->test == TEST_EQUAL)
        return equal_matches(criterion->want, have);
    if (criterion->test == TEST_CONTAINS)
        return contains_matches(criterion->want, have);
    return text_matches(criterion, have);
}

static bool matches(const struct query *query, const struct entry *entry)
{
    for (size_t i = 0; i < query->n; i++)
        if (!criterion_matches(&query->criteria[i], entry))
            return false;
    return true;
}

void query_run(const struct query *query, const struct snapshot *state,
               void (*found)(void *context, const struct entry *entry), void *context)
{
    for (size_t i = 0; i < state->n; i++)
        if (matches(query, state->entries[i]))
            found(context, state->entries[i]);
}
