/* A device whose memory the host can't see and that plans no copy: everything but its products runs
 * on cpu, on what its tensors' memory spans, whatever their strides. */
#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

static int64_t *bytes;

/* The plugin as the default device, which plans `also`, too. */
static void use_plugin(const char *also)
{
    const char *path = getenv("CRESSET_FAR_PLUGIN");
    ck_assert_ptr_nonnull(path);
    setenv("CRESSET_BACKEND", path, 1);
    setenv("FAR_PLUGIN_PLANS", also, 1);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(plugin != NULL, "%s", dlerror());
    bytes = dlsym(plugin, "far_plugin_bytes");
    ck_assert_str_eq(cr_default_device(), "far");
}

static cr_tensor *counted(const char *device, int64_t rows, int64_t columns)
{
    return cr_tensor_to(cr_reshape(cr_arange(rows * columns, .dtype = CR_F32, .device = "cpu"),
                                   CR_INTS(rows, columns)),
                        device);
}

static void same(cr_tensor *far, cr_tensor *near)
{
    ck_assert_msg(far && near, "%s", cr_error());
    ck_assert_str_eq(cr_tensor_device(far), "far");
    ck_assert(cr_equal(cr_tensor_to(far, "cpu"), near));
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

/* Every kind of view, of a tensor on either device. */
enum { VIEWS = 6 };
static cr_tensor *view(cr_tensor *t, int which)
{
    switch (which) {
    case 0: return t;
    case 1: return cr_t(t);
    case 2: return cr_select(t, 1, 2);
    case 3: return cr_slice(t, .dim = 1, .start = CR_SOME(1), .step = CR_SOME(3));
    case 4: return cr_expand(cr_select(t, 0, 1), CR_INTS(4, -1));
    default: return cr_narrow(cr_t(t), 0, 2, 0);
    }
}

START_TEST(views_are_read)
{
    use_plugin("");
    CR_SCOPE {
        cr_tensor *far = view(counted("far", 6, 8), _i), *near = view(counted("cpu", 6, 8), _i);
        same(far, near);
        same(cr_contiguous(far), near);
        same(cr_clone(far), near);
        same(cr_exp(far), cr_exp(near));
        same(cr_add(far, far), cr_add(near, near));
        same(cr_to_dtype(far, CR_F64), cr_to_dtype(near, CR_F64));
        float values[64];
        ck_assert_int_eq(cr_tensor_read(far, values, (size_t)cr_tensor_numel(far) * 4), 0);
    }
}
END_TEST

/* What lies between the elements that are written stays. */
START_TEST(views_are_written)
{
    if (_i == 4)
        return; /* several elements in one place */
    use_plugin("");
    CR_SCOPE {
        cr_tensor *far = counted("far", 6, 8), *near = counted("cpu", 6, 8);
        cr_mul_scalar_(view(far, _i), 3);
        cr_mul_scalar_(view(near, _i), 3);
        same(far, near);
        cr_add_(view(far, _i), cr_exp(view(far, _i)));
        cr_add_(view(near, _i), cr_exp(view(near, _i)));
        same(far, near);
        cr_copy_(view(far, _i), cr_tensor_f64(CR_EMPTY, 7)); /* cast and broadcast */
        cr_copy_(view(near, _i), cr_tensor_to(cr_tensor_f64(CR_EMPTY, 7), "cpu"));
        same(far, near);
        cr_fill_scalar_(view(far, _i), 2);
        cr_fill_scalar_(view(near, _i), 2);
        same(far, near);
        float values[64];
        for (int i = 0; i < 64; i++)
            values[i] = (float)i / 2;
        size_t n = (size_t)cr_tensor_numel(view(near, _i)) * sizeof *values;
        ck_assert_int_eq(cr_tensor_write(view(far, _i), values, n), 0);
        ck_assert_int_eq(cr_tensor_write(view(near, _i), values, n), 0);
        same(far, near);
    }
}
END_TEST

START_TEST(a_source_may_be_of_the_same_memory)
{
    use_plugin("");
    CR_SCOPE {
        cr_tensor *far = counted("far", 1, 8), *near = counted("cpu", 1, 8);
        cr_copy_(cr_narrow(far, 1, 1, 3), cr_narrow(far, 1, 5, 3));
        cr_copy_(cr_narrow(near, 1, 1, 3), cr_narrow(near, 1, 5, 3));
        same(far, near);
    }
}
END_TEST

START_TEST(products_stay_on_the_device)
{
    use_plugin("");
    CR_SCOPE {
        cr_op_counts counts[64];
        same(cr_mm(counted("far", 4, 6), cr_t(counted("far", 5, 6))),
             cr_mm(counted("cpu", 4, 6), cr_t(counted("cpu", 5, 6))));
        size_t n = cr_device_op_counts("far", counts, 64), native = 0;
        for (size_t i = 0; i < n; i++)
            if (!strcmp(counts[i].op, "bmm"))
                native = counts[i].native;
        ck_assert_uint_eq(native, 1);
    }
}
END_TEST

START_TEST(a_model_trains)
{
    use_plugin("");
    cr_manual_seed(3);
    cr_module *far = cr_sequential(cr_conv2d(1, 4, 3), cr_batch_norm2d(4), cr_relu_layer(),
                                   cr_max_pool2d(2), cr_flatten_layer(), cr_linear(36, 5));
    cr_module *near = cr_module_copy(far);
    cr_module_to(near, .device = "cpu");
    cr_optimizer *one = cr_sgd(far, .lr = 0.1, .momentum = 0.9),
                 *two = cr_sgd(near, .lr = 0.1, .momentum = 0.9);
    for (int step = 0; step < 4; step++)
        CR_SCOPE {
            cr_tensor *image = cr_randn(CR_INTS(6, 1, 8, 8), .device = "cpu");
            cr_tensor *target = cr_randint(5, CR_INTS(6), .device = "cpu");
            cr_tensor *a = cr_cross_entropy(cr_forward(far, cr_tensor_to(image, "far")),
                                            cr_tensor_to(target, "far"));
            cr_tensor *b = cr_cross_entropy(cr_forward(near, image), target);
            cr_zero_grad(one), cr_zero_grad(two);
            cr_backward(a), cr_backward(b);
            cr_step(one), cr_step(two);
            ck_assert_msg(!cr_error(), "%s", cr_error());
            ck_assert_double_eq_tol(cr_item(a), cr_item(b), 1e-4);
        }
}
END_TEST

/* Where the device can copy, a few elements of a large tensor come without the rest of it. */
START_TEST(few_elements_are_copied_on_the_device_first)
{
    use_plugin("copy");
    CR_SCOPE {
        cr_tensor *column = cr_select(counted("far", 100, 100), 1, 3);
        int64_t before = bytes[1];
        cr_exp(column);
        ck_assert_int_eq(bytes[1] - before, 400);
    }
}
END_TEST

START_TEST(it_is_refused_where_falling_back_is)
{
    setenv("CRESSET_FALLBACK", "error", 1);
    use_plugin("");
    CR_SCOPE {
        cr_tensor *t = cr_t(counted("far", 2, 3));
        ck_assert_ptr_null(cr_clone(t));
        ck_assert_msg(cr_error() && strstr(cr_error(), "CRESSET_FALLBACK=error"), "%s", cr_error());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("far");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, views_are_read, 0, VIEWS);
    tcase_add_loop_test(all, views_are_written, 0, VIEWS);
    tcase_add_test(all, a_source_may_be_of_the_same_memory);
    tcase_add_test(all, products_stay_on_the_device);
    tcase_add_test(all, a_model_trains);
    tcase_add_test(all, few_elements_are_copied_on_the_device_first);
    tcase_add_test(all, it_is_refused_where_falling_back_is);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
