#include "supervisor/init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/exit.h"
#include "common/value.h"

#include "supervisor/options.h"

/* The path as YAML: JSON's quotes where it holds anything unusual. */
static void append_path(struct buf *out, const char *key, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._/-";
    struct value value = value_string(path);

    buf_append_text(out, key);
    if (path[strspn(path, plain)] == '\0' && path[0] != '-')
        buf_append_text(out, path);
    else
        value_write_json(out, &value, 0);
    buf_append_text(out, "\n");
    value_finish(&value);
}

int init_write_lock_file(const struct init_options *options)
{
    const char *path = options->lock_file != NULL ? options->lock_file : "wippy.lock";
    FILE *file = fopen(path, "wxe");
    struct buf text;
    bool ok;

    buf_init(&text, 0);
    buf_append_text(&text, "directories:\n");
    append_path(&text,
                "  modules: ", options->modules != NULL ? options->modules : ".wippy");
    append_path(&text, "  src: ", options->src != NULL ? options->src : "./src");
    ok = file != NULL &&
         fwrite(buf_head(&text), 1, buf_len(&text), file) == buf_len(&text);
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    buf_finish(&text);
    if (ok)
        printf("wrote %s\n", path);
    else
        fprintf(stderr, "supervisor: cannot write %s: %s\n", path, strerror(errno));
    return ok ? EXIT_OK : EXIT_FAILED;
}
