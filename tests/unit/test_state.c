#include "supervisor/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

#include "tests/unit/unit.h"

static char root[64];

static void make_root(void)
{
    strcpy(root, "/tmp/test_state.XXXXXX");
    ck_assert_ptr_ne(mkdtemp(root), NULL);
}

static void remove_root(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(state_makes_folders_for_us_alone)
{
    char *dir = xasprintf("%s/a/b c/d", root);
    struct err err = {0};
    struct stat st;
    int fd = state_open(dir, &err);

    ck_assert_msg(fd != -1, "%s", err.text);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    close(fd);
    fd = state_open(dir, &err); /* again: it's all there */
    ck_assert_int_ne(fd, -1);
    close(fd);
    free(dir);
}
END_TEST

START_TEST(state_refuses_a_second_owner_and_names_the_first)
{
    char want[40];
    struct err err = {0};
    int fd = state_open(root, &err), status;
    pid_t child;

    ck_assert_int_ne(fd, -1);
    snprintf(want, sizeof(want), "pid %ld", (long)getpid());
    child = fork();
    if (child == 0) {
        close(fd);
        _exit(state_open(root, &err) == -1 && err.kind == ERR_ALREADY_EXISTS &&
                      strstr(err.text, want) != NULL
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(fd);
}
END_TEST

START_TEST(state_is_free_again_after_a_death)
{
    struct err err = {0};
    int status, fd;
    pid_t child = fork();

    if (child == 0) {
        if (state_open(root, &err) == -1)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    fd = state_open(root, &err);
    ck_assert_msg(fd != -1, "%s", err.text);
    close(fd);
}
END_TEST

START_TEST(state_refuses_what_is_no_folder)
{
    char *file = xasprintf("%s/file", root), *below = xasprintf("%s/file/x", root);
    struct err err = {0};

    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(state_open(file, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "/file is no folder"));
    ck_assert_int_eq(state_open(below, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "/file"));
    free(file);
    free(below);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, make_root, remove_root);
    tcase_add_test(tc, state_makes_folders_for_us_alone);
    tcase_add_test(tc, state_refuses_a_second_owner_and_names_the_first);
    tcase_add_test(tc, state_is_free_again_after_a_death);
    tcase_add_test(tc, state_refuses_what_is_no_folder);
}

int main(void)
{
    return unit_main("state", fill);
}
