#include "common/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void expect(char *got, const char *want)
{
    ck_assert_str_eq(got, want);
    free(got);
}

static uid_t before;

/* Root has places of its own, so the others' are looked for as somebody else. */
static void become_other(void)
{
    before = geteuid();
    if (before == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

/* Sanitizers look for leaks at the end, and want to be who they were. */
static void become_self(void)
{
    ck_assert_int_eq(seteuid(before), 0);
}

static void set(const char *state, const char *runtime, const char *home)
{
    static const char *const names[] = {"XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME"};
    const char *values[] = {state, runtime, home};

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        if (values[i] != NULL)
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
}

START_TEST(paths_of_root_are_those_of_the_system)
{
    set("/state", "/runtime", "/home/ann");
    if (geteuid() != 0)
        return;
    expect(paths_state_dir("shop"), "/var/lib/troupe/shop");
    expect(paths_control_socket("shop"), "/run/troupe/shop.sock");
}
END_TEST

START_TEST(paths_of_others_are_where_XDG_says)
{
    become_other();
    set("/state", "/runtime", "/home/ann");
    expect(paths_state_dir("shop"), "/state/troupe/shop");
    expect(paths_control_dir(), "/runtime/troupe");
    expect(paths_control_socket("shop"), "/runtime/troupe/shop.sock");
    become_self();
}
END_TEST

/* Unset, or relative, which XDG wants to be ignored. */
START_TEST(paths_of_others_have_places_without_XDG)
{
    char want[64];

    become_other();
    set("state", _i == 0 ? NULL : "runtime", "/home/ann");
    expect(paths_state_dir("shop"), "/home/ann/.local/state/troupe/shop");
    snprintf(want, sizeof(want), "/tmp/troupe-%u/shop.sock", (unsigned)geteuid());
    expect(paths_control_socket("shop"), want);
    set(NULL, NULL, _i == 0 ? NULL : "home");
    snprintf(want, sizeof(want), "/tmp/troupe-%u/shop", (unsigned)geteuid());
    expect(paths_state_dir("shop"), want);
    become_self();
}
END_TEST

static const struct {
    const char *folder, *want;
} names[] = {
    {"/srv/shop", "shop"},
    {"shop/", "shop"},
    {"/srv/shop///", "shop"},
    {"/", "app"},
    {"", "app"},
    {"my shop", "my_shop"},
    {"/srv/.hidden", "_hidden"},
    {"..", "_."},
    {"a-b_c.d", "a-b_c.d"},
    {"b\xc3\xbc"
     "cher",
     "b__cher"},
};

START_TEST(paths_make_names_of_folders)
{
    char folder[200];

    expect(paths_app_name(names[_i].folder), names[_i].want);
    memset(folder, 'x', sizeof(folder) - 1);
    folder[sizeof(folder) - 1] = '\0';
    folder[64] = _i % 2 == 0 ? 'x' : '\0';
    expect(paths_app_name(folder),
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, paths_of_root_are_those_of_the_system);
    tcase_add_test(tc, paths_of_others_are_where_XDG_says);
    tcase_add_loop_test(tc, paths_of_others_have_places_without_XDG, 0, 2);
    tcase_add_loop_test(tc, paths_make_names_of_folders, 0, N_ELEMENTS(names));
}

int main(void)
{
    return unit_main("paths", fill);
}
