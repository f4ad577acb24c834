#include "common/paths.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

/* XDG wants absolute paths and has others ignored. */
static const char *get_absolute(const char *name)
{
    const char *path = getenv(name);

    return path != NULL && path[0] == '/' ? path : NULL;
}

char *paths_state_dir(const char *app)
{
    const char *base = get_absolute("XDG_STATE_HOME"), *home = get_absolute("HOME");

    if (geteuid() == 0)
        return xasprintf("/var/lib/troupe/%s", app);
    if (base != NULL)
        return xasprintf("%s/troupe/%s", base, app);
    if (home != NULL)
        return xasprintf("%s/.local/state/troupe/%s", home, app);
    return xasprintf("/tmp/troupe-%u/%s", (unsigned)geteuid(), app);
}

char *paths_control_dir(void)
{
    const char *base = get_absolute("XDG_RUNTIME_DIR");

    if (geteuid() == 0)
        return xstrdup("/run/troupe");
    if (base != NULL)
        return xasprintf("%s/troupe", base);
    return xasprintf("/tmp/troupe-%u", (unsigned)geteuid());
}

char *paths_control_socket(const char *app)
{
    char *dir = paths_control_dir();
    char *path = xasprintf("%s/%s.sock", dir, app);

    free(dir);
    return path;
}

char *paths_app_name(const char *folder)
{
    size_t n = strlen(folder);
    const char *start;
    char *name;

    while (n > 0 && folder[n - 1] == '/')
        n--;
    start = folder + n;
    while (start > folder && start[-1] != '/')
        start--;
    n -= (size_t)(start - folder);
    if (n > 64) /* a socket's path is short */
        n = 64;
    name = n > 0 ? xstrndup(start, n) : xstrdup("app");
    for (char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
            *at = '_';
    }
    if (name[0] == '.')
        name[0] = '_';
    return name;
}
