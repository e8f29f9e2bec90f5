/* A backend's kernels against plain loops in double and int64, through the backend interface alone. Its file is the first
 * argument; the parts of the test are in test_cpu_*.c. With "few" as the second, fewer shapes and layouts are tried, for
 * devices on which each takes long. */
#include "kernel_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: test_cpu_kernels libcresset_NAME.so [few]\n");
        return 2;
    }
    host_few = argc > 2 && !strcmp(argv[2], "few");
    host_open(argv[1]);
    SRunner *runner = srunner_create(elementwise_suite());
    srunner_add_suite(runner, copy_suite());
    srunner_add_suite(runner, reduce_suite());
    srunner_add_suite(runner, index_suite());
    srunner_add_suite(runner, product_suite());
    srunner_add_suite(runner, convolution_suite());
    /* OpenMP's threads don't survive a fork, and a kernel that dies should be seen in a debugger. */
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    host_close();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
