#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/exit.h"

void mem_give_up(size_t n_bytes)
{
    fprintf(stderr, "troupe: out of memory (%zu bytes wanted)\n", n_bytes);
    _exit(EXIT_BUG);
}

static void *checked(void *ptr, size_t n_bytes)
{
    if (ptr == NULL && n_bytes != 0)
        mem_give_up(n_bytes);
    return ptr;
}

void *xmalloc(size_t n_bytes)
{
    return checked(malloc(n_bytes), n_bytes);
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n, size), n * size);
}

void *xrealloc(void *ptr, size_t n_bytes)
{
    return checked(realloc(ptr, n_bytes), n_bytes);
}

void *xaligned_alloc(size_t alignment, size_t n_bytes)
{
    return checked(aligned_alloc(alignment, n_bytes), n_bytes);
}

void *mem_allocate(void *ptr, long n_bytes)
{
    if (n_bytes > 0)
        return xrealloc(ptr, (size_t)n_bytes);
    free(ptr);
    return NULL;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t n_bytes)
{
    char *copy = xmalloc(n_bytes + 1);

    if (n_bytes != 0)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) == -1)
        text = NULL;
    va_end(args);
    return checked(text, 1);
}
