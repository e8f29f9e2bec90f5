/* Functions of torch.nn.functional that are more than one operation: outputs and gradients are PyTorch's. */
#include "golden.h"

enum { MOST = 12 };

static cr_state_dict *values;
static const char *current;
static cr_tensor *x[MOST]; /* the case's tensors */

static cr_tensor *value(const char *part)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", current, part);
    return on_device(cr_state_dict_get(values, name));
}

static cr_tensor *numbered(const char *part, int i)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%d", part, i);
    return value(name);
}

static void begin(const char *name)
{
    current = name;
    for (int i = 0; i < MOST; i++) {
        cr_tensor *t = numbered("input", i);
        x[i] = t ? cr_clone(t) : NULL;
        if (t && numbered("grad", i))
            cr_requires_grad_(x[i], 1);
    }
    ck_assert_msg(x[0] != NULL, "no case %s", name);
}

static void end(cr_tensor *y)
{
    assert_close(current, y, value("output"), 3e-5);
    ck_assert_msg(!cr_backward(cr_sum(cr_mul(y, value("cotangent")))), "%s: %s", current,
                  cr_error());
    for (int i = 0; i < MOST; i++)
        if (x[i] && numbered("grad", i))
            assert_close(current, cr_grad(x[i]), numbered("grad", i), 5e-5);
    assert_no_error();
}

#define CASE(name, ...) (begin(name), end(__VA_ARGS__))

START_TEST(interpolate_agrees_with_pytorch)
{
    CASE("nearest", cr_interpolate(x[0], .scale_factor = 1.7));
    CASE("nearest_recomputed",
         cr_interpolate(x[0], .scale_factor_hw = {1.7, 0.6}, .recompute_scale_factor = true));
    CASE("nearest_exact", cr_interpolate(x[0], .size_hw = {3, 11}, .mode = "nearest-exact"));
    CASE("nearest_line", cr_interpolate(x[0], 4));
    CASE("linear", cr_interpolate(x[0], .scale_factor = 1.6, .mode = "linear"));
    CASE("linear_recomputed", cr_interpolate(x[0], .scale_factor = 1.6, .mode = "linear",
                                             .recompute_scale_factor = true));
    CASE("linear_aligned", cr_f_upsample(x[0], 11, .mode = "linear", .align_corners = true));
    CASE("bilinear", cr_interpolate(x[0], .scale_factor_hw = {0.7, 2.3}, .mode = "bilinear"));
    CASE("bilinear_aligned",
         cr_interpolate(x[0], .size_hw = {8, 1}, .mode = "bilinear", .align_corners = true));
    CASE("bicubic", cr_interpolate(x[0], .size_hw = {9, 4}, .mode = "bicubic"));
    CASE("bicubic_aligned",
         cr_interpolate(x[0], .scale_factor = 1.3, .mode = "bicubic", .align_corners = true));
    CASE("trilinear", cr_interpolate(x[0], .size_dhw = {6, 3, 5}, .mode = "trilinear"));
    CASE("trilinear_recomputed", cr_interpolate(x[0], .scale_factor = 1.3, .mode = "trilinear",
                                                .recompute_scale_factor = true));
    CASE("area", cr_interpolate(x[0], .size_hw = {2, 4}, .mode = "area"));
    CASE("area_line", cr_interpolate(x[0], .scale_factor = 0.4, .mode = "area"));
    CASE("area_space", cr_interpolate(x[0], .scale_factor = 0.7, .mode = "area"));
    CASE("area", cr_forward(cr_upsample(.size_hw = {2, 4}, .mode = "area"), x[0]));
    CASE("upsample_nearest", cr_upsample_nearest(x[0], .scale_factor = 2));
    CASE("upsample_bilinear", cr_upsample_bilinear(x[0], .size_hw = {7, 9}));
}
END_TEST

START_TEST(antialiasing_agrees_with_pytorch)
{
    static const char *const modes[] = {"bilinear", "bicubic"};
    for (int i = 0; i < 2; i++) {
        const char *mode = modes[i];
        char name[64];
#define AA(form, ...)                                    \
    (snprintf(name, sizeof name, "aa_%s%s", mode, form), \
     CASE(name, cr_interpolate(x[0], __VA_ARGS__, .mode = mode, .antialias = true)))
        AA("", .size_hw = {9, 10});
        AA("_aligned", .size_hw = {4, 31}, .align_corners = true);
        AA("_factors", .scale_factor_hw = {0.21, 1.7});
        AA("_recomputed", .scale_factor = 0.7, .recompute_scale_factor = true);
        AA("_one", 1);
    }
}
END_TEST

/* An infinity reaches the outputs that it falls to, and no others. */
START_TEST(antialiasing_keeps_infinities_where_they_are)
{
    cr_tensor *line =
        on_device(cr_tensor_f32(CR_INTS(1, 1, 1, 12), 0, 0, 0, 0, 0, 0, INFINITY, 0, 0, 0, 0, 0));
    cr_tensor *y = cr_interpolate(line, .size_hw = {1, 4}, .mode = "bilinear", .antialias = true);
    assert_close("infinite", cr_to_dtype(cr_isinf(y), CR_F32),
                 on_device(cr_tensor_f32(CR_INTS(1, 1, 1, 4), 0, 1, 1, 0)), 0);
    ck_assert_double_eq(cr_item(cr_sum(cr_to_dtype(cr_isnan(y), CR_F32))), 0);
}
END_TEST

START_TEST(grids_agree_with_pytorch)
{
    CASE("grid", cr_grid_sample(x[0], x[1]));
    CASE("grid_nearest", cr_grid_sample(x[0], x[1], "nearest", "border"));
    CASE("grid_bicubic",
         cr_grid_sample(x[0], x[1], "bicubic", "reflection", .align_corners = true));
    CASE("grid_space", cr_grid_sample(x[0], x[1]));
    CASE("grid_space_reflection",
         cr_grid_sample(x[0], x[1], .padding_mode = "reflection", .align_corners = true));
    CASE("affine_space", cr_affine_grid(x[0], CR_INTS(2, 1, 2, 4, 3)));
    CASE("affine", cr_affine_grid(x[0], CR_INTS(2, 1, 4, 3)));
    CASE("affine_aligned", cr_affine_grid(x[0], CR_INTS(2, 1, 1, 3), .align_corners = true));
}
END_TEST

START_TEST(windows_agree_with_pytorch)
{
    CASE("unfold", cr_f_unfold(x[0], .kernel_size_hw = {2, 3}, .dilation_hw = {1, 2}, .padding = 1,
                               .stride_hw = {2, 1}));
    CASE("fold", cr_f_fold(x[0], .output_size_hw = {5, 6}, .kernel_size_hw = {2, 3}, .padding = 1,
                           .stride = 2));
    CASE("conv_tbc", cr_conv_tbc(x[0], x[1], x[2], .pad = 1));
}
END_TEST

START_TEST(bags_agree_with_pytorch)
{
    CASE("bag_mean", cr_f_embedding_bag(x[0], x[1]));
    CASE("bag_max", cr_f_embedding_bag(x[0], x[1], x[2], .mode = "max"));
    CASE("bag_sum", cr_f_embedding_bag(x[0], x[1], .mode = "sum", .per_sample_weights = x[2],
                                       .padding_idx = CR_SOME(5)));
    CASE("bag_last", cr_f_embedding_bag(x[0], x[1], x[2], .include_last_offset = true,
                                        .padding_idx = CR_SOME(-3)));
    CASE("bag_weights",
         cr_f_embedding_bag(x[0], x[1], x[2], .mode = "sum", .per_sample_weights = x[3],
                            .include_last_offset = true));
}
END_TEST

START_TEST(attention_and_losses_agree_with_pytorch)
{
    CASE("logsigmoid", cr_logsigmoid(x[0]));
    CASE("triplet", cr_f_triplet_margin_with_distance_loss(x[0], x[1], x[2], .margin = 0.7,
                                                           .swap = true, .reduction = "none"));
    CASE("attention",
         cr_multi_head_attention_forward(x[0], x[1], x[2], 2, .in_proj_weight = x[3],
                                         .in_proj_bias = x[4], .out_proj_weight = x[5],
                                         .out_proj_bias = x[6], .key_padding_mask = x[7]));
    CASE("attention_static",
         cr_multi_head_attention_forward(
             x[0], x[1], x[1], 2, .in_proj_weight = x[2], .in_proj_bias = x[3],
             .add_zero_attn = true, .out_proj_weight = x[4], .out_proj_bias = x[5],
             .static_k = x[6], .static_v = x[7], .key_padding_mask = x[8]));
    CASE("attention_static_key",
         cr_multi_head_attention_forward(
             x[0], x[1], x[2], 2, .q_proj_weight = x[3], .k_proj_weight = x[4],
             .v_proj_weight = x[5], .out_proj_weight = x[6], .static_k = x[7], .attn_mask = x[8]));
    ck_assert_ptr_null(cr_multi_head_attention_forward(x[0], x[1], x[2], 2, .q_proj_weight = x[3],
                                                       .k_proj_weight = x[4], .v_proj_weight = x[5],
                                                       .out_proj_weight = x[6], .static_k = x[3]));
    assert_error("multi_head_attention_forward: expecting static_k of [4, S, 4], but got [8, 8]");
    ck_assert_ptr_null(cr_multi_head_attention_forward(
        x[0], x[1], x[2], 2, .q_proj_weight = x[3], .k_proj_weight = x[4], .v_proj_weight = x[5],
        .out_proj_weight = x[6], .static_k = x[7], .bias_k = x[3], .bias_v = x[3]));
    assert_error("multi_head_attention_forward: bias cannot be added to static key");
    ck_assert_ptr_null(cr_multi_head_attention_forward(x[0], x[1], x[2], 2, .q_proj_weight = x[3],
                                                       .k_proj_weight = x[4], .v_proj_weight = x[5],
                                                       .out_proj_weight = x[6], .bias_v = x[3]));
    assert_error("multi_head_attention_forward: bias_k and bias_v are needed together");
    CASE("attention_apart",
         cr_multi_head_attention_forward(
             x[0], x[1], x[2], 2, .q_proj_weight = x[3], .k_proj_weight = x[4],
             .v_proj_weight = x[5], .in_proj_bias = x[6], .bias_k = x[7], .bias_v = x[8],
             .add_zero_attn = true, .out_proj_weight = x[9], .out_proj_bias = x[10]));
    cr_tensor *weights;
    ck_assert(cr_multi_head_attention_forward(
        x[0], x[0], x[0], 2, .q_proj_weight = x[3], .k_proj_weight = x[3], .v_proj_weight = x[3],
        .out_proj_weight = x[9], .weights = &weights, .no_average_attn_weights = true));
    assert_close("weights", cr_sum_dim(weights, -1), cr_ones(CR_INTS(2, 2, 3)), 1e-5);
    assert_no_error();
}
END_TEST

/* More rows than are worked on together: as sums of what each gives. */
START_TEST(gradients_of_many_rows_add_up)
{
    enum { ROWS = 700, WIDE = 300 };
    cr_tensor *a = cr_requires_grad_(cr_randn(CR_INTS(ROWS, WIDE)), 1), *got[3];
    cr_tensor *w = cr_requires_grad_(cr_randn(CR_INTS(WIDE)), 1);
    cr_tensor *b = cr_requires_grad_(cr_randn(CR_INTS(WIDE)), 1), *want[3];
    cr_tensor *y = cr_f_layer_norm(a, CR_INTS(WIDE), .weight = w, .bias = b);
    cr_tensor *from_mean = cr_sub(a, cr_mean_dim(a, CR_INTS(1), .keepdim = true));
    cr_tensor *variance = cr_mean_dim(cr_square(from_mean), CR_INTS(1), .keepdim = true);
    cr_tensor *z = cr_div(from_mean, cr_sqrt(cr_add_scalar(variance, 1e-5)));
    z = cr_add(cr_mul(z, w), b);
    cr_tensor *g = cr_randn_like(y), *in[3] = {a, w, b};
    ck_assert_int_eq(cr_autograd_grad(&y, &g, 1, in, 3, 0, got), 0);
    ck_assert_int_eq(cr_autograd_grad(&z, &g, 1, in, 3, 0, want), 0);
    for (int i = 0; i < 3; i++)
        assert_close("layer_norm", got[i], want[i], 1e-4);

    cr_tensor *target = cr_remainder_scalar(cr_mul_scalar(cr_arange(ROWS), 17), WIDE);
    cr_tensor *counts = cr_ne_scalar(target, 51),
              *loss = cr_nll_loss(a, target, .ignore_index = CR_SOME(51));
    cr_tensor *places =
        cr_mul(cr_one_hot(target, .num_classes = CR_SOME(WIDE)), cr_unsqueeze(counts, 1));
    ck_assert_int_eq(cr_autograd_grad(&loss, NULL, 1, &a, 1, 0, got), 0);
    assert_close("nll_loss", got[0],
                 cr_div(cr_to_dtype(places, CR_F32), cr_neg(cr_sum(cr_to_dtype(counts, CR_F32)))),
                 1e-7);
    assert_no_error();
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    cr_tensor *plane = cr_randn(CR_INTS(2, 3, 5, 6)), *bag = on_device(cr_tensor_i64(2, 0, 1));
    ck_assert_ptr_null(cr_interpolate(plane));
    assert_error("interpolate: only one of size or scale_factor should be defined, none is");
    ck_assert_ptr_null(cr_interpolate(plane, 3, .mode = "linear"));
    assert_error_has("interpolate: mode linear takes an input of 3 dimensions");
    ck_assert_ptr_null(cr_interpolate(plane, 3, .mode = "area", .antialias = true));
    assert_error("interpolate: Anti-alias option is only supported for bilinear and bicubic modes, "
                 "not area");
    ck_assert_ptr_null(cr_interpolate(plane, 3, .recompute_scale_factor = true));
    assert_error("interpolate: recompute_scale_factor is not meaningful with an explicit size");
    ck_assert_ptr_null(cr_upsample(3, .mode = "bilinear", .antialias = true));
    assert_error("Upsample: takes no antialias, only interpolate does");
    ck_assert_ptr_null(cr_interpolate(cr_zeros(CR_INTS(2, 0, 5, 6)), 3));
    assert_error_has("Non-empty 4D data tensor expected but got a tensor with sizes [2, 0, 5, 6]");
    ck_assert_ptr_null(cr_interpolate(plane, 3, .mode = "area", .align_corners = true));
    assert_error("interpolate: align_corners can't be set with mode area");
    ck_assert_ptr_null(cr_grid_sample(plane, plane, "cubic"));
    assert_error("grid_sample: expected mode to be 'bilinear', 'nearest', or 'bicubic', but got: "
                 "'cubic'");
    ck_assert_ptr_null(cr_f_unfold(plane));
    assert_error_has("unfold: ");
    ck_assert_ptr_null(cr_f_embedding_bag(bag, cr_randn(CR_INTS(4, 2))));
    assert_error_has("embedding_bag: the input is 2D, or 1D with offsets");
    ck_assert_ptr_null(cr_f_embedding_bag(cr_unsqueeze(bag, 0), cr_randn(CR_INTS(4, 2)),
                                          .mode = "sum", .per_sample_weights = cr_ones(2)));
    assert_error("embedding_bag: expected per_sample_weights of the input's shape [1, 2], got [2]");
    ck_assert_ptr_null(cr_multi_head_attention_forward(plane, plane, plane, 2));
    assert_error_has("multi_head_attention_forward: num_heads, out_proj_weight");
    ck_assert_ptr_null(cr_conv_tbc(plane, plane, plane));
    assert_error_has("conv_tbc: input (T, N, C)");
    ck_assert_ptr_null(cr_interpolate(NULL, 3));
    assert_no_error();
}
END_TEST

static void load(void)
{
    values = cr_load("tests/golden/nn/functional.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

int main(void)
{
    Suite *suite = suite_create("functional");
    TCase *all = tcase_create("functional");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, interpolate_agrees_with_pytorch);
    tcase_add_test(all, antialiasing_agrees_with_pytorch);
    tcase_add_test(all, antialiasing_keeps_infinities_where_they_are);
    tcase_add_test(all, grids_agree_with_pytorch);
    tcase_add_test(all, windows_agree_with_pytorch);
    tcase_add_test(all, bags_agree_with_pytorch);
    tcase_add_test(all, attention_and_losses_agree_with_pytorch);
    tcase_add_test(all, gradients_of_many_rows_add_up);
    tcase_add_test(all, what_makes_no_sense_is_refused);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
