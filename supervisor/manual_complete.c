#include "supervisor/manual.h"

#include <ctype.h>
#include <string.h>

#include "common/text_end.h"

/* What of the command line stands before the word that is typed. */
struct typed {
    const struct manual_command *command;
    const char *group;              /* "registry": the second word is still to come */
    const struct manual_flag *flag; /* wants its value now */
    unsigned n_args;                /* behind the command */
    bool is_unknown;                /* no such command */
};

void manual_offer(const struct manual_offers *offers, const char *word,
                  const char *help)
{
    if (strncmp(word, offers->typed, strlen(offers->typed)) != 0)
        return;
    for (const char *at = word; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            return;
    }
    fprintf(offers->out, "%.*s%s\t%s\n", offers->option_bytes, offers->option, word,
            help != NULL ? help : "");
}

static const struct manual_flag *find_flag(const struct manual *manual,
                                           const char *text)
{
    for (unsigned i = 0; i < manual->n_flags; i++) {
        const struct manual_flag *flag = &manual->flags[i];

        if (text[1] == '-' ? strcmp(flag->name, text + 2) == 0
                           : flag->letter == text[1] && text[2] == '\0')
            return flag;
    }
    return NULL;
}

static void take_command_word(struct typed *typed, const struct manual *manual,
                              const char *word)
{
    const char *group = typed->group;

    typed->group = NULL;
    for (unsigned i = 0; i < manual->n_commands; i++) {
        const struct manual_command *command = &manual->commands[i];
        const char *blank = strchr(command->name, ' ');

        if (group == NULL ? strcmp(command->name, word) == 0
                          : manual_is_about(command, group) && blank != NULL &&
                                strcmp(blank + 1, word) == 0) {
            typed->command = command;
            return;
        }
        if (group == NULL && blank != NULL && manual_is_about(command, word))
            typed->group = word;
    }
    typed->is_unknown = typed->group == NULL;
}

static struct typed read_words(const struct manual *manual, const char *const *words,
                               unsigned n)
{
    struct typed typed = {0};

    for (unsigned i = 0; i < n; i++) {
        const struct manual_flag *flag = NULL;

        if (typed.flag != NULL) {
            typed.flag = NULL;
        } else if (words[i][0] == '-' && words[i][1] != '\0') {
            flag = find_flag(manual, words[i]);
            typed.flag = flag != NULL && flag->value != NULL ? flag : NULL;
        } else if (typed.command == NULL) {
            take_command_word(&typed, manual, words[i]);
        } else {
            typed.n_args++;
        }
    }
    return typed;
}

/* The n-th word of a usage behind the name, without brackets; the last one repeats when
 * dots say so. */
static bool argument_name(const struct manual_command *command, unsigned n, char *out,
                          size_t out_bytes)
{
    const char *at = command->usage + strlen(command->name);
    const char *name = "";
    size_t n_bytes = 0;
    bool repeats = false;

    for (unsigned i = 0; i <= n; i++) {
        at += strspn(at, " []");
        if (*at == '\0')
            break;
        name = at;
        n_bytes = strcspn(at, " []");
        repeats = n_bytes > 3 && memcmp(at + n_bytes - 3, "...", 3) == 0;
        at += n_bytes;
        if (i == n)
            repeats = true; /* it is the one, whether it does or not */
    }
    if (!repeats || n_bytes == 0)
        return false;
    if (n_bytes > 3 && memcmp(name + n_bytes - 3, "...", 3) == 0)
        n_bytes -= 3;
    snprintf(out, out_bytes, "%.*s", (int)n_bytes, name);
    return true;
}

static bool is_choices(const char *name)
{
    return islower((unsigned char)name[0]) && strchr(name, '|') != NULL;
}

static void offer_choices(const struct manual_offers *offers, const char *names)
{
    while (*names != '\0') {
        size_t n = strcspn(names, "|");
        char word[60];

        snprintf(word, sizeof(word), "%.*s", (int)n, names);
        manual_offer(offers, word, NULL);
        names += n + (names[n] == '|');
    }
}

struct completion {
    const struct manual *manual;
    struct manual_offers offers;
    manual_ask *ask;
    void *context;
};

static void offer_values(const struct completion *completion, const char *name,
                         const char *entries)
{
    if (is_choices(name))
        offer_choices(&completion->offers, name);
    else if (strcmp(name, "DIR") == 0)
        fputs(":folders\n", completion->offers.out);
    else if (strcmp(name, "PATH") == 0 || strncmp(name, "FILE", 4) == 0 ||
             text_ends_with(name, ".wapp"))
        fputs(":files\n", completion->offers.out);
    else if (completion->ask != NULL)
        completion->ask(completion->context,
                        strcmp(name, "NS:ENTRY") == 0 && entries != NULL ? entries
                                                                         : name,
                        &completion->offers);
}

static void offer_flags(const struct completion *completion,
                        const struct manual_command *command)
{
    for (unsigned i = 0; i < completion->manual->n_flags; i++) {
        const struct manual_flag *flag = &completion->manual->flags[i];
        char word[80];

        if (flag->of != 0 && (command == NULL || (command->flags & flag->of) == 0))
            continue;
        snprintf(word, sizeof(word), "--%s", flag->name);
        manual_offer(&completion->offers, word, flag->help);
    }
}

/* Each first word once, with the help of the first command that has it. */
static void offer_commands(const struct completion *completion, const char *group)
{
    const struct manual *manual = completion->manual;
    char last[60] = "";

    for (unsigned i = 0; i < manual->n_commands; i++) {
        const struct manual_command *command = &manual->commands[i];
        const char *blank = strchr(command->name, ' ');
        char word[60];

        if (group != NULL && (blank == NULL || !manual_is_about(command, group)))
            continue;
        snprintf(word, sizeof(word), "%.*s",
                 (int)(group == NULL ? strcspn(command->name, " ") : sizeof(word)),
                 group == NULL ? command->name : blank + 1);
        if (strcmp(word, last) != 0)
            manual_offer(&completion->offers, word, command->help);
        memcpy(last, word, sizeof(last));
    }
}

/* "--level=de": the words to offer begin with the option. */
static bool complete_glued(const struct completion *completion, const char *text)
{
    const char *equals = strchr(text, '=');
    struct completion behind = *completion;
    char name[80];
    const struct manual_flag *flag;

    if (strncmp(text, "--", 2) != 0 || equals == NULL)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    flag = find_flag(completion->manual, name);
    if (flag == NULL || flag->value == NULL)
        return true;
    behind.offers.typed = equals + 1;
    behind.offers.option = text;
    behind.offers.option_bytes = (int)(equals + 1 - text);
    offer_values(&behind, flag->value, NULL);
    return true;
}

void manual_complete(const struct manual *manual, const char *const *words,
                     unsigned n_words, manual_ask *ask, void *context, FILE *out)
{
    const char *last = n_words > 0 ? words[n_words - 1] : "";
    struct typed typed = read_words(manual, words, n_words > 0 ? n_words - 1 : 0);
    struct completion completion = {manual, {out, last, "", 0}, ask, context};
    char name[80];

    if (typed.flag != NULL)
        offer_values(&completion, typed.flag->value, NULL);
    else if (complete_glued(&completion, last))
        return;
    else if (last[0] == '-')
        offer_flags(&completion, typed.command);
    else if (typed.command == NULL && !typed.is_unknown)
        offer_commands(&completion, typed.group);
    else if (typed.command != NULL &&
             argument_name(typed.command, typed.n_args, name, sizeof(name))) {
        if (strcmp(name, "COMMAND") == 0)
            offer_commands(&completion, NULL);
        else
            offer_values(&completion, name, typed.command->completes);
    }
}
