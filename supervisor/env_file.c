#include "supervisor/env_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file_write.h"
#include "common/mem.h"

int env_file_read(const char *path, struct buf *out, bool *exists_out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = 1;

    buf_init(out, ENV_FILE_MAX_BYTES + 8192);
    *exists_out = fd != -1;
    if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd == -1)
        return err_set(err, ERR_INTERNAL, "cannot read %s: %s", path, strerror(errno));
    while (n > 0 && buf_len(out) <= ENV_FILE_MAX_BYTES) {
        uint8_t *room = buf_reserve(out, 4096);

        if (room == NULL)
            break;
        n = read(fd, room, 4096);
        if (n > 0)
            out->end += (size_t)n;
    }
    if (n == -1)
        err_set(err, ERR_INTERNAL, "cannot read %s: %s", path, strerror(errno));
    else if (n > 0)
        err_set(err, ERR_INTERNAL, "%s is larger than %zu bytes", path,
                ENV_FILE_MAX_BYTES);
    close(fd);
    if (n == 0)
        return 0;
    buf_finish(out);
    return -1;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes text)
{
    while (text.n > 0 && is_blank(text.data[0])) {
        text.data++;
        text.n--;
    }
    while (text.n > 0 && is_blank(text.data[text.n - 1]))
        text.n--;
    return text;
}

/* The line at *at, without its line break; false at the end. */
static bool next_line(struct bytes text, size_t *at, struct bytes *line_out)
{
    const uint8_t *start = text.data + *at, *end;

    if (*at >= text.n)
        return false;
    end = memchr(start, '\n', text.n - *at);
    *line_out =
        (struct bytes){start, end != NULL ? (size_t)(end - start) : text.n - *at};
    *at += line_out->n + (end != NULL);
    return true;
}

/* false: no KEY=VALUE line. */
static bool split_line(struct bytes line, struct bytes *key_out,
                       struct bytes *value_out)
{
    const uint8_t *comment, *equals;

    line = trim(line);
    if (line.n == 0 || line.data[0] == '#')
        return false;
    comment = memchr(line.data, '#', line.n);
    if (comment != NULL)
        line.n = (size_t)(comment - line.data);
    equals = memchr(line.data, '=', line.n);
    if (equals == NULL)
        return false;
    *key_out = trim((struct bytes){line.data, (size_t)(equals - line.data)});
    *value_out =
        trim((struct bytes){equals + 1, line.n - (size_t)(equals - line.data) - 1});
    return key_out->n > 0;
}

bool env_file_next(struct bytes text, size_t *at, struct bytes *key_out,
                   struct bytes *value_out)
{
    struct bytes line;

    while (next_line(text, at, &line)) {
        if (split_line(line, key_out, value_out))
            return true;
    }
    return false;
}

static void append_pair(struct buf *out, const char *key, const char *value)
{
    buf_append_text(out, key);
    buf_append_text(out, "=");
    buf_append_text(out, value);
}

/* The blanks before a line's comment, and the comment. */
static struct bytes tail_of(struct bytes line)
{
    struct bytes trimmed = trim(line);
    const uint8_t *comment = memchr(trimmed.data, '#', trimmed.n);
    const uint8_t *start = comment;

    if (comment == NULL)
        return (struct bytes){line.data, 0};
    while (start > line.data && is_blank(start[-1]))
        start--;
    return (struct bytes){start, (size_t)(trimmed.data + trimmed.n - start)};
}

void env_file_edit(struct bytes text, const char *key, const char *value,
                   struct buf *out)
{
    struct bytes line, old_key, old_value, tail;
    bool done = false;
    size_t at = 0, before = 0;

    while (next_line(text, &at, &line)) {
        if (done || !split_line(line, &old_key, &old_value) ||
            old_key.n != strlen(key) || memcmp(old_key.data, key, old_key.n) != 0) {
            buf_append(out, text.data + before, at - before);
        } else {
            tail = tail_of(line);
            append_pair(out, key, value);
            buf_append(out, tail.data, tail.n);
            if (at - before > line.n) /* its line break */
                buf_append(out, "\n", 1);
            done = true;
        }
        before = at;
    }
    if (done)
        return;
    if (text.n > 0 && text.data[text.n - 1] != '\n')
        buf_append(out, "\n", 1);
    append_pair(out, key, value);
    buf_append(out, "\n", 1);
}

static int make_folders(const char *path, unsigned mode, struct err *err)
{
    char *copy = xstrdup(path);
    int rc = 0;

    for (char *slash = strchr(copy + 1, '/'); rc == 0 && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, mode) == -1 && errno != EEXIST)
            rc = err_set(err, ERR_INTERNAL, "cannot create folder %s: %s", copy,
                         strerror(errno));
        *slash = '/';
    }
    free(copy);
    return rc;
}

static int write_file(const char *path, struct bytes text,
                      const struct env_file_modes *modes, struct err *err)
{
    char *beside = xasprintf("%s.tmp", path);
    struct stat st;
    unsigned mode = modes->file_mode;
    bool failed;
    int fd = -1, rc = -1;

    if (stat(path, &st) == 0) {
        mode = st.st_mode & 07777;
    } else if (!modes->auto_create) {
        err_set(err, ERR_NOT_FOUND, "file does not exist: %s", path);
        goto out;
    } else if (make_folders(path, modes->dir_mode, err) != 0) {
        goto out;
    }
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    failed = fd == -1 || fchmod(fd, mode) == -1 || file_write_all(fd, text) == -1 ||
             fsync(fd) == -1 || rename(beside, path) == -1;
    if (failed) {
        err_set(err, ERR_INTERNAL, "cannot write %s: %s", path, strerror(errno));
        if (fd != -1)
            unlink(beside);
    }
    rc = failed ? -1 : 0;
out:
    if (fd != -1)
        close(fd);
    free(beside);
    return rc;
}

int env_file_set(const char *path, const char *key, const char *value,
                 const struct env_file_modes *modes, struct err *err)
{
    struct buf old, changed;
    bool exists;
    int rc;

    if (strpbrk(value, "\r\n") != NULL)
        return err_set(err, ERR_INVALID, "a value in a file can't hold a line break");
    if (env_file_read(path, &old, &exists, err) != 0)
        return -1;
    buf_init(&changed, 0);
    env_file_edit(buf_bytes(&old), key, value, &changed);
    rc = write_file(path, buf_bytes(&changed), modes, err);
    buf_finish(&old);
    buf_finish(&changed);
    return rc;
}
