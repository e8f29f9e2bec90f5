/* The onednn backend against the cpu backend, on as many threads as CRESSET_NUM_THREADS says. With CRESSET_ONEDNN_TINY=1 those
 * suites whose operations oneDNN plans only where that is worth it, which small tests are not. */
#include "onednn_compare.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    if (getenv("CRESSET_ONEDNN_TINY")) {
        srunner_add_suite(runner, rows_suite());
        srunner_add_suite(runner, resample_suite());
        srunner_add_suite(runner, rnn_suite());
    } else {
        srunner_add_suite(runner, conv_suite());
        srunner_add_suite(runner, matmul_suite());
        srunner_add_suite(runner, eltwise_suite());
        srunner_add_suite(runner, layout_suite());
        srunner_add_suite(runner, captured_suite());
        srunner_add_suite(runner, binary_suite());
    }
    srunner_set_fork_status(runner, CK_NOFORK); /* threads don't survive a fork */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
