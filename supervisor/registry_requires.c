#include "supervisor/registry_requires.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry_kinds.h"

#define NAME_BYTES 64 /* longer ones are no names */

struct scan {
    const char *at;
    unsigned line;
    char before; /* the last character that is no blank */
};

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void skip_to(struct scan *scan, const char *end)
{
    for (; scan->at < end; scan->at++)
        scan->line += *scan->at == '\n';
}

/* "[[ ... ]]", "[==[ ... ]==]". False: there is none here. */
static bool skip_long_bracket(struct scan *scan)
{
    size_t n_equals = strspn(scan->at + 1, "=");
    const char *end = scan->at + 1 + n_equals;

    if (*scan->at != '[' || *end != '[')
        return false;
    while ((end = strchr(end, ']')) != NULL) {
        end++;
        if (strspn(end, "=") == n_equals && end[n_equals] == ']')
            break;
    }
    skip_to(scan, end != NULL ? end + n_equals + 1 : scan->at + strlen(scan->at));
    return true;
}

static void skip_string(struct scan *scan)
{
    const char *end = scan->at + 1;

    while (*end != '\0' && *end != *scan->at && *end != '\n')
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    skip_to(scan, *end == *scan->at ? end + 1 : end);
}

static void skip_comment(struct scan *scan)
{
    scan->at += 2;
    if (*scan->at != '[' || !skip_long_bracket(scan))
        scan->at += strcspn(scan->at, "\n");
}

/* What stands behind "require", if that is one plain text and nothing else. */
static bool read_argument(const char *at, char name[NAME_BYTES])
{
    bool in_parens;
    size_t n;
    char quote;

    at += strspn(at, " \t\r\n");
    in_parens = *at == '(';
    if (in_parens)
        at += 1 + strspn(at + 1, " \t\r\n");
    quote = *at++;
    if (quote != '"' && quote != '\'')
        return false;
    n = strcspn(at, "\"'\\\r\n");
    if (at[n] != quote || n == 0 || n >= NAME_BYTES)
        return false;
    snprintf(name, NAME_BYTES, "%.*s", (int)n, at);
    at += n + 1;
    return !in_parens || at[strspn(at, " \t\r\n")] == ')';
}

static bool is_there(const struct entry *entry, const char *name)
{
    if (module_is_always_there(name))
        return true;
    for (size_t i = 0; i < entry->n_modules; i++)
        if (strcmp(entry->bindings[i].name, name) == 0)
            return true;
    return false;
}

static void check_name(const struct entry *entry, unsigned line, const char *name,
                       struct problems *problems)
{
    struct problem_at at = entry_source_at(entry, line, 0);
    char hint[200];

    if (is_there(entry, name))
        return;
    if (module_is_known(name))
        snprintf(hint, sizeof(hint), "add %s to the entry's modules", name);
    else
        snprintf(hint, sizeof(hint),
                 "import the library that is meant, imports: {%s: "
                 "namespace:name}",
                 strchr(name, ':') != NULL ? "alias" : name);
    problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, hint,
                 "the source requires %s, which the entry doesn't have", name);
}

/* A name or number begins here. */
static void take_word(struct scan *scan, const struct entry *entry,
                      struct problems *problems)
{
    static const char require[] = "require";
    size_t n = 1;
    char name[NAME_BYTES];

    while (is_name_char(scan->at[n]))
        n++;
    if (n == sizeof(require) - 1 && memcmp(scan->at, require, n) == 0 &&
        scan->before != '.' && scan->before != ':' && read_argument(scan->at + n, name))
        check_name(entry, scan->line, name, problems);
    scan->before = scan->at[n - 1];
    scan->at += n;
}

static void take_other(struct scan *scan)
{
    if (!isspace((unsigned char)*scan->at))
        scan->before = *scan->at;
    skip_to(scan, scan->at + 1);
}

void requires_check(const struct entry *entry, struct problems *problems)
{
    const char *source = value_get_text(entry_fields(entry), "source");
    struct scan scan = {.at = source, .line = 1};

    if (source == NULL || entry->n_bindings > entry->n_modules ||
        (entry->type->flags & KIND_METHOD) == 0)
        return;
    while (*scan.at != '\0') {
        if (scan.at[0] == '-' && scan.at[1] == '-')
            skip_comment(&scan);
        else if (*scan.at == '"' || *scan.at == '\'')
            skip_string(&scan);
        else if (is_name_char(*scan.at))
            take_word(&scan, entry, problems);
        else if (*scan.at != '[' || !skip_long_bracket(&scan))
            take_other(&scan);
    }
}
