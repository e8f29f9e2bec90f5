/* Every layer and loss from a given state: outputs, gradients and buffers as PyTorch has them; and its printed form. */
#include "golden.h"

static cr_state_dict *values;

static cr_tensor *value(const char *layer, const char *part)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return on_device(cr_state_dict_get(values, name));
}

/* The entries "layer.state.…" under the names behind. */
static cr_state_dict *state_of(const char *layer)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%s.state.", layer);
    cr_state_dict *state = cr_state_dict_new();
    CR_FOREACH_STATE(s, values)
    if (!strncmp(s.name, prefix, strlen(prefix)))
        cr_state_dict_set(state, s.name + strlen(prefix), s.tensor);
    return state;
}

static void check_tensors(const char *layer, cr_named_tensor it, const char *part, bool grads)
{
    while (cr_next_tensor(&it)) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", part, it.name);
        assert_close(name, grads ? cr_grad(it.tensor) : it.tensor, value(layer, name), 2e-5);
    }
}

static void check_layer(const char *layer, cr_module *module, bool training)
{
    ck_assert_msg(module != NULL, "%s: %s", layer, cr_error());
    ck_assert_msg(!cr_module_load_state_dict(module, state_of(layer)), "%s: %s", layer, cr_error());
    if (!training)
        cr_eval(module);
    cr_tensor *inputs[2] = {NULL};
    size_t n = 0;
    for (; n < 2; n++) {
        char part[32], grad[40];
        snprintf(part, sizeof part, "input.%zu", n);
        snprintf(grad, sizeof grad, "grad.input.%zu", n);
        cr_tensor *given = value(layer, part);
        if (!given)
            break;
        inputs[n] = cr_clone(given);
        if (value(layer, grad))
            cr_requires_grad_(inputs[n], 1);
    }
    cr_tensor *y = cr_forward_with(module, inputs, n);
    assert_close(layer, y, value(layer, "output"), 2e-5);
    ck_assert_msg(!cr_backward(y, .gradient = value(layer, "cotangent")), "%s: %s", layer,
                  cr_error());
    for (size_t i = 0; i < n; i++) {
        char grad[40];
        snprintf(grad, sizeof grad, "grad.input.%zu", i);
        if (value(layer, grad))
            assert_close(layer, cr_grad(inputs[i]), value(layer, grad), 2e-5);
    }
    check_tensors(layer, cr_parameters(module), "grad.state", true);
    check_tensors(layer, cr_buffers(module), "after", false);
    assert_no_error();
}

static void load(void)
{
    values = cr_load("tests/golden/nn/layers.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

#define CHECK(name, ...)      check_layer(#name, __VA_ARGS__, true)
#define CHECK_EVAL(name, ...) check_layer(#name, __VA_ARGS__, false)

START_TEST(linear_layers_agree_with_pytorch)
{
    CHECK(linear, cr_linear(4, 3));
    CHECK(linear_no_bias_3d, cr_linear(4, 3, .no_bias = true));
    CHECK(bilinear, cr_bilinear(3, 4, 2));
    CHECK(sequential, cr_sequential(cr_linear(4, 5), cr_tanh_layer(), cr_linear(5, 2)));
}
END_TEST

START_TEST(convolutions_agree_with_pytorch)
{
    CHECK(conv1d, cr_conv1d(2, 4, 3, .stride = 2, .padding = 1));
    CHECK(conv1d_same, cr_conv1d(1, 2, 4, .padding_same = true));
    CHECK(conv2d, cr_conv2d(2, 3, 3));
    CHECK(conv2d_options,
          cr_conv2d(4, 8, .kernel_size_hw = {3, 5}, .stride = 2, .padding_hw = {1, 2},
                    .dilation_hw = {1, 2}, .groups = 2, .no_bias = true));
    CHECK(conv2d_unbatched, cr_conv2d(2, 3, 3, .padding = 1));
    CHECK(conv3d, cr_conv3d(2, 2, 2, .padding = 1));
}
END_TEST

START_TEST(pooling_agrees_with_pytorch)
{
    CHECK(max_pool2d, cr_max_pool2d(2));
    CHECK(max_pool2d_options, cr_max_pool2d(.kernel_size_hw = {3, 2}, .stride_hw = {1, 2},
                                            .padding = 1, .ceil_mode = true));
    CHECK(adaptive_max_pool2d, cr_adaptive_max_pool2d(.output_size_hw = {2, 3}));
    CHECK(adaptive_max_pool2d_none, cr_adaptive_max_pool2d(.output_size_hw = {-1, 1}));
}
END_TEST

START_TEST(activations_and_shapes_agree_with_pytorch)
{
    CHECK_EVAL(dropout_eval, cr_dropout(0.5));
    CHECK(flatten, cr_flatten_layer());
    CHECK(unflatten, cr_unflatten_layer(1, CR_INTS(2, 3)));
    CHECK(relu, cr_relu_layer());
    CHECK(sigmoid, cr_sigmoid_layer());
    CHECK(tanh, cr_tanh_layer());
    CHECK(gelu, cr_gelu_layer());
    CHECK(gelu_tanh, cr_gelu_layer("tanh"));
    CHECK(silu, cr_silu_layer());
    CHECK(leaky_relu, cr_leaky_relu_layer(0.2));
    CHECK(elu, cr_elu_layer(0.5));
    CHECK(softplus, cr_softplus_layer(2, 1));
    CHECK(softmax, cr_softmax_layer(1));
    CHECK(log_softmax, cr_log_softmax_layer(-1));
}
END_TEST

START_TEST(normalisation_and_embedding_agree_with_pytorch)
{
    CHECK(batch_norm1d, cr_batch_norm1d(3));
    CHECK(batch_norm1d_3d, cr_batch_norm1d(3, .momentum = 0.3));
    CHECK(batch_norm2d, cr_batch_norm2d(3));
    CHECK_EVAL(batch_norm2d_eval, cr_batch_norm2d(3));
    CHECK(batch_norm2d_average, cr_batch_norm2d(3, .no_momentum = true));
    CHECK_EVAL(batch_norm2d_plain,
               cr_batch_norm2d(3, .no_affine = true, .no_track_running_stats = true));
    CHECK(batch_norm3d, cr_batch_norm3d(2));
    CHECK(layer_norm, cr_layer_norm(5));
    CHECK(layer_norm_2d, cr_layer_norm(CR_INTS(3, 4), .eps = 1e-3));
    CHECK(embedding, cr_embedding(6, 3, .padding_idx = CR_SOME(2)));
}
END_TEST

START_TEST(losses_agree_with_pytorch)
{
    cr_tensor *ones = cr_ones(4);
    CHECK(cross_entropy, cr_cross_entropy_loss());
    CHECK(cross_entropy_options, cr_cross_entropy_loss(.weight = ones, .ignore_index = CR_SOME(1),
                                                       .reduction = "sum", .label_smoothing = 0.1));
    CHECK(cross_entropy_images, cr_cross_entropy_loss(.reduction = "none"));
    CHECK(cross_entropy_probabilities, cr_cross_entropy_loss());
    CHECK(nll, cr_nll_loss_layer(cr_ones(4)));
    CHECK(mse, cr_mse_loss_layer());
    CHECK(mse_none, cr_mse_loss_layer("none"));
    CHECK(l1, cr_l1_loss_layer("sum"));
    CHECK(bce, cr_bce_loss());
    CHECK(bce_with_logits, cr_bce_with_logits_loss(.pos_weight = cr_ones(4)));
}
END_TEST

static void check_text(cr_module *module, const char *expected)
{
    char *text = cr_module_to_string(module);
    ck_assert_msg(text != NULL, "%s: %s", expected, cr_error());
    ck_assert_str_eq(text, expected);
    cr_free(text);
}

START_TEST(layers_print_as_in_pytorch)
{
    check_text(cr_linear(4, 3, .no_bias = true),
               "Linear(in_features=4, out_features=3, bias=False)");
    check_text(cr_bilinear(1, 2, 3),
               "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)");
    check_text(cr_conv1d(1, 4, 3, .padding_valid = true),
               "Conv1d(1, 4, kernel_size=(3,), stride=(1,), padding=valid)");
    check_text(cr_conv1d(1, 4, 3, .padding_same = true),
               "Conv1d(1, 4, kernel_size=(3,), stride=(1,), padding=same)");
    check_text(cr_conv2d(4, 8, .kernel_size_hw = {3, 5}, .stride = 2, .padding_hw = {1, 2},
                         .dilation = 2, .groups = 2, .no_bias = true),
               "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 2), dilation=(2, 2), "
               "groups=2, bias=False)");
    check_text(cr_conv3d(1, 2, 3, .padding = 1),
               "Conv3d(1, 2, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1))");
    check_text(cr_max_pool2d(.kernel_size_hw = {2, 3}, .padding = 1, .ceil_mode = true),
               "MaxPool2d(kernel_size=(2, 3), stride=(2, 3), padding=1, dilation=1, "
               "ceil_mode=True)");
    check_text(cr_max_pool2d(3, .stride_hw = {1, 2}),
               "MaxPool2d(kernel_size=3, stride=(1, 2), padding=0, dilation=1, ceil_mode=False)");
    check_text(cr_adaptive_max_pool2d(3), "AdaptiveMaxPool2d(output_size=3)");
    check_text(cr_adaptive_max_pool2d(.output_size_hw = {-1, 2}),
               "AdaptiveMaxPool2d(output_size=(None, 2))");
    check_text(cr_dropout(0.5), "Dropout(p=0.5, inplace=False)");
    check_text(cr_dropout2d(.1, .inplace = true), "Dropout2d(p=0.1, inplace=True)");
    check_text(cr_flatten_layer(.start_dim = CR_SOME(0), .end_dim = CR_SOME(-2)),
               "Flatten(start_dim=0, end_dim=-2)");
    check_text(cr_unflatten_layer(1, CR_INTS(2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))");
    check_text(cr_relu_layer(true), "ReLU(inplace=True)");
    check_text(cr_relu_layer(), "ReLU()");
    check_text(cr_gelu_layer(), "GELU(approximate='none')");
    check_text(cr_silu_layer(), "SiLU()");
    check_text(cr_leaky_relu_layer(), "LeakyReLU(negative_slope=0.01)");
    check_text(cr_leaky_relu_layer(CR_ZERO), "LeakyReLU(negative_slope=0.0)");
    check_text(cr_elu_layer(), "ELU(alpha=1.0)");
    check_text(cr_elu_layer(.5, true), "ELU(alpha=0.5, inplace=True)");
    check_text(cr_softplus_layer(), "Softplus(beta=1, threshold=20)");
    check_text(cr_softmax_layer(1), "Softmax(dim=1)");
    check_text(cr_log_softmax_layer(-1), "LogSoftmax(dim=-1)");
    check_text(cr_batch_norm1d(3),
               "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
    check_text(cr_batch_norm2d(3, .eps = 1e-3, .no_momentum = true, .no_affine = true,
                               .no_track_running_stats = true),
               "BatchNorm2d(3, eps=0.001, momentum=None, affine=False, track_running_stats=False)");
    check_text(cr_layer_norm(5), "LayerNorm((5,), eps=1e-05, elementwise_affine=True)");
    check_text(cr_layer_norm(CR_INTS(2, 3), .no_elementwise_affine = true),
               "LayerNorm((2, 3), eps=1e-05, elementwise_affine=False)");
    check_text(cr_embedding(10, 3, .padding_idx = CR_SOME(0)), "Embedding(10, 3, padding_idx=0)");
    check_text(cr_identity(), "Identity()");
    check_text(cr_cross_entropy_loss(), "CrossEntropyLoss()");
    check_text(cr_bce_with_logits_loss(), "BCEWithLogitsLoss()");
    assert_no_error();
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    ck_assert_ptr_null(cr_conv2d(3, 4, 0));
    assert_error("Conv2d: kernel_size must be at least 1, got 0");
    ck_assert_ptr_null(cr_conv2d(3, 4, 3, .groups = 2));
    assert_error("Conv2d: in_channels must be divisible by groups (in_channels=3, out_channels=4, "
                 "groups=2)");
    ck_assert_ptr_null(cr_conv1d(3, 4, 3, .stride = 2, .padding_same = true));
    assert_error_has("padding='same' is not supported for strided convolutions");
    ck_assert_ptr_null(cr_conv1d(3, 4, 3, .padding = 2, .padding_valid = true));
    assert_error_has("padding='valid' takes no other padding");
    ck_assert_ptr_null(cr_max_pool2d(3, .padding = 2));
    assert_error("MaxPool2d: pad should be at most half of kernel size, but got pad=2 and "
                 "kernel_size=3");
    ck_assert_ptr_null(cr_dropout(1.5));
    assert_error("Dropout: dropout probability has to be between 0 and 1, but got 1.5");
    ck_assert_ptr_null(cr_gelu_layer("fast"));
    assert_error("GELU: approximate argument must be either none or tanh, got fast");
    ck_assert_ptr_null(cr_mse_loss_layer("average"));
    assert_error("MSELoss: average is not a valid value for reduction (none, mean, sum)");
    ck_assert_ptr_null(cr_embedding(3, 2, .padding_idx = CR_SOME(3)));
    assert_error_has("Padding_idx must be within num_embeddings");
    ck_assert_ptr_null(cr_linear(-1, 2));
    assert_error_has("can't be negative");
}
END_TEST

START_TEST(wrong_inputs_are_refused_in_one_sentence)
{
    ck_assert_ptr_null(cr_forward(cr_conv2d(3, 4, 3), cr_zeros(CR_INTS(1, 2, 5, 5))));
    assert_error(
        "Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 2, 5, 5] to have 3 "
        "channels, but got 2 channels instead");
    ck_assert_ptr_null(cr_forward(cr_conv2d(3, 4, 3), cr_zeros(CR_INTS(5, 5))));
    assert_error("Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: "
                 "[5, 5]");
    ck_assert_ptr_null(cr_forward(cr_batch_norm2d(3), cr_zeros(CR_INTS(2, 3))));
    assert_error("BatchNorm2d: expected 4D input (got 2D input)");
    ck_assert_ptr_null(cr_forward(cr_batch_norm1d(3), cr_zeros(CR_INTS(1, 3))));
    assert_error_has("Expected more than 1 value per channel when training");
    ck_assert_ptr_null(cr_forward(cr_mse_loss_layer(), cr_zeros(3)));
    assert_error("MSELoss: forward takes 2 inputs, 1 given");
    ck_assert_ptr_null(cr_forward(cr_linear(3, 2), NULL));
    assert_error("Linear: forward is given a null tensor");
    ck_assert_ptr_null(cr_forward(NULL, cr_zeros(3)));
    assert_error("cr_forward: the module is null");
    ck_assert_ptr_null(cr_forward(cr_linear(3, 2), cr_zeros(CR_INTS(2, 4))));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

START_TEST(dropout_zeroes_about_p_and_scales_the_rest_in_training_only)
{
    cr_manual_seed(1);
    cr_module *dropout = cr_dropout(0.25);
    cr_tensor *x = cr_ones(40000), *y = cr_forward(dropout, x);
    double zeros = 40000 - cr_item(cr_count_nonzero(y));
    ck_assert_double_eq_tol(zeros / 40000, 0.25, 0.02);
    ck_assert_double_eq_tol(cr_item(cr_max(y)), 1 / 0.75, 1e-6);
    ck_assert(cr_equal(cr_forward(cr_eval(dropout), x), x));
    cr_tensor *images = cr_forward(cr_dropout2d(0.5), cr_ones(CR_INTS(8, 16, 3, 3)));
    cr_tensor *sums = cr_sum_dim(images, CR_INTS(2, 3));
    cr_tensor *whole = cr_logical_or(cr_eq_scalar(sums, 0), cr_eq_scalar(sums, 18));
    ck_assert(cr_item_int(cr_all(whole)));
    assert_no_error();
}
END_TEST

START_TEST(max_pooling_returns_indices_when_asked)
{
    cr_tensor *out[2], *x = cr_reshape(cr_arange(16, .dtype = CR_F32), CR_INTS(1, 1, 4, 4));
    ck_assert_int_eq(cr_forward_many(cr_max_pool2d(2, .return_indices = true), out, 2, x), 0);
    assert_close("indices", out[1], cr_tensor_i64(CR_INTS(1, 1, 2, 2), 5, 7, 13, 15), 0);
    ck_assert_int_eq(cr_forward_many(cr_max_pool2d(2), out, 2, x), -1);
    assert_error("MaxPool2d: 2 outputs are asked for, forward returned 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *all = tcase_create("layers");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, linear_layers_agree_with_pytorch);
    tcase_add_test(all, convolutions_agree_with_pytorch);
    tcase_add_test(all, pooling_agrees_with_pytorch);
    tcase_add_test(all, activations_and_shapes_agree_with_pytorch);
    tcase_add_test(all, normalisation_and_embedding_agree_with_pytorch);
    tcase_add_test(all, losses_agree_with_pytorch);
    tcase_add_test(all, layers_print_as_in_pytorch);
    tcase_add_test(all, options_that_make_no_sense_are_refused);
    tcase_add_test(all, wrong_inputs_are_refused_in_one_sentence);
    tcase_add_test(all, dropout_zeroes_about_p_and_scales_the_rest_in_training_only);
    tcase_add_test(all, max_pooling_returns_indices_when_asked);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
