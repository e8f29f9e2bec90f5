/* Every module of torch.nn from a given state: outputs, gradients, buffers, names in the state dict and the printed form are
 * PyTorch's. The cases are tests/golden/nn/modules.def. */
#include "golden.h"

static cr_state_dict *values;

static cr_tensor *value(const char *name, const char *part)
{
    char full[256];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return on_device(cr_state_dict_get(values, full));
}

/* The entries "name.state.…" under the names behind. */
static cr_state_dict *state_of(const char *name, size_t *count)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%s.state.", name);
    cr_state_dict *state = cr_state_dict_new();
    *count = 0;
    CR_FOREACH_STATE(s, values)
    if (!strncmp(s.name, prefix, strlen(prefix))) {
        cr_state_dict_set(state, s.name + strlen(prefix), s.tensor);
        ++*count;
    }
    return state;
}

static void check_state(const char *name, cr_module *module)
{
    size_t expected, count = 0;
    cr_state_dict *state = state_of(name, &expected);
    ck_assert_msg(!cr_module_load_state_dict(module, state), "%s: %s", name, cr_error());
    const char *folder = getenv("CRESSET_SAVE_MODULES");
    cr_state_dict *ours = cr_module_state_dict(module);
    CR_FOREACH_STATE(s, ours)
    {
        count++;
        ck_assert_msg(cr_state_dict_get(state, s.name) != NULL, "%s: PyTorch has no %s", name,
                      s.name);
    }
    ck_assert_msg(count == expected, "%s: %zu entries in the state dict, PyTorch has %zu", name,
                  count, expected);
    if (folder && count) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
        ck_assert_msg(!cr_save(path, ours), "%s", cr_error());
    }
}

static void check_grads(const char *name, cr_module *module)
{
    char part[128];
    CR_FOREACH_PARAMETER (p, module) {
        snprintf(part, sizeof part, "grad.state.%s", p.name);
        if (value(name, part))
            assert_close(name, cr_grad(p.tensor), value(name, part), 3e-5);
    }
    CR_FOREACH_BUFFER(b, module)
    {
        snprintf(part, sizeof part, "after.%s", b.name);
        if (value(name, part))
            assert_close(name, b.tensor, value(name, part), 3e-5);
    }
}

static void check_calls(const char *name, cr_module *module)
{
    enum { MOST = 8 };
    char part[40];
    cr_tensor *inputs[MOST] = {NULL}, *outputs[MOST] = {NULL}, *cotangents[MOST];
    size_t n = 0, noutputs = 0, roots = 0;
    for (;; n++) {
        snprintf(part, sizeof part, "input.%zu", n);
        if (!value(name, part))
            break;
        inputs[n] = cr_clone(value(name, part));
        snprintf(part, sizeof part, "grad.input.%zu", n);
        if (value(name, part))
            cr_requires_grad_(inputs[n], 1);
    }
    for (;; noutputs++) {
        snprintf(part, sizeof part, "output.%zu", noutputs);
        if (!value(name, part))
            break;
    }
    ck_assert_msg(!cr_forward_many_with(module, inputs, n, outputs, noutputs), "%s: %s", name,
                  cr_error());
    cr_tensor *total = NULL;
    for (size_t i = 0; i < noutputs; i++) {
        snprintf(part, sizeof part, "output.%zu", i);
        assert_close(name, outputs[i], value(name, part), 3e-5);
        snprintf(part, sizeof part, "cotangent.%zu", i);
        cotangents[i] = value(name, part);
        if (!cotangents[i])
            continue;
        cr_tensor *sum = cr_sum(cr_mul(outputs[i], cotangents[i]));
        total = roots++ ? cr_add(total, sum) : sum;
    }
    ck_assert_msg(!roots || !cr_backward(total), "%s: %s", name, cr_error());
    for (size_t i = 0; i < n; i++) {
        snprintf(part, sizeof part, "grad.input.%zu", i);
        if (value(name, part))
            assert_close(name, cr_grad(inputs[i]), value(name, part), 3e-5);
    }
}

static void check_module(const char *name, cr_module *module, bool training, const char *words)
{
    ck_assert_msg(module != NULL, "%s: %s", name, cr_error());
    char *text = cr_module_to_string(module);
    ck_assert_str_eq(text, words);
    cr_free(text);
    check_state(name, module);
    if (!training)
        cr_eval(module);
    check_calls(name, module);
    check_grads(name, module);
    ck_assert_msg(!cr_error(), "%s: %s", name, cr_error());
}

static void load(void)
{
    values = cr_load("tests/golden/nn/modules.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

/* The constructor comes last, since its commas may stand in braces. */
#define MODULE(name, training, words, ...)                   \
    START_TEST(name##_agrees_with_pytorch)                   \
    {                                                        \
        check_module(#name, (__VA_ARGS__), training, words); \
    }                                                        \
    END_TEST
#include "tests/golden/nn/modules.def"
#undef MODULE

START_TEST(lazy_layers_take_their_sizes_from_the_first_input)
{
    cr_module *lazy[] = {cr_lazy_linear(4), cr_lazy_conv2d(4, 3),
                         cr_lazy_conv_transpose1d(4, 3, .groups = 2),
                         cr_lazy_batch_norm2d(1e-3, .no_momentum = true),
                         cr_lazy_instance_norm1d(.affine = true, .track_running_stats = true)};
    cr_tensor *inputs[] = {cr_rand(CR_INTS(2, 5)), cr_rand(CR_INTS(2, 5, 6, 6)),
                           cr_rand(CR_INTS(2, 6, 7)), cr_rand(CR_INTS(2, 3, 2, 2)),
                           cr_rand(CR_INTS(4, 5))};
    static const char *const before[] = {
        "LazyLinear(in_features=0, out_features=4, bias=True)",
        "LazyConv2d(0, 4, kernel_size=(3, 3), stride=(1, 1))",
        "LazyConvTranspose1d(0, 4, kernel_size=(3,), stride=(1,), groups=2)",
        "LazyBatchNorm2d(0, eps=0.001, momentum=None, affine=True, track_running_stats=True)",
        "LazyInstanceNorm1d(0, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"};
    static const char *const after[] = {
        "Linear(in_features=5, out_features=4, bias=True)",
        "Conv2d(5, 4, kernel_size=(3, 3), stride=(1, 1))",
        "ConvTranspose1d(6, 4, kernel_size=(3,), stride=(1,), groups=2)",
        "BatchNorm2d(3, eps=0.001, momentum=None, affine=True, track_running_stats=True)",
        "InstanceNorm1d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"};
    for (int i = 0; i < 5; i++) {
        char *text = cr_module_to_string(lazy[i]);
        ck_assert_str_eq(text, before[i]);
        cr_free(text);
        ck_assert_int_eq(cr_parameter_count(lazy[i]), 0);
        ck_assert_msg(cr_forward(lazy[i], inputs[i]) != NULL, "%s", cr_error());
        text = cr_module_to_string(lazy[i]);
        ck_assert_str_eq(text, after[i]);
        cr_free(text);
        ck_assert_int_gt(cr_parameter_count(lazy[i]), 0);
    }
    ck_assert_ptr_null(cr_forward(cr_lazy_conv1d(4, 3, .groups = 2), cr_rand(CR_INTS(2, 5, 6))));
    assert_error_has("in_channels must be divisible by groups");
}
END_TEST

static cr_module *lazy_or_not(bool lazy)
{
    return lazy ? cr_sequential(cr_lazy_conv2d(4, 3, .groups = 2), cr_lazy_batch_norm2d(),
                                cr_lazy_conv_transpose2d(6, 2, .groups = 2),
                                cr_lazy_instance_norm2d(.track_running_stats = true),
                                cr_sequential("flat", cr_flatten_layer(), "fc", cr_lazy_linear(3)))
                : cr_sequential(cr_conv2d(2, 4, 3, .groups = 2), cr_batch_norm2d(4),
                                cr_conv_transpose2d(4, 6, 2, .groups = 2),
                                cr_instance_norm2d(6, .track_running_stats = true),
                                cr_sequential("flat", cr_flatten_layer(), "fc", cr_linear(54, 3)));
}

START_TEST(lazy_layers_take_their_sizes_from_a_state_dict_too)
{
    cr_module *net = lazy_or_not(false), *lazy = lazy_or_not(true);
    cr_tensor *x = cr_randn(CR_INTS(3, 2, 4, 4));
    ck_assert_msg(!cr_module_load_state_dict(lazy, cr_module_state_dict(net)), "%s", cr_error());
    char *a = cr_module_to_string(lazy), *b = cr_module_to_string(net);
    ck_assert_str_eq(a, b);
    cr_free(a);
    cr_free(b);
    assert_close("loaded", cr_forward(cr_eval(lazy), x), cr_forward(cr_eval(net), x), 0);
    ck_assert_int_eq(cr_module_load_state_dict(lazy_or_not(true), cr_state_dict_new()), 0);
    cr_state_dict *odd = cr_state_dict_new();
    cr_state_dict_set(odd, "weight", cr_zeros(CR_INTS(4, 3, 3, 3)));
    ck_assert_int_eq(cr_module_load_state_dict(cr_lazy_conv2d(5, 3, .no_bias = true), odd), -1);
    assert_error_has("size mismatch for weight");
    assert_no_error();
}
END_TEST

START_TEST(wrong_inputs_are_refused)
{
    ck_assert_ptr_null(cr_forward(cr_avg_pool2d(2), cr_rand(CR_INTS(2, 3))));
    assert_error_has("AvgPool2d: Expected 3D or 4D (batch mode) tensor");
    ck_assert_ptr_null(cr_max_pool1d(3, .padding = 2));
    assert_error_has("pad should be at most half of kernel size");
    ck_assert_ptr_null(cr_forward(cr_group_norm(2, 4), cr_rand(CR_INTS(2, 6, 3))));
    assert_error_has("GroupNorm: expected input with 4 channels");
    ck_assert_ptr_null(cr_conv2d(2, 2, 3, .padding_mode = "mirror"));
    assert_error_has("padding_mode must be one of");
    ck_assert_ptr_null(cr_upsample(2, .scale_factor = 2));
    assert_error_has("only one of size or scale_factor");
    ck_assert_ptr_null(cr_huber_loss_layer("average"));
    assert_error_has("not a valid value for reduction");
    ck_assert_ptr_null(cr_embedding_bag_layer(5, 3, .mode = "product"));
    assert_error_has("mode has to be one of");
    ck_assert_ptr_null(cr_constant_pad2d(CR_INTS(1, 2, 3), 0));
    assert_error_has("padding is one number or 4, got 3");
}
END_TEST

/* A device may tell at the latest when somebody reads; the words name the operation that looked, or the one it was for. */
static void check_refused(cr_tensor *result, const char *name, const char *other)
{
    if (result)
        cr_item(cr_sum(result));
    ck_assert_msg(cr_error() && strstr(cr_error(), "out of"), "%s: %s", name, cr_error());
    ck_assert_msg(strstr(cr_error(), name) || strstr(cr_error(), other), "%s: %s", name,
                  cr_error());
    cr_clear_error();
}

START_TEST(classes_out_of_range_are_errors_on_every_device)
{
    cr_tensor *x = cr_randn(CR_INTS(3, 4)), *high = on_device(cr_tensor_i64(CR_INTS(3), 0, 4, 1)),
              *low = on_device(cr_tensor_i64(CR_INTS(3), 0, -1, 1));
    cr_tensor *wrong[] = {high, low};
    for (int i = 0; i < 2; i++) {
        check_refused(cr_forward(cr_cross_entropy_loss(), x, wrong[i]), "nll_loss",
                      "cross_entropy");
        check_refused(cr_forward(cr_nll_loss_layer(.reduction = "none"), x, wrong[i]), "nll_loss",
                      "nll_loss");
        check_refused(cr_forward(cr_multi_margin_loss_layer(), x, wrong[i]), "gather", "scatter");
        check_refused(cr_forward(cr_embedding(4, 2), wrong[i]), "embedding", "embedding");
        check_refused(cr_gather(x, 1, cr_unsqueeze(wrong[i], 1)), "gather", "gather");
        check_refused(cr_index_select(x, 1, wrong[i]), "index_select", "index_select");
        check_refused(cr_scatter_value(x, 1, cr_unsqueeze(wrong[i], 1), 1), "scatter", "scatter");
        check_refused(cr_forward(cr_embedding_bag_layer(4, 2), cr_unsqueeze(wrong[i], 0)),
                      "embedding", "embedding");
    }
    assert_close("afterwards", cr_sum(cr_forward(cr_identity(), x)), cr_sum(x), 0);
    ck_assert(!cr_error());
}
END_TEST

START_TEST(adaptive_softmax_knows_all_classes)
{
    cr_module *loss = cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(4, 10), 2);
    cr_tensor *x = cr_randn(CR_INTS(5, 6)), *out[2], *all = cr_adaptive_log_prob(loss, x);
    cr_tensor *target = on_device(cr_tensor_i64(CR_INTS(5), 0, 19, 9, 4, 3));
    ck_assert_int_eq(cr_forward_many(loss, out, 2, x, target), 0);
    assert_close("targets", out[0], cr_squeeze_dim(cr_gather(all, 1, cr_unsqueeze(target, 1)), 1),
                 1e-5);
    assert_close("loss", out[1], cr_neg(cr_mean(out[0])), 1e-6);
    assert_close("sum", cr_sum_dim(cr_exp(all), 1), cr_ones(5), 1e-5);
    assert_close("best", cr_adaptive_predict(loss, x), cr_argmax(all, .dim = CR_SOME(1)), 0);
    ck_assert_ptr_null(cr_forward(loss, x, cr_add_scalar(target, 1)));
    assert_error_has("Target values should be in [0, 19], but values in range [1, 20] were found");
    ck_assert_ptr_null(cr_forward(loss, x, cr_unsqueeze(target, 1)));
    assert_error_has("0D or 1D target tensor expected");
    ck_assert_ptr_null(cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(10, 4)));
    assert_error_has("sorted in an increasing order");
    ck_assert_ptr_null(cr_adaptive_predict(cr_identity(), x));
    assert_error_has("an AdaptiveLogSoftmaxWithLoss is needed, not Identity");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("modules");
    TCase *tests = tcase_create("agreement with PyTorch");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, load, finish);
#define MODULE(name, ...) tcase_add_test(tests, name##_agrees_with_pytorch);
#include "tests/golden/nn/modules.def"
#undef MODULE
    tcase_add_test(tests, lazy_layers_take_their_sizes_from_the_first_input);
    tcase_add_test(tests, lazy_layers_take_their_sizes_from_a_state_dict_too);
    tcase_add_test(tests, classes_out_of_range_are_errors_on_every_device);
    tcase_add_test(tests, adaptive_softmax_knows_all_classes);
    tcase_add_test(tests, wrong_inputs_are_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
