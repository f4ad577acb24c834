/*
 * config -- what the command line and the settings files come to.
 *
 * Settings are dotted keys ("shutdown.timeout"), one row each in settings.c's table;
 * config/supervisor.yaml shows them all. Sources, later ones win:
 * /etc/troupe/supervisor.yaml, ./supervisor.yaml, ./.wippy.yaml, files named with
 * --config, --set, options of their own (--log-level). A settings file with an unknown
 * key doesn't load; .wippy.yaml, written for another program, may hold keys that we
 * don't know, which gives a warning.
 *
 * Durations are milliseconds from here on.
 */
#ifndef TROUPE_SUPERVISOR_CONFIG_H
#define TROUPE_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/value.h"

struct options;
struct problems;

struct config {
    char *app;  /* the app folder's name */
    char *root; /* where we were started; file paths inside entries start here */
    char *state_dir, *control_path;
    char **registry_paths; /* files and folders to load */
    unsigned n_registry_paths;
    struct value overrides; /* of files: {"ns:entry:path": value}, or nil */
    char *overrides_file;   /* the one that has them, or NULL */
    struct value disable;   /* {namespaces, entries, meta}, or nil */
    struct value settings;  /* flat: every key of the table, typed */

    /* The ones that are needed early, read from settings and options. */
    enum log_format log_format;
    enum log_level log_level;
    uint64_t shutdown_timeout_ms;
};

/* All settings at their defaults, nothing read. */
struct config *config_create(void);

/* Never NULL; what is wrong is added to problems. */
struct config *config_load(const struct options *options, struct problems *problems);
void config_destroy(struct config *config); /* NULL is fine */

/* key must be a row of the table, of that type. */
bool config_get_bool(const struct config *config, const char *key);
int64_t config_get_int(const struct config *config, const char *key);
uint64_t config_get_ms(const struct config *config, const char *key);
double config_get_real(const struct config *config, const char *key);
const char *config_get_text(const struct config *config, const char *key);

#endif
