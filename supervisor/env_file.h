/*
 * env_file -- the text of an env.storage.file: KEY=VALUE lines (ENV-02).
 *
 * Blanks around both sides don't count, lines that are empty or start with '#' neither;
 * a '#' further on starts a comment, quotes mean nothing, the first match wins.
 */
#ifndef TROUPE_SUPERVISOR_ENV_FILE_H
#define TROUPE_SUPERVISOR_ENV_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct bytes;
struct err;

#define ENV_FILE_MAX_BYTES ((size_t)1024 * 1024)

/* Reads the whole file into out (initialised here). A missing file is empty, and
 * *exists_out false. -1: INTERNAL. */
int env_file_read(const char *path, struct buf *out, bool *exists_out, struct err *err);

/* Visits the lines: *at starts at 0; false at the end. key and value borrow from
 * text. */
bool env_file_next(struct bytes text, size_t *at, struct bytes *key_out,
                   struct bytes *value_out);

/* Appends to out the text with key's line replaced (its comment stays) or added. All
 * other lines stay as they are, byte for byte. */
void env_file_edit(struct bytes text, const char *key, const char *value,
                   struct buf *out);

struct env_file_modes {
    unsigned file_mode, dir_mode;
    bool auto_create; /* with it the file and its folders are made */
};

/* Reads, edits, writes path.tmp, syncs it and renames: waits for the disk. */
int env_file_set(const char *path, const char *key, const char *value,
                 const struct env_file_modes *modes, struct err *err);

#endif
