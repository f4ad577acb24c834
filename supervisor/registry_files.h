/*
 * registry_files -- the folders and files that a registry is loaded from.
 *
 * Nothing here follows a symbolic link to a folder, blocks on a pipe, or reads more
 * than it was allowed to. What a file names (file://) must lie beneath the source root,
 * also after links in its path have been followed.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_FILES_H
#define TROUPE_SUPERVISOR_REGISTRY_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* The names of all *.yaml, *.yml and *.json files below a folder, relative to it, in
 * lexical order; folders named node_modules and hidden names are left out. Links that
 * lead nowhere are there: who reads them will tell. */
struct file_list {
    char **names;
    size_t n, size;
};
int files_walk(int dir_fd, struct file_list *out, struct err *err);

/* The same of all regular files, whatever they are called; no links. */
int files_walk_all(int dir_fd, struct file_list *out, struct err *err);

void file_list_finish(struct file_list *list);

bool folder_is_there(const char *path);

/* Opens a folder; -1 with err. */
int folder_open(const char *path, struct err *err);

/* Reads a regular file relative to dir_fd. The caller frees *text_out, which ends with
 * an uncounted NUL. Errors: NOT_FOUND, LIMIT_EXCEEDED (longer than max_bytes),
 * INVALID. */
int file_read(int dir_fd, const char *name, size_t max_bytes, char **text_out,
              size_t *n_out, struct err *err);

/* The same, but name must not lead out of dir_fd, by ".." or by links. */
int file_read_beneath(int dir_fd, const char *name, size_t max_bytes, char **text_out,
                      size_t *n_out, struct err *err);

/* At most max_bytes from the start of a file; 0 bytes on any failure. */
size_t file_peek(int dir_fd, const char *name, char *out, size_t max_bytes);

/* Joins base (a folder, "" for the root) and path and takes "." and ".." out; NULL when
 * that leads out of the root. Caller frees. */
char *path_resolve(const char *base, const char *path);

#endif
