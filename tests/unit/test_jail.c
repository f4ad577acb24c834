#include "supervisor/jail.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/frame.h"

#include "supervisor/jail_cell.h"
#include "supervisor/jail_cgroup.h"
#include "supervisor/jail_filter.h"
#include "supervisor/jail_user.h"

#include "tests/unit/unit.h"

/* ---- control groups: a folder that looks like one -------------------------------- */

static char folder[] = "/tmp/troupe-jail-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static const char *get(const char *name)
{
    static char text[100];
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return text;
}

/* What the kernel would make. */
static const char *const files[] = {"cgroup.subtree_control", "supervisor/cgroup.procs",
                                    "workers/cgroup.procs",   "workers/memory.max",
                                    "workers/pids.max",       "workers/cpu.max"};

static void make_folders(void)
{
    char path[PATH_MAX];

    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/supervisor", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/workers", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < N_ELEMENTS(files); i++)
        put(files[i], "");
}

static void remove_folders(void)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/supervisor", folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/workers", folder);
    rmdir(path);
    rmdir(folder);
}

/* false where folders can't be marked. */
static bool delegate(void)
{
    return setxattr(folder, "user.delegate", "1", 1, 0) == 0;
}

START_TEST(jail_divides_a_group_that_is_ours)
{
    struct cgroup_limits limits = {
        .memory_bytes = 1 << 20, .n_processes = 77, .cpus = 1.5};
    const char *why;
    int fd;

    make_folders();
    if (delegate()) {
        fd = cgroup_open(folder, &limits, &why);
        ck_assert_msg(fd != -1, "%s", why);
        ck_assert_str_eq(get("supervisor/cgroup.procs"), "0");
        ck_assert_str_eq(get("workers/memory.max"), "1048576");
        ck_assert_str_eq(get("workers/pids.max"), "77");
        ck_assert_str_eq(get("workers/cpu.max"), "150000 100000");
        ck_assert_int_eq(write(fd, "0", 1), 1);
        ck_assert_str_eq(get("workers/cgroup.procs"), "0");
        close(fd);
    }
    remove_folders();
}
END_TEST

/* A supervisor before us may have had limits. */
START_TEST(jail_lifts_limits_that_are_not_set)
{
    static const struct cgroup_limits none;
    const char *why;
    int fd;

    make_folders();
    put("workers/memory.max", "1");
    if (delegate()) {
        fd = cgroup_open(folder, &none, &why);
        ck_assert_int_ne(fd, -1);
        ck_assert_str_eq(get("workers/memory.max"), "max");
        close(fd);
    }
    remove_folders();
}
END_TEST

START_TEST(jail_leaves_the_groups_of_others_alone)
{
    static const struct cgroup_limits none;
    const char *why = NULL;

    make_folders();
    ck_assert_int_eq(cgroup_open(folder, &none, &why), -1);
    ck_assert_ptr_nonnull(strstr(why, "not delegated"));
    ck_assert_str_eq(get("supervisor/cgroup.procs"), "");
    remove_folders();
}
END_TEST

START_TEST(jail_wants_the_limits_that_it_was_given)
{
    struct cgroup_limits limits = {.memory_bytes = 1 << 20};
    const char *why = NULL;
    char path[PATH_MAX];

    make_folders();
    snprintf(path, sizeof(path), "%s/workers/memory.max", folder);
    unlink(path); /* no such controller */
    if (delegate()) {
        ck_assert_int_eq(cgroup_open(folder, &limits, &why), -1);
        ck_assert_ptr_nonnull(strstr(why, "takes no such limits"));
    }
    remove_folders();
}
END_TEST

/* ---- namespaces ------------------------------------------------------------------ */

static int n_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

START_TEST(jail_cell_has_a_descriptor_or_a_reason_for_each_part)
{
    int before = n_descriptors(), n_there = 0;
    struct cell cell;

    cell_make(&cell);
    for (int i = 0; i < CELL_N_PARTS; i++) {
        ck_assert_int_eq(cell.fds[i] != -1, cell.errors[i] == 0);
        if (cell.fds[i] != -1)
            ck_assert_int_eq(fcntl(cell.fds[i], F_GETFD), FD_CLOEXEC);
        n_there += cell.fds[i] != -1;
    }
    ck_assert_int_eq(n_descriptors(), before + n_there);
    cell_close(&cell);
    cell_close(&cell);
    ck_assert_int_eq(n_descriptors(), before);
}
END_TEST

/* ---- users ----------------------------------------------------------------------- */

static const struct {
    const char *text;
    int outcome;
    uint32_t uid, gid;
    enum err_kind kind;
} users[] = {
    {"12:34", 0, 12, 34, 0},
    {"12", -1, 0, 0, ERR_INVALID},
    {"0:5", -1, 0, 0, ERR_INVALID},
    {"5:0", -1, 0, 0, ERR_INVALID},
    {"root", -1, 0, 0, ERR_INVALID},
    {"", -1, 0, 0, ERR_INVALID},
    {":5", -1, 0, 0, ERR_INVALID},
    {"-1:5", -1, 0, 0, ERR_NOT_FOUND},
    {"4294967295:5", -1, 0, 0, ERR_NOT_FOUND},
    {"99999999999999999999:5", -1, 0, 0, ERR_NOT_FOUND},
    {"12:", -1, 0, 0, ERR_NOT_FOUND},
    {"nobody:no-such-group", -1, 0, 0, ERR_NOT_FOUND},
    {"a-name-that-is-far-too-long-for-any-user-of-any-system-that-there-is:1", -1, 0, 0,
     ERR_INVALID},
};

START_TEST(jail_finds_users)
{
    uint32_t uid = 0, gid = 0;
    struct err err;

    ck_assert_int_eq(jail_find_user(users[_i].text, &uid, &gid, &err),
                     users[_i].outcome);
    ck_assert_uint_eq(uid, users[_i].uid);
    ck_assert_uint_eq(gid, users[_i].gid);
    if (users[_i].outcome == -1)
        ck_assert_int_eq(err.kind, users[_i].kind);
}
END_TEST

/* ---- all of it ------------------------------------------------------------------- */

START_TEST(jail_off_confines_nobody)
{
    static const struct jail_settings settings = {.level = "off", .user = "nobody"};
    struct frame_setup setup = {0};
    struct err err;
    struct jail *jail = jail_create(&settings, &err);
    struct value map;

    ck_assert_ptr_nonnull(jail);
    jail_fill_setup(jail, &setup);
    ck_assert_uint_eq(setup.confinement, 0);
    ck_assert_uint_eq(setup.filter.n, 0);
    for (int i = 0; i < CONFINE_N_FDS; i++)
        ck_assert_int_eq(jail_descriptors(jail)[i], -1);
    map = jail_describe(jail);
    ck_assert_str_eq(value_get_text(&map, "level"), "off");
    value_finish(&map);
    jail_destroy(jail);
}
END_TEST

START_TEST(jail_refuses_limits_in_total_without_a_group)
{
    static const struct jail_settings settings = {
        .level = "on", .user = "", .total_memory_mb = 64};
    char group[PATH_MAX];
    const char *why;
    struct err err;
    struct jail *jail;

    if (!jail_is_possible() || unit_is_slowed() ||
        cgroup_find_own(group, sizeof(group), &why) == 0)
        return;
    jail = jail_create(&settings, &err);
    ck_assert_ptr_null(jail);
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "limits in total"));
}
END_TEST

START_TEST(jail_strict_names_what_is_missing)
{
    static const struct jail_settings settings = {.level = "strict", .user = ""};
    struct err err = {0};
    struct jail *jail = jail_create(&settings, &err);

    if (jail == NULL) {
        ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
        ck_assert(strstr(err.text, "strict") != NULL || !jail_is_possible());
    } else {
        struct frame_setup setup = {0};
        const uint32_t all = CONFINE_FILTER | CONFINE_LANDLOCK | CONFINE_MOUNTS |
                             CONFINE_NETWORK | CONFINE_IPC | CONFINE_CAPABILITIES;

        jail_fill_setup(jail, &setup);
        ck_assert_uint_eq(setup.confinement & all, all);
    }
    jail_destroy(jail);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, jail_cell_has_a_descriptor_or_a_reason_for_each_part);
    tcase_add_test(tc, jail_divides_a_group_that_is_ours);
    tcase_add_test(tc, jail_lifts_limits_that_are_not_set);
    tcase_add_test(tc, jail_leaves_the_groups_of_others_alone);
    tcase_add_test(tc, jail_wants_the_limits_that_it_was_given);
    tcase_add_loop_test(tc, jail_finds_users, 0, N_ELEMENTS(users));
    tcase_add_test(tc, jail_off_confines_nobody);
    tcase_add_test(tc, jail_refuses_limits_in_total_without_a_group);
    tcase_add_test(tc, jail_strict_names_what_is_missing);
}

int main(void)
{
    return unit_main("jail", fill);
}
