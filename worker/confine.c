#include "worker/confine.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "common/err.h"
#include "common/landlock.h"
#include "common/mem.h"
#include "proto/frame.h"

/* What modules read when an app first asks: time zones, letters, libraries that are
 * loaded on first use. */
static const char *const readable[] = {
    "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache",     "/usr/lib",
    "/usr/lib64",          "/usr/local/lib", "/etc/ssl/openssl.cnf", NULL};

static int refuse(struct err *err, const char *what)
{
    return err_set(err, ERR_UNAVAILABLE, "can't confine the worker: %s: %s", what,
                   strerror(errno));
}

static int set_limits(struct err *err)
{
    static const struct {
        const char *name;
        __rlimit_resource_t resource;
    } rows[] = {{"no core", RLIMIT_CORE}, {"no locked memory", RLIMIT_MEMLOCK}};
    const struct rlimit none = {0, 0};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (setrlimit(rows[i].resource, &none) == -1)
            return refuse(err, rows[i].name);
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        return refuse(err, "not dumpable");
    return 0;
}

static int set_filter(struct bytes filter, struct err *err)
{
    struct sock_fprog program = {
        .len = (unsigned short)(filter.n / sizeof(struct sock_filter))};
    int failed;

    if (filter.n == 0 || filter.n % sizeof(struct sock_filter) != 0 ||
        filter.n / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_set(err, ERR_INVALID,
                       "can't confine the worker: %zu bytes are no "
                       "filter",
                       filter.n);
    program.filter = xmalloc(filter.n); /* a frame's bytes are aligned for nothing */
    memcpy(program.filter, filter.data, filter.n);
    failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    free(program.filter);
    return failed == -1 ? refuse(err, "seccomp") : 0;
}

int confine_self(uint8_t level, struct bytes filter, struct err *err)
{
    if (level == CONFINE_OFF)
        return 0;
    if (set_limits(err) == -1)
        return -1;
    if ((level == CONFINE_STRICT || landlock_abi() > 0) &&
        landlock_read_only(readable, err) == -1)
        return -1;
    return set_filter(filter, err);
}
