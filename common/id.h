/*
 * id -- the two names of things: entries ("ns:name") and actors (pids).
 *
 * An entry id splits at its first colon. A pid is 64 bits: worker index, generation and
 * slot; as text "{host|0x<hex>}" (processes.md PID-1), where host is the entry that the
 * actor runs on (or, for a function call, the function).
 */
#ifndef TROUPE_COMMON_ID_H
#define TROUPE_COMMON_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PID_SLOT_BITS   22
#define PID_INDEX_BITS  10
#define PID_MAX_SLOTS   (1u << PID_SLOT_BITS)
#define PID_MAX_WORKERS (1u << PID_INDEX_BITS)
#define PID_TEXT_MAX    300 /* longest text that pid_format writes, NUL included */
#define ID_MAX_BYTES    255 /* longest entry id accepted anywhere */

/* life says how often the slot was used before; it is in the high bits, then index,
 * then slot, so that the first pids of a runtime are short in text. */
static inline uint64_t pid_make(uint32_t index, uint32_t life, uint32_t slot)
{
    return (uint64_t)life << 32 | (uint64_t)index << PID_SLOT_BITS | slot;
}

static inline uint32_t pid_index(uint64_t pid)
{
    return (uint32_t)(pid >> PID_SLOT_BITS) & (PID_MAX_WORKERS - 1);
}

static inline uint32_t pid_slot(uint64_t pid)
{
    return (uint32_t)pid & (PID_MAX_SLOTS - 1);
}

static inline uint32_t pid_life(uint64_t pid)
{
    return (uint32_t)(pid >> 32);
}

/* What the liveness table says of the slot while that actor lives: always odd. */
static inline uint32_t pid_generation(uint64_t pid)
{
    return (pid_life(pid) << 1 | 1) & 0x7fffffff;
}

/* Writes "{host|0x00007}" (at least 5 hex digits, then 6, 8, 16) and returns its
 * length. The zero pid is "{|}". host is cut at ID_MAX_BYTES. */
size_t pid_format(char out[PID_TEXT_MAX], const char *host, size_t host_bytes,
                  uint64_t pid);

enum pid_parse_result { PID_OK, PID_NO_BRACES, PID_NO_PIPE, PID_BAD_NUMBER };

/* Reads pid text. host_out/host_bytes_out (may be NULL) point into text. A node part
 * ("node@") and the old middle part are accepted and skipped. */
enum pid_parse_result pid_parse(const char *text, size_t n_bytes, uint64_t *pid_out,
                                const char **host_out, size_t *host_bytes_out);

/* Splits at the first colon: the namespace's length, or n_bytes when there is none. */
size_t id_namespace_bytes(const char *id, size_t n_bytes);

#endif
