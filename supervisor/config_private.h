/* config_private -- what reading settings files (config_file.c) and all else that makes
 * up a configuration (config.c) share. */
#ifndef TROUPE_SUPERVISOR_CONFIG_PRIVATE_H
#define TROUPE_SUPERVISOR_CONFIG_PRIVATE_H

#include <stdbool.h>

struct config;
struct problem_at;
struct problems;

struct config_loader {
    struct config *config;
    struct problems *problems;
    const char *file; /* NULL: the command line */
    bool is_foreign;  /* unknown keys are no errors */
};

/* Takes what the file says; one that isn't there is a problem only if it must exist. */
void config_take_file(struct config_loader *loader, const char *path, bool is_foreign,
                      bool must_exist);

/* Takes one setting; text is NULL where the file has no single value, what_given says
 * what it has instead. */
void config_take_setting(const struct config_loader *loader,
                         const struct problem_at *at, const char *key, const char *text,
                         const char *what_given);

#endif
