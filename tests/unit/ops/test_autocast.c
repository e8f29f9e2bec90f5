/* autocast: which operations cast and to what, nesting, the casts that are kept, training with f32 master weights. */
#include <pthread.h>

#include "nn/golden.h"

#define ck_dtype(t, wanted) \
    ck_assert_str_eq(cr_dtype_name(cr_tensor_dtype(t)), cr_dtype_name(wanted))

/* The type of the default device: "cpu", of "vulkan:1" "vulkan". */
static const char *here(void)
{
    static char type[32];
    snprintf(type, sizeof type, "%.*s", (int)strcspn(cr_default_device(), ":"),
             cr_default_device());
    return type;
}

START_TEST(operations_cast_by_their_lists)
{
    cr_tensor *x = cr_randn(CR_INTS(4, 4)), *y = cr_randn(CR_INTS(4, 4));
    ck_dtype(cr_mm(x, y), CR_F32);
    CR_AUTOCAST (here()) {
        cr_tensor *b = cr_mm(x, y);
        ck_dtype(b, CR_BF16);
        ck_dtype(cr_matmul(x, b), CR_BF16);
        ck_dtype(cr_f_linear(x, y), CR_BF16);
        ck_dtype(cr_add(x, y), CR_F32);
        ck_dtype(cr_softmax(b, 1), CR_BF16);
        ck_dtype(cr_mse_loss(b, b), CR_F32);
        ck_dtype(cr_prod(b), CR_F32);
        ck_dtype(cr_trace(b), CR_F32);
        ck_dtype(cr_cat(CR_TENSORS(b, x)), CR_F32);
        ck_dtype(cr_cat(CR_TENSORS(b, b)), CR_BF16);
        ck_dtype(cr_stack(CR_TENSORS(b, x)), CR_F32);
        ck_dtype(cr_einsum("ij,jk->ik", CR_TENSORS(x, y)), CR_BF16);
        cr_tensor *d = cr_to_dtype(x, CR_F64);
        ck_dtype(cr_mm(d, d), CR_F64);
        cr_tensor *image = cr_randn(CR_INTS(1, 1, 6, 6)), *weight = cr_randn(CR_INTS(2, 1, 3, 3));
        ck_dtype(cr_f_conv2d(image, weight), CR_BF16);
        ck_dtype(cr_mm_out(x, y, cr_empty(CR_INTS(4, 4))), CR_F32); /* out forms don't */
    }
    ck_dtype(cr_mm(x, y), CR_F32);
    CR_AUTOCAST (here(), .dtype = CR_F16)
        ck_dtype(cr_mm(x, y), CR_F16);
    assert_no_error();
}
END_TEST

START_TEST(casts_are_rounded_inputs)
{
    cr_tensor *x = cr_randn(CR_INTS(8, 8)), *y = cr_randn(CR_INTS(8, 8)), *cast = NULL;
    CR_AUTOCAST (NULL)
        cast = cr_mm(x, y);
    cr_tensor *by_hand = cr_mm(cr_to_dtype(x, CR_BF16), cr_to_dtype(y, CR_BF16));
    ck_assert(cr_equal(cast, by_hand));
    assert_no_error();
}
END_TEST

START_TEST(blocks_nest_and_speak_of_devices)
{
    cr_tensor *x = cr_randn(CR_INTS(4, 4));
    ck_assert(!cr_autocast_enabled(here()));
    CR_AUTOCAST ("elsewhere", .dtype = CR_F16) {
        ck_assert(!cr_autocast_enabled(here()));
        ck_assert(cr_autocast_enabled("elsewhere"));
        ck_dtype(cr_mm(x, x), CR_F32);
        CR_AUTOCAST (here()) {
            ck_dtype(cr_mm(x, x), CR_BF16);
            ck_assert(cr_autocast_dtype("elsewhere") == CR_F16);
            CR_AUTOCAST (here(), .disabled = true) {
                ck_assert(!cr_autocast_enabled(here()));
                ck_dtype(cr_mm(x, x), CR_F32);
                ck_dtype(cr_einsum("ij,jk->ik", CR_TENSORS(x, x)), CR_F32);
            }
            ck_dtype(cr_mm(x, x), CR_BF16);
        }
    }
    for (int i = 0; i < 3; i++)
        CR_AUTOCAST (here())
            break;
    ck_dtype(cr_mm(x, x), CR_F32);
    CR_AUTOCAST (here(), .dtype = CR_F64)
        ck_abort_msg("a block with a dtype that there is not was entered");
    assert_error_has("must be bf16 or f16, not float64");
}
END_TEST

START_TEST(casts_of_parameters_are_kept_until_the_block_ends)
{
    cr_tensor *w = cr_requires_grad_(cr_randn(CR_INTS(4, 4)), 1), *x = cr_randn(CR_INTS(4, 4));
    CR_AUTOCAST (here()) {
        cr_tensor *first = NULL;
        CR_SCOPE
            first = cr_keep(cr_mm(x, w));
        ck_assert_uint_eq(cr_autocast_cached(), 1);
        ck_assert(cr_equal(first, cr_mm(x, w)));
        ck_assert_uint_eq(cr_autocast_cached(), 1);
        CR_NO_GRAD {
            ck_assert(!cr_requires_grad(cr_mm(x, w)));
            cr_zero_(w); /* a changed parameter is cast again */
        }
        cr_tensor *y = cr_mm(x, w);
        ck_assert_double_eq(cr_item(cr_sum(cr_abs(y))), 0);
        ck_assert_int_eq(cr_backward(cr_sum(cr_to_dtype(y, CR_F32))), 0);
        CR_AUTOCAST (here(), .no_cache = true)
            cr_mm(x, cr_requires_grad_(cr_randn(CR_INTS(4, 4)), 1));
        ck_assert_uint_eq(cr_autocast_cached(), 1);
    }
    ck_assert_uint_eq(cr_autocast_cached(), 0);
    ck_dtype(cr_grad(w), CR_F32);
    cr_tensor *expected =
        cr_mm(cr_t(cr_to_dtype(cr_to_dtype(x, CR_BF16), CR_F32)), cr_ones(CR_INTS(4, 4)));
    assert_close("grad", cr_grad(w), expected, 1e-2);
    assert_no_error();
}
END_TEST

START_TEST(many_parameters_are_kept)
{
    cr_tensor *w[200], *x = cr_randn(CR_INTS(1, 2));
    for (int i = 0; i < 200; i++)
        w[i] = cr_requires_grad_(cr_randn(CR_INTS(2, 2)), 1);
    CR_AUTOCAST (here())
        for (int n = 0; n < 2; n++) {
            for (int i = 0; i < 200; i++)
                CR_SCOPE
                    cr_mm(x, w[i]);
            ck_assert_uint_eq(cr_autocast_cached(), 200);
        }
    ck_assert_uint_eq(cr_autocast_cached(), 0);
    assert_no_error();
}
END_TEST

static void *elsewhere(void *unused)
{
    (void)unused;
    bool was = cr_autocast_enabled(here());
    cr_autocast_begin(here(), NULL); /* left open: the thread's end closes it */
    cr_mm(cr_requires_grad_(cr_ones(CR_INTS(2, 2)), 1), cr_ones(CR_INTS(2, 2)));
    return was ? (void *)"on" : NULL;
}

START_TEST(the_state_is_the_threads)
{
    CR_AUTOCAST (here()) {
        pthread_t thread;
        void *was = "unset";
        ck_assert_int_eq(pthread_create(&thread, NULL, elsewhere, NULL), 0);
        pthread_join(thread, &was);
        ck_assert_ptr_null(was);
        ck_assert(cr_autocast_enabled(here()));
    }
}
END_TEST

START_TEST(policies_are_known_by_name)
{
    ck_assert_str_eq(cr_autocast_policy("mm"), "lower_precision");
    ck_assert_str_eq(cr_autocast_policy("conv2d"), "lower_precision");
    ck_assert_str_eq(cr_autocast_policy("mse_loss"), "float32");
    ck_assert_str_eq(cr_autocast_policy("conv_transpose2d"), "float32");
    ck_assert_str_eq(cr_autocast_policy("cat"), "promote");
    ck_assert_ptr_null(cr_autocast_policy("add.Tensor"));
    static const char *const all[] = {
#define AUTOCAST(policy, name) name,
#include "core/ops/autocast.def"
    };
    size_t there = 0, count = sizeof all / sizeof *all;
    for (size_t i = 0; i < count; i++) { /* every one is found: the list is in order */
        ck_assert_msg(cr_autocast_policy(all[i]) != NULL, "%s", all[i]);
        there += cr_op_schema(all[i]) != NULL;
    }
    ck_assert_msg(there > 80, "only %zu of %zu are in the table", there, count);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("autocast");
    TCase *all = tcase_create("autocast");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, operations_cast_by_their_lists);
    tcase_add_test(all, casts_are_rounded_inputs);
    tcase_add_test(all, blocks_nest_and_speak_of_devices);
    tcase_add_test(all, casts_of_parameters_are_kept_until_the_block_ends);
    tcase_add_test(all, many_parameters_are_kept);
    tcase_add_test(all, the_state_is_the_threads);
    tcase_add_test(all, policies_are_known_by_name);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
