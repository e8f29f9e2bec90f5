/* For tests against what PyTorch computed: values from a file of tests/golden, and comparing with them. */
#ifndef CRESSET_TESTS_UNIT_NN_GOLDEN_H
#define CRESSET_TESTS_UNIT_NN_GOLDEN_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

/* No error so far; shows it otherwise. */
#define assert_no_error() ck_assert_msg(!cr_error(), "%s", cr_error())

/* The thread's error is exactly this; it is forgotten. */
#define assert_error(words)                                         \
    do {                                                            \
        ck_assert_msg(cr_error(), "no error; expected: %s", words); \
        ck_assert_str_eq(cr_error(), words);                        \
        cr_clear_error();                                           \
    } while (0)

/* The thread's error has these words in it; it is forgotten. */
#define assert_error_has(words)                                     \
    do {                                                            \
        ck_assert_msg(cr_error(), "no error; expected: %s", words); \
        ck_assert_msg(strstr(cr_error(), words), "%s", cr_error()); \
        cr_clear_error();                                           \
    } while (0)

/* A value of a golden file, on the device that the tests run on; null if there is none. */
static inline cr_tensor *on_device(cr_tensor *t)
{
    return t ? cr_tensor_to(t, cr_default_device()) : NULL;
}

static inline double *read_numbers(const cr_tensor *t)
{
    size_t count = (size_t)cr_tensor_numel(t);
    double *values = malloc((count + 1) * sizeof *values);
    CR_SCOPE {
        cr_tensor *near = cr_tensor_to(cr_detach((cr_tensor *)(uintptr_t)t), "cpu");
        cr_tensor *wide = cr_to_dtype(near, CR_F64);
        ck_assert_msg(wide && !cr_tensor_read(wide, values, count * sizeof *values), "%s",
                      cr_error());
    }
    return values;
}

/* Same sizes, and |a - b| ≤ tolerance (1 + |b|) everywhere. */
static inline void assert_close(const char *what, const cr_tensor *a, const cr_tensor *b,
                                double tolerance)
{
    ck_assert_msg(a != NULL, "%s: nothing was computed: %s", what, cr_error());
    ck_assert_msg(b != NULL, "%s: nothing to compare with", what);
    int dim = cr_tensor_dim(b);
    ck_assert_msg(cr_tensor_dim(a) == dim && !memcmp(cr_tensor_sizes(a), cr_tensor_sizes(b),
                                                     (size_t)dim * sizeof(int64_t)),
                  "%s: other sizes", what);
    double *x = read_numbers(a), *y = read_numbers(b);
    for (int64_t i = 0; i < cr_tensor_numel(a); i++)
        ck_assert_msg(fabs(x[i] - y[i]) <= tolerance * (1 + fabs(y[i])),
                      "%s: element %lld is %.9g, expected %.9g", what, (long long)i, x[i], y[i]);
    free(x);
    free(y);
}

/* Where CRESSET_SAVE_OPTIMIZERS says so, an optimiser's state dict with its parameters beside it, for PyTorch to go on from
 * (tests/interop/optimizers_torch.py). */
static inline void save_optimizer(const char *name, const cr_optimizer *optimizer,
                                  cr_tensor *const *params, size_t count)
{
    const char *folder = getenv("CRESSET_SAVE_OPTIMIZERS");
    if (!folder)
        return;
    char text[512];
    cr_state_dict *dict = cr_optimizer_state_dict(optimizer);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "params.%zu", i);
        ck_assert_int_eq(cr_state_dict_set(dict, text, cr_detach(params[i])), 0);
    }
    snprintf(text, sizeof text, "%s/%s.safetensors", folder, name);
    ck_assert_msg(!cr_save(text, dict), "%s", cr_error());
}

/* The teardown of tests that run on any backend: a process that exits with work in flight may take a driver down while it computes. */
static inline void finish(void)
{
    cr_clear_error();
    cr_synchronize(NULL);
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
