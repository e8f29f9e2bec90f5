/* How the tests on a Vulkan device begin, and how they run. */
#ifndef CRESSET_TESTS_VULKAN_FIRST_DEVICE_H
#define CRESSET_TESTS_VULKAN_FIRST_DEVICE_H

#include <check.h>
#include <cresset/cresset.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Leaves Mesa's driver loaded, so that the leak checker knows whose its memory is. */
static inline void keep_driver(void)
{
    dlopen("libvulkan_lvp.so", RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
}

/* The default device's name, its driver kept. Where there is none, null, the error printed, and *status what the program ends with: 77 without a
 * driver, which skips the test. */
static inline const char *first_device(int *status)
{
    keep_driver();
    const char *name = cr_default_device();
    if (!name) {
        *status = strstr(cr_error(), "no Vulkan driver") ? 77 : EXIT_FAILURE;
        fprintf(stderr, "%s\n", cr_error());
    }
    return name;
}

/* Runs the suite in this process, for a driver's threads don't survive a fork. How many tests failed. */
static inline int run_here(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}

#endif
