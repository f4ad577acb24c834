#include "supervisor/registry_disable.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"

static bool alternative_matches(const char *list, size_t n_list, const char *text,
                                size_t n)
{
    while (n_list > 0) {
        const char *bar = memchr(list, '|', n_list);
        size_t n_one = bar == NULL ? n_list : (size_t)(bar - list);

        if (n_one == n && memcmp(list, text, n) == 0)
            return true;
        n_list -= bar == NULL ? n_list : n_one + 1;
        list += n_one + 1;
    }
    return false;
}

static bool segment_matches(const char *pattern, size_t n_pattern, const char *text,
                            size_t n)
{
    if (n_pattern == 1 && pattern[0] == '*')
        return true;
    if (n_pattern > 2 && pattern[0] == '(' && pattern[n_pattern - 1] == ')')
        return alternative_matches(pattern + 1, n_pattern - 2, text, n);
    return n_pattern == n && memcmp(pattern, text, n) == 0;
}

static size_t segment_bytes(const char *text)
{
    return strcspn(text, ".:");
}

static const char *skip_segment(const char *text)
{
    size_t n = segment_bytes(text);

    return text + n + (text[n] != '\0');
}

/* As with globs: after a mismatch the last "**" swallows one segment more. */
bool pattern_matches(const char *pattern, const char *text)
{
    const char *retry_pattern = NULL, *retry_text = NULL;

    for (;;) {
        size_t n_pattern = segment_bytes(pattern);

        if (n_pattern == 2 && memcmp(pattern, "**", 2) == 0) {
            pattern = skip_segment(pattern);
            if (*pattern == '\0')
                return true;
            retry_pattern = pattern;
            retry_text = text;
            continue;
        }
        if (*text == '\0' && *pattern == '\0')
            return true;
        if (*text != '\0' && *pattern != '\0' &&
            segment_matches(pattern, n_pattern, text, segment_bytes(text))) {
            pattern = skip_segment(pattern);
            text = skip_segment(text);
            continue;
        }
        if (retry_text == NULL || *retry_text == '\0')
            return false;
        retry_text = skip_segment(retry_text);
        text = retry_text;
        pattern = retry_pattern;
    }
}

static bool any_pattern_matches(const struct value *list, const char *text)
{
    const char *one = value_text(list);

    if (one != NULL)
        return pattern_matches(one, text);
    for (size_t i = 0; i < value_list_n(list); i++) {
        one = value_text(&list->as.list.items[i]);
        if (one != NULL && pattern_matches(one, text))
            return true;
    }
    return false;
}

static bool meta_matches(const struct value *fields, const struct value *meta)
{
    for (size_t i = 0; i < value_map_n(fields); i++) {
        const struct value_pair *pair = &fields->as.map.pairs[i];
        const struct value *have = value_get(meta, pair->key);

        if (have == NULL)
            continue;
        if (value_equal(have, &pair->value))
            return true;
        for (size_t k = 0; pair->value.type == VALUE_LIST && k < pair->value.as.list.n;
             k++)
            if (value_equal(have, &pair->value.as.list.items[k]))
                return true;
    }
    return false;
}

void registry_disable(const struct value *disable, struct entry_list *entries)
{
    size_t kept = 0;

    if (disable == NULL)
        return;
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = entries->items[i];
        char *namespace = xstrndup(entry->id, entry->namespace_bytes);
        bool gone = any_pattern_matches(value_get(disable, "namespaces"), namespace) ||
                    any_pattern_matches(value_get(disable, "entries"), entry->id) ||
                    meta_matches(value_get(disable, "meta"), &entry->meta);

        free(namespace);
        if (gone)
            entry_unref(entry);
        else
            entries->items[kept++] = entry;
    }
    entries->n = kept;
}
