#include "supervisor/registry_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/entry.h"
#include "supervisor/offload.h"
#include "supervisor/registry.h"
#include "supervisor/registry_restore.h"
#include "supervisor/state.h"

#define APPLICATION_ID 0x54727050 /* "TrpP" */
#define FORMAT         1

struct registry_store {
    sqlite3 *db; /* of the offload thread, once the supervisor runs */
    char *path;
};

/* ---- SQLite ---------------------------------------------------------------------- */

/* SQLite remembers the errno of its second, read-only attempt; and opening the file
 * here would end the locks that it holds. */
static const char *why_not_opened(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL ? xstrdup(".") : xstrndup(path, (size_t)(slash - path) + 1);
    bool is_there = access(path, F_OK) == 0;
    const char *why = "SQLite can't tell why";

    if (access(is_there ? path : folder, R_OK | W_OK) == -1)
        why = strerror(errno);
    free(folder);
    return why;
}

static int fail(const struct registry_store *store, int code, struct err *err)
{
    const char *path = store->path;

    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_UNAVAILABLE,
                       "registry history %s is locked by another process", path);
    case SQLITE_FULL:
        return err_set(err, ERR_UNAVAILABLE,
                       "no space left for the registry history %s", path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return err_set(err, ERR_PERMISSION_DENIED,
                       "registry history %s can't be written: it is read-only", path);
    case SQLITE_CANTOPEN:
        return err_set(err, ERR_UNAVAILABLE,
                       "registry history %s can't be opened: %s; registry.history_path "
                       "says where it is",
                       path, why_not_opened(path));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(err, ERR_INVALID,
                       "registry history %s is damaged: move it away, or repair it "
                       "with sqlite3",
                       path);
    default:
        return err_set(err, ERR_UNAVAILABLE, "registry history %s: %s", path,
                       store->db != NULL ? sqlite3_errmsg(store->db)
                                         : sqlite3_errstr(code));
    }
}

static int execute(struct registry_store *store, const char *sql, struct err *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(store, code, err);
}

/* The first column of the first row, or fallback. */
static int read_number(struct registry_store *store, const char *sql, int64_t fallback,
                       int64_t *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    *out = fallback;
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(store, code, err);
}

/* ---- opening --------------------------------------------------------------------- */

static int make_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int rc;

    if (slash == NULL || slash == path)
        return 0;
    folder = xstrndup(path, (size_t)(slash - path));
    rc = state_make_folder(folder, err);
    free(folder);
    return rc;
}

static int check_format(struct registry_store *store, struct err *err)
{
    int64_t application, format, n_tables;

    if (read_number(store, "PRAGMA application_id", 0, &application, err) == -1 ||
        read_number(store, "PRAGMA user_version", 0, &format, err) == -1 ||
        read_number(store, "SELECT count(*) FROM sqlite_schema", 0, &n_tables, err) ==
            -1)
        return -1;
    if (n_tables != 0 && application != APPLICATION_ID)
        return err_set(err, ERR_INVALID,
                       "registry history %s is a database of something else",
                       store->path);
    if (n_tables != 0 && format != FORMAT)
        return err_set(err, ERR_INVALID,
                       "registry history %s has format %lld, this build knows %d",
                       store->path, (long long)format, FORMAT);
    return 0;
}

static int set_up(struct registry_store *store, struct err *err)
{
    char pragmas[160];

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
             FORMAT);
    if (execute(store, "PRAGMA locking_mode = EXCLUSIVE;", err) == -1 ||
        check_format(store, err) == -1 ||
        execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", err) ==
            -1)
        return -1;
    if (execute(store,
                "BEGIN IMMEDIATE;"
                "CREATE TABLE IF NOT EXISTS versions("
                " id INTEGER PRIMARY KEY, parent INTEGER NOT NULL,"
                " at_ns INTEGER NOT NULL) STRICT;"
                /* entry NULL: it is gone; of_files: whatever the files say */
                "CREATE TABLE IF NOT EXISTS changes("
                " version INTEGER NOT NULL, id TEXT NOT NULL,"
                " of_files INTEGER NOT NULL, entry BLOB,"
                " PRIMARY KEY(version, id)) STRICT, WITHOUT ROWID;"
                "CREATE TABLE IF NOT EXISTS present("
                " only INTEGER PRIMARY KEY CHECK(only = 1),"
                " version INTEGER NOT NULL, next INTEGER NOT NULL) STRICT;"
                "INSERT OR IGNORE INTO present VALUES(1, 0, 1);",
                err) == -1)
        return -1;
    return execute(store, pragmas, err) == -1 ? -1 : execute(store, "COMMIT;", err);
}

struct registry_store *registry_store_open(const char *path, struct err *err)
{
    struct registry_store *store = xcalloc(1, sizeof(*store));
    int code;

    store->path = xstrdup(path);
    if (make_folder(path, err) == 0) {
        code = sqlite3_open_v2(
            path, &store->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
        if (code != SQLITE_OK)
            fail(store, code, err);
        else if (set_up(store, err) == 0)
            return store;
    }
    registry_store_close(store);
    return NULL;
}

void registry_store_close(struct registry_store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

/* ---- restoring ------------------------------------------------------------------- */

static int read_entry(struct registry_store *store, sqlite3_stmt *statement, int column,
                      struct entry **entry_out, struct err *err)
{
    const void *blob = sqlite3_column_blob(statement, column);
    int n = sqlite3_column_bytes(statement, column);
    struct value value = {0};
    int rc = value_decode(blob, (size_t)n, NULL, &value, err);

    if (rc == 0)
        rc = entry_of_value(&value, entry_out, err);
    value_finish(&value);
    return rc == 0 ? 0 : fail(store, SQLITE_CORRUPT, err);
}

static int restore_changes(struct registry_store *store, struct restoring *restoring,
                           int64_t version, sqlite3_stmt *statement, struct err *err)
{
    int code;

    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, version);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(statement, 0);
        bool of_files = sqlite3_column_int(statement, 1) != 0;
        struct entry *entry = NULL;

        if (id == NULL)
            return fail(store, SQLITE_CORRUPT, err);
        if (of_files) {
            restoring_add(restoring, id, NULL, true);
            continue;
        }
        if (sqlite3_column_type(statement, 2) != SQLITE_NULL &&
            read_entry(store, statement, 2, &entry, err) == -1)
            return -1;
        restoring_add(restoring, id, entry, false);
        entry_unref(entry);
    }
    return code == SQLITE_DONE ? 0 : fail(store, code, err);
}

static int restore_versions(struct registry_store *store, struct registry *registry,
                            sqlite3_stmt *versions, sqlite3_stmt *changes,
                            struct err *err)
{
    int code;

    while ((code = sqlite3_step(versions)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(versions, 0);
        int64_t parent = sqlite3_column_int64(versions, 1);
        struct restoring *restoring = NULL;

        if (id > 0 && parent >= 0)
            restoring = restoring_begin(registry, (uint64_t)id, (uint64_t)parent,
                                        sqlite3_column_int64(versions, 2));
        if (restoring == NULL)
            return fail(store, SQLITE_CORRUPT, err);
        if (restore_changes(store, restoring, id, changes, err) == -1) {
            restoring_drop(restoring);
            return -1;
        }
        restoring_finish(restoring);
    }
    return code == SQLITE_DONE ? 0 : fail(store, code, err);
}

/* All the versions are there; now the one that was present. */
static int restore_present(struct registry_store *store, struct registry *registry,
                           struct err *err)
{
    struct changeset *changeset;
    int64_t version, next;

    if (read_number(store, "SELECT version FROM present", 0, &version, err) == -1 ||
        read_number(store, "SELECT next FROM present", 1, &next, err) == -1)
        return -1;
    registry_restore_next(registry, (uint64_t)next);
    if (version == 0)
        return 0;
    changeset = registry_prepare_version(registry, (uint64_t)version, err);
    if (changeset == NULL || registry_commit(registry, changeset, NULL, err) == -1) {
        err->kind = ERR_INVALID;
        return err_wrap(err,
                        "registry history %s: version %lld doesn't fit the files any "
                        "more (mend them, or start with --set "
                        "registry.enable_history=false)",
                        store->path, (long long)version);
    }
    return 0;
}

int registry_store_restore(struct registry_store *store, struct registry *registry,
                           struct err *err)
{
    sqlite3_stmt *versions = NULL, *changes = NULL;
    int code, rc;

    code = sqlite3_prepare_v2(store->db,
                              "SELECT id, parent, at_ns FROM versions ORDER BY id", -1,
                              &versions, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(store->db,
                                  "SELECT id, of_files, entry FROM changes"
                                  " WHERE version = ? ORDER BY id",
                                  -1, &changes, NULL);
    rc = code == SQLITE_OK ? restore_versions(store, registry, versions, changes, err)
                           : fail(store, code, err);
    sqlite3_finalize(versions);
    sqlite3_finalize(changes);
    return rc == 0 ? restore_present(store, registry, err) : -1;
}

/* ---- writing --------------------------------------------------------------------- */

struct row {
    char *id;
    bool of_files;
    struct buf entry; /* empty: it is gone */
};

struct write_job {
    struct offload_job job;
    struct registry_store *store;
    bool switches;
    int64_t id, parent, at_ns;
    int64_t oldest; /* that is known besides v0 and parent */
    struct row *rows;
    size_t n;
    int rc;
    struct err err;
    void (*done)(void *context, const struct err *err);
    void *context;
};

static void free_job(struct write_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        free(job->rows[i].id);
        buf_finish(&job->rows[i].entry);
    }
    free(job->rows);
    free(job);
}

/* A new kind under an old id is two changes; what counts is the last one of an id. */
static struct row *row_of(struct write_job *job, struct map *by_id, const char *id)
{
    struct row *row = map_find(by_id, id, strlen(id));

    if (row == NULL) {
        row = &job->rows[job->n++];
        row->id = xstrdup(id);
        buf_init(&row->entry, 0);
        map_put(by_id, id, strlen(id), row);
    }
    buf_clear(&row->entry);
    return row;
}

static void add_rows(struct write_job *job, const struct changeset *changeset)
{
    struct map by_id;

    map_init(&by_id);
    job->rows = xcalloc(changeset->n + 1, sizeof(*job->rows));
    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];
        struct row *row = row_of(job, &by_id, change->of_id);
        struct value value;

        row->of_files = changeset->of_files;
        if (row->of_files || change->after == NULL)
            continue;
        value = entry_to_value(change->after);
        value_encode(&row->entry, &value);
        value_finish(&value);
    }
    map_finish(&by_id);
}

static int run(struct registry_store *store, const char *sql, int64_t a, int64_t b,
               int64_t c, struct err *err)
{
    const int64_t values[3] = {a, b, c};
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    for (int i = 0; code == SQLITE_OK && i < sqlite3_bind_parameter_count(statement) &&
                    i < (int)N_ELEMENTS(values);
         i++)
        code = sqlite3_bind_int64(statement, i + 1, values[i]);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : fail(store, code, err);
}

static int write_rows(struct write_job *job, struct err *err)
{
    struct registry_store *store = job->store;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "INSERT INTO changes VALUES(?, ?, ?, ?)",
                                  -1, &statement, NULL);

    for (size_t i = 0; code == SQLITE_OK && i < job->n; i++) {
        const struct row *row = &job->rows[i];

        sqlite3_bind_int64(statement, 1, job->id);
        sqlite3_bind_text(statement, 2, row->id, -1, SQLITE_STATIC);
        sqlite3_bind_int(statement, 3, row->of_files);
        if (buf_len(&row->entry) != 0)
            sqlite3_bind_blob64(statement, 4, buf_head(&row->entry),
                                buf_len(&row->entry), SQLITE_STATIC);
        else
            sqlite3_bind_null(statement, 4);
        code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
            code = sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_OK ? 0 : fail(store, code, err);
}

/* A version goes; its children take what it changed and they didn't. */
static int drop_version(struct registry_store *store, int64_t gone, struct err *err)
{
    int64_t parent;
    char sql[120];

    snprintf(sql, sizeof(sql), "SELECT parent FROM versions WHERE id = %lld",
             (long long)gone);
    if (read_number(store, sql, 0, &parent, err) == -1)
        return -1;
    if (run(store,
            "INSERT OR IGNORE INTO changes SELECT child.id, c.id, c.of_files, c.entry"
            " FROM versions child, changes c WHERE child.parent = ?1"
            " AND c.version = ?1",
            gone, 0, 0, err) == -1 ||
        run(store, "UPDATE versions SET parent = ?2 WHERE parent = ?1", gone, parent, 0,
            err) == -1 ||
        run(store, "DELETE FROM changes WHERE version = ?1", gone, 0, 0, err) == -1)
        return -1;
    return run(store, "DELETE FROM versions WHERE id = ?1", gone, 0, 0, err);
}

/* What the registry has forgotten goes. */
static int drop_forgotten(const struct write_job *job, struct err *err)
{
    int64_t gone;
    char sql[120];

    snprintf(sql, sizeof(sql), "SELECT id FROM versions WHERE id < %lld AND id <> %lld",
             (long long)job->oldest, (long long)job->parent);
    for (;;) {
        if (read_number(job->store, sql, 0, &gone, err) == -1)
            return -1;
        if (gone == 0)
            return 0;
        if (drop_version(job->store, gone, err) == -1)
            return -1;
    }
}

static int write_version(struct write_job *job, struct err *err)
{
    struct registry_store *store = job->store;

    if (job->switches)
        return run(store, "UPDATE present SET version = ?1", job->id, 0, 0, err);
    if (run(store, "INSERT INTO versions VALUES(?1, ?2, ?3)", job->id, job->parent,
            job->at_ns, err) == -1 ||
        write_rows(job, err) == -1 ||
        run(store, "UPDATE present SET version = ?1, next = ?2", job->id, job->id + 1,
            0, err) == -1)
        return -1;
    return drop_forgotten(job, err);
}

static void work(struct offload_job *offload_job)
{
    struct write_job *job = container_of(offload_job, struct write_job, job);

    job->rc = execute(job->store, "BEGIN IMMEDIATE;", &job->err);
    if (job->rc == 0)
        job->rc = write_version(job, &job->err);
    if (job->rc == 0)
        job->rc = execute(job->store, "COMMIT;", &job->err);
    if (job->rc != 0 && sqlite3_get_autocommit(job->store->db) == 0)
        sqlite3_exec(job->store->db, "ROLLBACK;", NULL, NULL, NULL);
}

static void on_written(struct offload_job *offload_job)
{
    struct write_job *job = container_of(offload_job, struct write_job, job);

    job->done(job->context, job->rc == 0 ? NULL : &job->err);
    free_job(job);
}

void registry_store_write(struct registry_store *store, struct offload *offload,
                          const struct registry *registry,
                          const struct changeset *changeset,
                          void (*done)(void *context, const struct err *err),
                          void *context)
{
    struct write_job *job = xcalloc(1, sizeof(*job));

    *job = (struct write_job){.job = {.work = work, .done = on_written},
                              .store = store,
                              .switches = changeset->switches,
                              .id = (int64_t)(changeset->switches
                                                  ? changeset->target
                                                  : registry_next_id(registry)),
                              .parent = (int64_t)registry_version(registry),
                              .oldest = (int64_t)registry_oldest_version(registry),
                              .at_ns = clock_wall_ns(),
                              .done = done,
                              .context = context};
    if (!job->switches)
        add_rows(job, changeset);
    offload_submit(offload, &job->job);
}
