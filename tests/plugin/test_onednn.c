/* The onednn backend against the cpu backend, on as many threads as CRESSET_NUM_THREADS says. */
#include "onednn_compare.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(conv_suite());
    srunner_add_suite(runner, matmul_suite());
    srunner_add_suite(runner, eltwise_suite());
    srunner_add_suite(runner, layout_suite());
    srunner_set_fork_status(runner, CK_NOFORK); /* threads don't survive a fork */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
