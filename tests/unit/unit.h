/* unit -- what every unit test program shares: one suite, one case, main(). */
#ifndef TROUPE_TESTS_UNIT_H
#define TROUPE_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h" /* N_ELEMENTS for loop tests */

/* Under valgrind, where nothing is as fast as it should be. */
static inline bool unit_is_slowed(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "valgrind") != NULL;
}

/* A call's deadline, as an error tells of it: less than what was asked for by however
 * long the call was under way. */
static inline bool unit_tells_timeout(const char *text, unsigned asked_ms)
{
    unsigned ms;
    int end = 0;

    return sscanf(text, "function execution timed out after %ums%n", &ms, &end) == 1 &&
           end != 0 && text[end] == '\0' && ms <= asked_ms;
}

/* Runs the case that fill() fills; the program's exit code. */
static inline int unit_main(const char *name, void (*fill)(TCase *))
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 300); /* whatever takes that long hangs */
    fill(tc);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
