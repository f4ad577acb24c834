#include "supervisor/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"

#include "supervisor/options.h"
#include "supervisor/problems.h"
#include "supervisor/settings.h"

#include "tests/unit/unit.h"

static char folder[64], before[4096], told[4096];
static struct problems problems;
static struct options options;
static struct config *config;

static void start(void)
{
    strcpy(folder, "/tmp/test_config.XXXXXX");
    ck_assert_ptr_ne(mkdtemp(folder), NULL);
    ck_assert_ptr_ne(getcwd(before, sizeof(before)), NULL);
    ck_assert_int_eq(chdir(folder), 0);
    problems_init(&problems);
    memset(&options, 0, sizeof(options));
}

static void finish(void)
{
    char command[128];

    config_destroy(config);
    config = NULL;
    problems_finish(&problems);
    options_finish(&options);
    ck_assert_int_eq(chdir(before), 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    ck_assert_ptr_ne(file, NULL);
    fputs(text, file);
    fclose(file);
}

/* line: the command line, split at blanks. Returns what problems there are, as text. */
static const char *load(const char *line)
{
    static char copy[300];
    static char *argv[20];
    struct err err = {0};
    struct buf buf;
    int argc = 0;

    snprintf(copy, sizeof(copy), "supervisor %s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    ck_assert_msg(options_parse(&options, argc, argv, &err) == 0, "%s", err.text);
    config = config_load(&options, &problems);
    buf_init(&buf, 0);
    problems_format(&buf, &problems);
    snprintf(told, sizeof(told), "%.*s", (int)buf_len(&buf), (char *)buf_head(&buf));
    buf_finish(&buf);
    return told;
}

START_TEST(config_has_defaults)
{
    ck_assert_str_eq(load("run"), "");
    ck_assert_uint_eq(config->shutdown_timeout_ms, 30000);
    ck_assert_int_eq(config->log_format, LOG_CONSOLE);
    ck_assert_int_eq(config->log_level, LOG_INFO);
    ck_assert_uint_eq(config_get_ms(config, "workers.ping_every"), 5000);
    ck_assert_str_eq(config->app, strrchr(folder, '/') + 1);
}
END_TEST

/* The commented file shows each setting at its default, so it changes none. */
START_TEST(config_has_the_defaults_of_the_commented_file)
{
    const char *source_root = getenv("TROUPE_SOURCE_ROOT");
    const struct setting *row;
    struct value bare, commented;
    struct buf wanted, got;
    char path[4096];

    ck_assert_str_eq(load("run"), "");
    bare = value_copy(&config->settings);
    config_destroy(config);
    options_finish(&options);
    ck_assert_ptr_ne(source_root, NULL);
    snprintf(path, sizeof(path), "%s/config/supervisor.yaml", source_root);
    ck_assert_int_eq(symlink(path, "supervisor.yaml"), 0);
    ck_assert_str_eq(load("run"), "");
    commented = value_copy(&config->settings);
    buf_init(&wanted, 0);
    buf_init(&got, 0);
    value_write_json(&wanted, &bare, 0);
    value_write_json(&got, &commented, 0);
    buf_append(&wanted, "", 1);
    buf_append(&got, "", 1);
    ck_assert_str_eq((char *)buf_head(&got), (char *)buf_head(&wanted));
    for (unsigned i = 0; (row = setting_at(i)) != NULL; i++)
        ck_assert_int_eq(setting_counts(row), value_get(&bare, row->key) != NULL);
    buf_finish(&wanted);
    buf_finish(&got);
    value_finish(&bare);
    value_finish(&commented);
}
END_TEST

START_TEST(config_lets_later_sources_win)
{
    write_file("supervisor.yaml", "shutdown: {timeout: 1s}\nlogger: {level: warn}\n");
    write_file(".wippy.yaml", "version: \"1.0\"\nshutdown:\n  timeout: 2s\n");
    ck_assert_str_eq(load("run --set logger.encoding=json --log-level debug"), "");
    ck_assert_uint_eq(config->shutdown_timeout_ms, 2000);
    ck_assert_int_eq(config->log_format, LOG_JSON);
    ck_assert_int_eq(config->log_level, LOG_DEBUG);
}
END_TEST

START_TEST(config_takes_min_level_CFG_01)
{
    write_file(".wippy.yaml", "version: \"1.0\"\nlogmanager: {min_level: 2}\n");
    ck_assert_str_eq(load("run"), "");
    ck_assert_int_eq(config->log_level, LOG_ERROR);
}
END_TEST

START_TEST(config_keeps_overrides_and_disable)
{
    write_file("supervisor.yaml", "override: {\"app:e:x\": 5}\n"
                                  "disable: {namespaces: [a.b]}\n");
    ck_assert_str_eq(load("run"), "");
    ck_assert_int_eq(value_get_int(&config->overrides, "app:e:x", 0), 5);
    ck_assert_ptr_ne(value_get(&config->disable, "namespaces"), NULL);
}
END_TEST

START_TEST(config_names_an_app_after_its_folder)
{
    ck_assert_int_eq(system("mkdir -p 'my app/src'"), 0);
    write_file("my app/src/_index.yaml", "namespace: a\n");
    options.configs.items = xcalloc(1, sizeof(options.configs.items[0]));
    options.configs.items[0] = "my app/src/_index.yaml";
    options.configs.n = 1;
    config = config_load(&options, &problems);
    ck_assert_str_eq(config->app, "my_app");
    ck_assert_ptr_ne(strstr(config->control_path, "/my_app.sock"), NULL);
    ck_assert_ptr_ne(strstr(config->state_dir, "/my_app"), NULL);
}
END_TEST

static const struct {
    const char *file, *text, *line, *want;
    bool is_error;
} refused[] = {
    {"supervisor.yaml", "shutdown:\n  timeot: 3s\n", "run",
     "supervisor.yaml:2:11: error: unknown setting 'shutdown.timeot'; did you mean "
     "'shutdown.timeout'?\n",
     true},
    {"supervisor.yaml", "shutdown: {timeout: 3}\n", "run", "must be a duration", true},
    {"supervisor.yaml", "shutdown: {timeout: 0s}\n", "run", "must be a duration", true},
    {"supervisor.yaml", "shutdown: {timeout: [1s]}\n", "run", "a single value", true},
    {"supervisor.yaml", "logger: {encoding: xml}\n", "run", "one of console|json",
     true},
    {"supervisor.yaml", "logmanager: {min_level: 9}\n", "run", "from -1 to 2", true},
    {"supervisor.yaml", "version: 2\n", "run", "version must be", true},
    {"supervisor.yaml", "- a\n", "run", "a map of sections", true},
    {"supervisor.yaml", "a: b: c\n", "run", "supervisor.yaml:1:", true},
    {"supervisor.yaml", "relay: {node_name: a}\n", "run", "no effect", false},
    {".wippy.yaml", "shutdown: {timeout: 3s}\n", "run", "version must be", true},
    {".wippy.yaml", "version: \"1.0\"\nmystery: {x: 1}\n", "run",
     "warning: unknown setting 'mystery.x'", false},
    {".wippy.yaml", "version: \"1.0\"\nprofiles: {x: {y: 1}}\n", "run", "no effect",
     false},
    {"x", "", "run --set shutdown.timout=1s", "did you mean 'shutdown.timeout'", true},
    {"x", "", "run --set shutdown.timeout=soon", "not 'soon'", true},
    {"x", "", "run --config nope/supervisor.yaml", "settings file", true},
};

START_TEST(config_tells_what_is_wrong)
{
    write_file(refused[_i].file, refused[_i].text);
    load(refused[_i].line);
    ck_assert_msg(strstr(told, refused[_i].want) != NULL, "%s: %s", refused[_i].text,
                  told);
    ck_assert_uint_eq(problems.n_errors > 0, refused[_i].is_error);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, config_has_defaults);
    tcase_add_test(tc, config_has_the_defaults_of_the_commented_file);
    tcase_add_test(tc, config_lets_later_sources_win);
    tcase_add_test(tc, config_takes_min_level_CFG_01);
    tcase_add_test(tc, config_keeps_overrides_and_disable);
    tcase_add_test(tc, config_names_an_app_after_its_folder);
    tcase_add_loop_test(tc, config_tells_what_is_wrong, 0, N_ELEMENTS(refused));
}

int main(void)
{
    return unit_main("config", fill);
}
