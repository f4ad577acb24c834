/* readable -- the files that a confined worker may read: what modules need when an app
 * first asks for it, time zones, letters, libraries. NULL ends the list. */
#ifndef TROUPE_COMMON_READABLE_H
#define TROUPE_COMMON_READABLE_H

static const char *const readable_paths[] = {
    "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache",     "/usr/lib",
    "/usr/lib64",          "/usr/local/lib", "/etc/ssl/openssl.cnf", NULL};

#endif
