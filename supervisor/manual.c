#include "supervisor/manual.h"

#include <stdlib.h>
#include <string.h>

void manual_add_command(struct manual *manual, const struct manual_command *command)
{
    if (manual->n_commands == MANUAL_MAX_COMMANDS)
        abort();
    manual->commands[manual->n_commands++] = *command;
}

void manual_add_flag(struct manual *manual, const struct manual_flag *flag)
{
    if (manual->n_flags == MANUAL_MAX_FLAGS)
        abort();
    manual->flags[manual->n_flags++] = *flag;
}

bool manual_is_about(const struct manual_command *command, const char *about)
{
    size_t n = strcspn(command->name, " ");

    return strcmp(command->name, about) == 0 ||
           (strlen(about) == n && memcmp(command->name, about, n) == 0);
}
