#include "supervisor/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "/path" or "@abstract". */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd;

    if ((name[0] != '/' && name[0] != '@') || n >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, name, n);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    if (connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0)
        return fd;
    close(fd);
    return -1;
}

static uint64_t read_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoull(usec, NULL, 10) / 1000 / 2; /* twice as often as asked for */
}

void notify_init(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");

    notify->fd = name != NULL ? connect_to(name) : -1;
    notify->kept[0] = '\0';
    notify->watchdog_ms = notify->fd != -1 ? read_watchdog_ms() : 0;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_finish(struct notify *notify)
{
    if (notify->fd != -1)
        close(notify->fd);
    notify->fd = -1;
}

/* false: there was no room for it. */
static bool send_to(int fd, const char *text)
{
    ssize_t n;

    do
        n = send(fd, text, strlen(text), MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n != -1 || (errno != EAGAIN && errno != ENOBUFS);
}

void notify_state(struct notify *notify, const char *state)
{
    if (notify->fd == -1)
        return;
    snprintf(notify->kept, sizeof(notify->kept), "%s", state);
    notify_again(notify);
}

void notify_ping(struct notify *notify, const char *ping)
{
    notify_again(notify);
    if (notify->fd != -1 && notify->kept[0] == '\0')
        send_to(notify->fd, ping);
}

void notify_again(struct notify *notify)
{
    if (notify->kept[0] != '\0' && send_to(notify->fd, notify->kept))
        notify->kept[0] = '\0';
}
