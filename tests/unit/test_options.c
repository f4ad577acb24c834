#include "supervisor/options.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "tests/unit/unit.h"

static struct options options;
static struct err err;

/* line is split at blanks; argv[0] comes first in it. */
static int parse(const char *line)
{
    static char copy[300];
    static char *argv[20];
    int argc = 0;

    options_finish(&options);
    memset(&err, 0, sizeof(err));
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(&options, argc, argv, &err);
}

START_TEST(options_take_the_foreground_form)
{
    ck_assert_int_eq(
        parse("supervisor --config a.yaml -c b --state=/s --control /c.sock "
              "--log-format json --log-level debug -s"),
        0);
    ck_assert_int_eq(options.command, COMMAND_BOOT);
    ck_assert_uint_eq(options.configs.n, 2);
    ck_assert_str_eq(options.configs.items[1], "b");
    ck_assert_str_eq(options.state, "/s");
    ck_assert_str_eq(options.control, "/c.sock");
    ck_assert_int_eq(options.log_format, LOG_JSON);
    ck_assert_int_eq(options.log_level, LOG_DEBUG);
    ck_assert(options.silent);
}
END_TEST

START_TEST(options_take_run_with_a_process)
{
    ck_assert_int_eq(parse("supervisor run -x app:hello one -5 --state /s -- --two"),
                     0);
    ck_assert_int_eq(options.command, COMMAND_RUN);
    ck_assert_str_eq(options.exec, "app:hello");
    ck_assert_uint_eq(options.args.n, 3);
    ck_assert_str_eq(options.args.items[0], "one");
    ck_assert_str_eq(options.args.items[1], "-5");
    ck_assert_str_eq(options.args.items[2], "--two");
}
END_TEST

/* REG-11, CLI-01 */
static const struct {
    const char *typed;
    unsigned n;
    const char *wanted[3];
} overrides[] = {
    {"a:b:c=1", 1, {"a:b:c=1"}},
    {"a:b:c=1,d:e:f=2", 2, {"a:b:c=1", "d:e:f=2"}},
    {"a:b:c=x,y", 1, {"a:b:c=x,y"}},
    {"a:b:c=x,y,d:e:f=2,g:h:i=", 3, {"a:b:c=x,y", "d:e:f=2", "g:h:i="}},
    {"\"a:b:c=x,g:h:i=1\",d:e:f=2", 2, {"a:b:c=x,g:h:i=1", "d:e:f=2"}},
    {"\"a:b:c=say\"\"hi\"\"\"", 1, {"a:b:c=say\"hi\""}},
    {"a:b:c=http://x:1/?y=2", 1, {"a:b:c=http://x:1/?y=2"}},
    {"a:b:c=,", 1, {"a:b:c=,"}},
    {"a:b=1", 0, {NULL}},
    {",a:b:c=1", 0, {NULL}},
    {"", 0, {NULL}},
};

START_TEST(options_take_overrides_apart)
{
    char line[200];
    int rc;

    snprintf(line, sizeof(line), "supervisor --config x --override=%s",
             overrides[_i].typed);
    rc = parse(line);
    ck_assert_int_eq(rc, overrides[_i].n == 0 ? -1 : 0);
    ck_assert_uint_eq(options.overrides.n, overrides[_i].n);
    for (unsigned i = 0; i < overrides[_i].n; i++)
        ck_assert_str_eq(options.overrides.items[i], overrides[_i].wanted[i]);
}
END_TEST

START_TEST(options_take_run_with_a_name)
{
    ck_assert_int_eq(parse("supervisor --state /s run hello a b"), 0);
    ck_assert_str_eq(options.name, "hello");
    ck_assert_uint_eq(options.args.n, 2);
    ck_assert_int_eq(parse("supervisor run list"), 0);
    ck_assert_int_eq(options.command, COMMAND_RUN_LIST);
    ck_assert_int_eq(parse("supervisor run"), 0);
    ck_assert_int_eq(options.command, COMMAND_RUN);
    ck_assert_ptr_eq(options.name, NULL);
    ck_assert_int_eq(parse("supervisor run a b -x app:c"), 0);
    ck_assert_uint_eq(options.args.n, 2);
    ck_assert_str_eq(options.args.items[0], "a");
    ck_assert_str_eq(options.args.items[1], "b");
}
END_TEST

START_TEST(options_understand_wippy)
{
    ck_assert_int_eq(parse("/usr/bin/wippy run -c -v -x app:hello"), 0);
    ck_assert_str_eq(options.exec, "app:hello");
    ck_assert_int_eq(options.log_level, LOG_DEBUG);
    ck_assert(options.has_log_format);
    ck_assert_int_eq(parse("wippy run --very-verbose -p list"), 0);
    ck_assert_int_eq(options.command, COMMAND_RUN_LIST);
    ck_assert_int_eq(parse("wippy version"), 0);
    ck_assert_int_eq(options.command, COMMAND_VERSION);
    ck_assert_int_eq(parse("wippy lint"), 0);
    ck_assert_int_eq(options.command, COMMAND_LINT);
}
END_TEST

/* CLI-01 */
START_TEST(options_of_wippy_become_settings)
{
    static const struct {
        const char *given, *want;
    } sizes[] = {{"512M", "512"}, {"1G", "1024"},      {"1GB", "1024"},
                 {"3k", "64"},    {"67108865", "65"},  {"1T", "1048576"},
                 {"0", NULL},     {"2T", NULL},        {"-1G", NULL},
                 {"G", NULL},     {"99999999T", NULL}, {"1Gx", NULL},
                 {" 1G", NULL},   {"1B", "64"},        {"18446744073709551616", NULL}};

    ck_assert_int_eq(parse("wippy run -e"), 0);
    ck_assert_str_eq(options.sets.items[0], "logmanager.stream_to_events=true");
    ck_assert_int_eq(parse("supervisor run -e"), -1);
    for (unsigned i = 0; i < N_ELEMENTS(sizes); i++) {
        char line[80], want[60];

        snprintf(line, sizeof(line), "wippy run --memory-limit=%s", sizes[i].given);
        ck_assert_msg(parse(line) == (sizes[i].want != NULL ? 0 : -1), "%s", line);
        if (sizes[i].want == NULL)
            continue;
        snprintf(want, sizeof(want), "workers.memory_mb=%s", sizes[i].want);
        ck_assert_str_eq(options.sets.items[0], want);
    }
}
END_TEST

START_TEST(options_ask_for_documentation_of_contracts)
{
    ck_assert_int_eq(parse("wippy contracts doc shop:* --format json --out x.json"), 0);
    ck_assert_int_eq(options.command, COMMAND_CONTRACTS);
    ck_assert_str_eq(options.doc.pattern, "shop:*");
    ck_assert(options.doc.json);
    ck_assert_str_eq(options.doc.out, "x.json");
    ck_assert_int_eq(parse("supervisor contracts doc"), 0);
    ck_assert_ptr_eq(options.doc.pattern, NULL);
    ck_assert(!options.doc.json);
}
END_TEST

START_TEST(options_take_packs)
{
    ck_assert_int_eq(parse("supervisor run ./a.wapp hello b.wapp"), 0);
    ck_assert_uint_eq(options.configs.n, 1);
    ck_assert_str_eq(options.configs.items[0], "./a.wapp");
    ck_assert_str_eq(options.name, "hello");
    ck_assert_str_eq(options.args.items[0], "b.wapp");
    ck_assert_int_eq(parse("supervisor check a.wapp"), 0);
    ck_assert_str_eq(options.configs.items[0], "a.wapp");
    ck_assert_int_eq(parse("wippy pack out.wapp --bytecode app:** --list"), 0);
    ck_assert_int_eq(options.command, COMMAND_PACK);
    ck_assert_str_eq(options.pack.out, "out.wapp");
    ck_assert_str_eq(options.pack.bytecode.items[0], "app:**");
    ck_assert(options.pack.list);
}
END_TEST

START_TEST(options_show_help_about_a_command)
{
    ck_assert_int_eq(parse("supervisor run --help"), 0);
    ck_assert_int_eq(options.command, COMMAND_HELP);
    ck_assert_str_eq(options.help_about, "run");
    ck_assert_int_eq(parse("supervisor help check"), 0);
    ck_assert_int_eq(options.command, COMMAND_HELP);
    ck_assert_str_eq(options.help_about, "check");
    ck_assert_int_eq(parse("supervisor --version"), 0);
    ck_assert_int_eq(options.command, COMMAND_VERSION);
}
END_TEST

static const struct {
    const char *line, *want;
} refused[] = {
    {"supervisor", "--config"},
    {"supervisor --cofnig x", "did you mean '--config'"},
    {"supervisor rnu", "did you mean 'run'"},
    {"supervisor --config", "needs a value"},
    {"supervisor --silent=1", "takes no value"},
    {"supervisor -q", "unknown option '-q'"},
    {"supervisor --log-level loud -c x", "not 'loud'"},
    {"supervisor --log-format xml -c x", "not 'xml'"},
    {"supervisor -c x -o app:entry=1", "expected ns:entry:field=value"},
    {"supervisor -c x --set a.b", "expected section.path=value"},
    {"supervisor -c x --set a=b", "key must be section.path"},
    {"supervisor -c x -x app:hello", "belong to 'run'"},
    {"supervisor check -x app:hello", "belong to 'run'"},
    {"supervisor check more", "takes no argument"},
    {"supervisor pack", "pack needs a file"},
    {"supervisor pack a.wapp b.wapp", "takes no argument"},
    {"supervisor check --bytecode x", "--bytecode belongs to 'pack'"},
    {"supervisor -c x --json", "--json belongs to 'lint'"},
    {"supervisor lint --level loud", "not 'loud'"},
    {"supervisor lint --limit x", "not 'x'"},
    {"supervisor serve dir", "not in this build"},
};

START_TEST(options_refuse)
{
    ck_assert_int_eq(parse(refused[_i].line), -1);
    ck_assert_msg(strstr(err.text, refused[_i].want) != NULL, "%s: %s",
                  refused[_i].line, err.text);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, options_take_the_foreground_form);
    tcase_add_test(tc, options_take_run_with_a_process);
    tcase_add_loop_test(tc, options_take_overrides_apart, 0, N_ELEMENTS(overrides));
    tcase_add_test(tc, options_take_run_with_a_name);
    tcase_add_test(tc, options_understand_wippy);
    tcase_add_test(tc, options_of_wippy_become_settings);
    tcase_add_test(tc, options_ask_for_documentation_of_contracts);
    tcase_add_test(tc, options_take_packs);
    tcase_add_test(tc, options_show_help_about_a_command);
    tcase_add_loop_test(tc, options_refuse, 0, N_ELEMENTS(refused));
}

int main(void)
{
    return unit_main("options", fill);
}
