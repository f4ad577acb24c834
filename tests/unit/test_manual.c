#include "supervisor/manual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct manual manual;

static void set_up(void)
{
    static const char *const synopsis[] = {"prog COMMAND", NULL};
    static const struct manual_section sections[] = {
        {"FILES", "/a/b\tWhat is there.\n/c\tMore."}};
    static const struct manual_command commands[] = {
        {"list", "list", "all of them", NULL, NULL, "Reading", 0},
        {"get", "get NS:ENTRY [FILE...]", "one of them", "Says - more.", "things",
         "Reading", 1},
        {"set colour", "set colour red|blue", "paint it", NULL, NULL, "Writing", 2},
        {"set size", "set size N", "grow it", NULL, NULL, "Writing", 0},
        {"help", "help [COMMAND]", "help", NULL, NULL, "Writing", 0},
    };
    static const struct manual_flag flags[] = {
        {"level", "low|high", "how much", 0, 'l'},
        {"like", "NS:ENTRY", "as another", 2, 0},
        {"into", "DIR", "where to", 1, 0},
        {"dry", NULL,
         "nothing is done, which is a text that is long enough to be "
         "wrapped in any terminal of eighty columns",
         2, 0},
    };

    manual = (struct manual){.program = "prog",
                             .page_section = "1",
                             .summary = "does it",
                             .synopsis = synopsis,
                             .description = ".It does\n\n    prog -x\n\nAll.",
                             .examples = "    prog list\n",
                             .sections = sections,
                             .n_sections = 1,
                             .see_also = "other(1)"};
    for (unsigned i = 0; i < N_ELEMENTS(commands); i++)
        manual_add_command(&manual, &commands[i]);
    for (unsigned i = 0; i < N_ELEMENTS(flags); i++)
        manual_add_flag(&manual, &flags[i]);
}

static char printed[8192];

static FILE *paper(void)
{
    memset(printed, 0, sizeof(printed));
    return fmemopen(printed, sizeof(printed) - 1, "w");
}

static const char *help_about(const char *about)
{
    FILE *out = paper();
    bool found = manual_print_help(&manual, about, out);

    fclose(out);
    return found ? printed : NULL;
}

static const char *page(void)
{
    FILE *out = paper();

    manual_print_page(&manual, out);
    fclose(out);
    return printed;
}

static void ask(void *context, const char *what, const struct manual_offers *offers)
{
    const char *expected = context;

    if (expected != NULL && strcmp(what, expected) == 0) {
        manual_offer(offers, "app:one", "first");
        manual_offer(offers, "app:two", NULL);
        manual_offer(offers, "app:\x1b[2Jthree", NULL); /* leaves the screen alone */
        manual_offer(offers, "app:\n:files", NULL);
    }
}

/* What is offered for a line whose last word is being typed. */
static const char *complete(const char *line, const char *known)
{
    char copy[200];
    const char *words[16];
    unsigned n = 0;
    FILE *out = paper();

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = copy, *word; (word = strsep(&at, " ")) != NULL;)
        words[n++] = word;
    manual_complete(&manual, words, n, ask, (void *)(uintptr_t)known, out);
    fclose(out);
    return printed;
}

static void ck_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text);
}

START_TEST(manual_help_lists_commands_by_group_and_what_all_take)
{
    const char *text = help_about(NULL);

    ck_has(text, "usage: prog COMMAND\n");
    ck_has(text, "Does it.\n");
    ck_has(text, "Reading:\n  list   ");
    ck_has(text, "\nWriting:\n  set colour red|blue");
    ck_has(text, "-l, --level low|high");
    ck_assert_ptr_null(strstr(text, "--into"));
}
END_TEST

START_TEST(manual_help_about_one_has_its_notes_and_options)
{
    ck_has(help_about("get"), "Says - more.");
    ck_has(printed, "--into DIR");
    ck_assert_ptr_null(strstr(printed, "--dry"));
    ck_has(help_about("set"), "set size N"); /* both commands of two words */
    ck_has(printed, "set colour red|blue");
    ck_has(help_about("set size"), "grow it");
    ck_assert_ptr_null(strstr(printed, "colour"));
    ck_assert_ptr_null(help_about("nix"));
}
END_TEST

START_TEST(manual_help_fits_eighty_columns)
{
    const char *const about[] = {NULL, "get", "set"};

    for (unsigned i = 0; i < 3; i++) {
        const char *line = help_about(about[i]);

        ck_assert_ptr_nonnull(line);
        for (; *line != '\0'; line += strcspn(line, "\n") + 1)
            ck_assert_uint_le(strcspn(line, "\n"), 80);
    }
}
END_TEST

START_TEST(manual_page_quotes_what_troff_would_take)
{
    const char *text = page();

    ck_has(text, ".TH PROG 1 ");
    ck_has(text, "\n\\&.It does\n");
    ck_has(text, ".nf\nprog \\-x\n.fi\n");
    ck_has(text, "Says \\- more.");
    ck_has(text, "\\fB/a/b\\fR\nWhat is there.");
    ck_has(text, ".SS Writing\n");
    ck_has(text, ".SH SEE ALSO\nother(1)\n");
}
END_TEST

START_TEST(manual_completes_commands)
{
    ck_assert_str_eq(
        complete("", NULL),
        "list\tall of them\nget\tone of them\nset\tpaint it\nhelp\thelp\n");
    ck_assert_str_eq(complete("l", NULL), "list\tall of them\n");
    ck_assert_str_eq(complete("set ", NULL), "colour\tpaint it\nsize\tgrow it\n");
    ck_assert_str_eq(complete("-l low set s", NULL), "size\tgrow it\n");
    ck_assert_str_eq(complete("help se", NULL), "set\tpaint it\n");
    ck_assert_str_eq(complete("nix ", NULL), "");
}
END_TEST

START_TEST(manual_completes_options_and_their_values)
{
    ck_assert_str_eq(complete("list --", NULL), "--level\thow much\n");
    ck_assert_str_eq(complete("get --i", NULL), "--into\twhere to\n");
    ck_assert_str_eq(complete("list --level h", NULL), "high\t\n");
    ck_assert_str_eq(complete("list -l ", NULL), "low\t\nhigh\t\n");
    ck_assert_str_eq(complete("list --level=l", NULL), "--level=low\t\n");
    ck_assert_str_eq(complete("get --into ", NULL), ":folders\n");
    ck_assert_str_eq(complete("get --into=/tm", NULL), ":folders\n");
    ck_assert_str_eq(complete("get --nix=/tm", NULL), "");
    ck_assert_str_eq(complete("set colour --like=app:t", "NS:ENTRY"),
                     "--like=app:two\t\n");
}
END_TEST

START_TEST(manual_completes_arguments_by_their_names)
{
    ck_assert_str_eq(complete("set colour ", NULL), "red\t\nblue\t\n");
    ck_assert_str_eq(complete("set colour red ", NULL), "");
    ck_assert_str_eq(complete("get ", "things"), "app:one\tfirst\napp:two\t\n");
    ck_assert_str_eq(complete("get app:t", "things"), "app:two\t\n");
    ck_assert_str_eq(complete("get app:one ", NULL), ":files\n");
    ck_assert_str_eq(complete("get app:one a b ", NULL), ":files\n"); /* repeats */
    ck_assert_str_eq(complete("set size ", "N"), "app:one\tfirst\napp:two\t\n");
    ck_assert_str_eq(complete("list ", "things"), "");
}
END_TEST

START_TEST(manual_has_scripts_for_three_shells)
{
    const char *const shells[] = {"bash", "zsh", "fish"};

    for (unsigned i = 0; i < 3; i++) {
        FILE *out = paper();

        ck_assert(manual_print_completion("prog", shells[i], out));
        fclose(out);
        ck_has(printed, "_prog");
        ck_assert_ptr_null(strstr(printed, "%P"));
    }
    ck_assert(!manual_print_completion("prog", "csh", stdout));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, manual_help_lists_commands_by_group_and_what_all_take);
    tcase_add_test(tc, manual_help_about_one_has_its_notes_and_options);
    tcase_add_test(tc, manual_help_fits_eighty_columns);
    tcase_add_test(tc, manual_page_quotes_what_troff_would_take);
    tcase_add_test(tc, manual_completes_commands);
    tcase_add_test(tc, manual_completes_options_and_their_values);
    tcase_add_test(tc, manual_completes_arguments_by_their_names);
    tcase_add_test(tc, manual_has_scripts_for_three_shells);
}

int main(void)
{
    return unit_main("manual", fill);
}
