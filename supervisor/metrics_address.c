#include "supervisor/metrics_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"

#define SOCKET_BYTES (128 * 1024) /* of the kernel's, for each that reads slowly */

/* Addresses only, no names: to ask a name server would be to wait. */
static int resolve(const char *address, struct addrinfo **out, struct err *err)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM,
                                          .ai_flags = AI_PASSIVE | AI_NUMERICHOST |
                                                      AI_NUMERICSERV};
    const char *colon = strrchr(address, ':');
    size_t n_host = colon != NULL ? (size_t)(colon - address) : 0;
    char host[64];

    if (colon == NULL || colon[1] == '\0' || n_host >= sizeof(host))
        return err_set(err, ERR_INVALID,
                       "prometheus.address must be like 127.0.0.1:9090, not '%s'",
                       address);
    if (n_host > 1 && address[0] == '[' && address[n_host - 1] == ']')
        snprintf(host, sizeof(host), "%.*s", (int)n_host - 2, address + 1);
    else
        snprintf(host, sizeof(host), "%.*s", (int)n_host, address);
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof(host), "127.0.0.1");
    if (strchr(host, ':') != NULL && address[0] != '[')
        host[0] = '?'; /* which colon was meant? */
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtol(colon + 1, NULL, 10) > 65535 ||
        getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, out) != 0)
        return err_set(err, ERR_INVALID,
                       "prometheus.address: '%s' is no address of this machine with a "
                       "port",
                       address);
    return 0;
}

void metrics_address_name(int fd, char out[METRICS_ADDRESS_BYTES])
{
    struct sockaddr_storage bound;
    socklen_t n = sizeof(bound);
    char host[64] = "?", port[16] = "?";

    getsockname(fd, (struct sockaddr *)&bound, &n);
    getnameinfo((struct sockaddr *)&bound, n, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, METRICS_ADDRESS_BYTES,
             strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

int metrics_address_listen(const char *address, int n_waiting, struct err *err)
{
    struct addrinfo *found = NULL;
    int fd, yes = 1, socket_bytes = SOCKET_BYTES;

    if (resolve(address, &found, err) != 0 || found == NULL)
        return -1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd != -1) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &socket_bytes, sizeof(socket_bytes));
    }
    if (fd == -1 || bind(fd, found->ai_addr, found->ai_addrlen) == -1 ||
        listen(fd, n_waiting) == -1) {
        err_set(err, ERR_UNAVAILABLE,
                "nobody can be served figures at prometheus.address %s: %s", address,
                strerror(errno));
        if (fd != -1)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}
