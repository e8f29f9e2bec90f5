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

/* Which of PyTorch's lists holds: the CPU's, or CUDA's. */
static bool is_host(void)
{
    return strcmp(here(), "vulkan") != 0;
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
        ck_dtype(cr_softmax(b, 1), is_host() ? CR_BF16 : CR_F32);
        ck_dtype(cr_exp(b), is_host() ? CR_BF16 : CR_F32);
        ck_dtype(cr_sum(b), is_host() ? CR_BF16 : CR_F32);
        ck_dtype(cr_relu(b), CR_BF16);
        ck_dtype(cr_mse_loss(b, b), CR_F32);
        ck_dtype(cr_prod(b), CR_F32);
        ck_dtype(cr_trace(b), is_host() ? CR_F32 : CR_BF16);
        ck_dtype(cr_addcmul(b, b, b), CR_BF16);
        ck_dtype(cr_logaddexp(b, b), CR_BF16); /* made of exponentials here, a kernel in PyTorch */
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

/* PyTorch's lists, by its registrations: each operation that the table has is on the same list, and no other one is on any. */
START_TEST(lists_are_pytorchs)
{
    static const struct {
        bool host;
        const char *policy, *op;
    } golden[] = {
#define LOWER              "lower_precision"
#define FLOAT32            "float32"
#define PROMOTE            "promote"
#define BANNED             "banned"
#define ON_CPU(policy, op) {true, policy, op},
#define ON_GPU(policy, op) {false, policy, op},
#include "tests/golden/nn/autocast.def"
    };
    /* Ours under another name, or not PyTorch 1.13's. */
    static const char *const ours[] = {"conv_transpose2d", "conv_transpose3d",
                                       "scaled_dot_product_attention"};
    size_t count = sizeof golden / sizeof *golden, there = 0, listed = 0;
    for (size_t i = 0; i < count; i++) {
        if (golden[i].host != is_host() || !cr_op_schema(golden[i].op))
            continue;
        const char *policy = cr_autocast_policy(golden[i].op);
        ck_assert_msg(policy && !strcmp(policy, golden[i].policy), "%s: %s, not %s", golden[i].op,
                      policy ? policy : "none", golden[i].policy);
        there++;
    }
    ck_assert_msg(there > 80, "only %zu operations of the lists are there", there);
    for (size_t n = 0; n < cr_op_count(); n++) {
        const char *op = cr_op_name(n);
        bool known = !cr_autocast_policy(op);
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            known |= !strcmp(ours[i], op);
        for (size_t i = 0; i < count; i++)
            known |= golden[i].host == is_host() && !strcmp(golden[i].op, op);
        ck_assert_msg(known, "%s is on a list, but not on PyTorch's", op);
        listed += cr_autocast_policy(op) != NULL;
    }
    ck_assert_uint_ge(listed, there);
    ck_assert_ptr_null(cr_autocast_policy("add.Tensor"));
    ck_assert_ptr_null(cr_autocast_policy_on("nowhere", "mm"));
    assert_error_has("nowhere");
    ck_assert_str_eq(cr_autocast_policy_on("cpu", "conv_transpose2d"), "float32");
}
END_TEST

START_TEST(an_unsafe_loss_is_refused_on_gpus)
{
    cr_tensor *p = cr_rand(4), *loss = NULL;
    CR_AUTOCAST (here())
        loss = cr_binary_cross_entropy(p, p);
    if (is_host()) {
        ck_dtype(loss, CR_F32);
    } else {
        ck_assert_ptr_null(loss);
        assert_error_has("binary_cross_entropy is unsafe to autocast");
    }
    assert_no_error();
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
    tcase_add_test(all, lists_are_pytorchs);
    tcase_add_test(all, an_unsafe_loss_is_refused_on_gpus);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
