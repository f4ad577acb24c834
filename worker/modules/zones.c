#include "worker/modules/zone.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"

#define SYSTEM_DIRECTORY "/usr/share/zoneinfo"
#define MAX_FILE_BYTES   262144

struct zones {
    const char *directory; /* borrowed */
    struct map by_name;    /* struct zone, owned */
    struct zone local;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '+' || c == '-';
}

/* No dots at all, so neither ".." nor the tables that lie beside the zones. */
static bool is_safe_name(const char *name, size_t n)
{
    bool in_part = false;

    if (n >= ZONE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_name_byte(name[i]) && !(name[i] == '/' && in_part))
            return false;
        in_part = name[i] != '/';
    }
    return in_part;
}

static uint8_t *read_all(int fd, size_t *n_out)
{
    uint8_t *data;
    struct stat st;
    size_t n = 0;
    ssize_t got;

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE_BYTES)
        return NULL;
    data = malloc((size_t)st.st_size + 1);
    if (data == NULL)
        return NULL;
    while (n < (size_t)st.st_size) {
        got = read(fd, data + n, (size_t)st.st_size - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    *n_out = n;
    return data;
}

static struct zone_table *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct zone_table *table = NULL;
    uint8_t *data;
    size_t n;

    if (fd == -1)
        return NULL;
    data = read_all(fd, &n);
    close(fd);
    if (data != NULL)
        table = zone_table_parse(data, n);
    free(data);
    return table;
}

static struct zone_table *read_named(const struct zones *zones, const char *name,
                                     size_t n)
{
    char path[PATH_MAX];
    int n_path;

    if (!is_safe_name(name, n))
        return NULL;
    n_path = snprintf(path, sizeof(path), "%s/%.*s", zones->directory, (int)n, name);
    return n_path < (int)sizeof(path) ? read_file(path) : NULL;
}

/* A file that says nothing but UTC, for machines without a usable zone of their own. */
static struct zone_table *make_utc_table(void)
{
    static const uint8_t file[] = "TZif\0"
                                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
                                  "\0\0\0\0\0\0UTC";

    return zone_table_parse(file, sizeof(file));
}

/* TZ as apps of the reference know it: unset, empty (UTC), a path, or a name. */
static struct zone_table *read_local(const struct zones *zones)
{
    const char *tz = getenv("TZ");
    struct zone_table *table = NULL;

    if (tz != NULL && *tz == ':')
        tz++;
    if (tz == NULL)
        table = read_file("/etc/localtime");
    else if (*tz == '/')
        table = read_file(tz);
    else
        table = read_named(zones, tz, strlen(tz));
    return table != NULL ? table : make_utc_table();
}

struct zones *zones_create(const char *directory)
{
    struct zones *zones = xcalloc(1, sizeof(*zones));

    zones->directory = directory != NULL ? directory : SYSTEM_DIRECTORY;
    map_init(&zones->by_name);
    strcpy(zones->local.name, "Local");
    zones->local.table = read_local(zones);
    return zones;
}

void zones_destroy(struct zones *zones)
{
    if (zones == NULL)
        return;
    MAP_FOREACH (row, &zones->by_name) {
        struct zone *zone = row->value;

        zone_table_destroy(zone->table);
        free(zone);
    }
    map_finish(&zones->by_name);
    zone_table_destroy(zones->local.table);
    free(zones);
}

const struct zone *zones_local(const struct zones *zones)
{
    return &zones->local;
}

static bool is_text(const char *name, size_t n, const char *text)
{
    return n == strlen(text) && memcmp(name, text, n) == 0;
}

const struct zone *zones_get(struct zones *zones, const char *name, size_t n_bytes,
                             struct err *err)
{
    struct zone_table *table;
    struct zone *zone;

    if (n_bytes == 0) {
        err_set(err, ERR_INVALID, "empty location name");
        return NULL;
    }
    if (is_text(name, n_bytes, "UTC"))
        return &zone_utc;
    if (is_text(name, n_bytes, "Local"))
        return &zones->local;
    zone = map_find(&zones->by_name, name, n_bytes);
    if (zone != NULL)
        return zone;
    table = read_named(zones, name, n_bytes);
    if (table == NULL) {
        err_set(err, ERR_NOT_FOUND, "unknown time zone %.*s",
                n_bytes < 200 ? (int)n_bytes : 200, name);
        return NULL;
    }
    zone = xcalloc(1, sizeof(*zone));
    memcpy(zone->name, name, n_bytes);
    zone->table = table;
    map_put(&zones->by_name, zone->name, n_bytes, zone);
    return zone;
}
