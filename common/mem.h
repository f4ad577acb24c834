/*
 * mem -- allocation of our own small bookkeeping. When there is none, the program ends
 * with one line and EXIT_BUG: it can't keep its books any more.
 *
 * What a peer or an app sized is checked against its limit first and then allocated
 * with plain malloc, whose failure is an error of that request (style: "Allocation").
 */
#ifndef TROUPE_COMMON_MEM_H
#define TROUPE_COMMON_MEM_H

#include <stddef.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#define container_of(ptr, type, member)                                                \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* That end: there is no memory for n_bytes that can't be done without. */
void mem_give_up(size_t n_bytes) __attribute__((noreturn));

void *xmalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *ptr, size_t n_bytes);
void *xaligned_alloc(size_t alignment, size_t n_bytes); /* n_bytes: a multiple */
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t n_bytes); /* exactly n_bytes, then a NUL */
void *mem_allocate(void *ptr, long n_bytes); /* the same, as libev wants it; 0 frees */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
