/* Attention and Transformers from a given state: outputs and gradients as PyTorch has them, with the backend's own kernels and
 * without; and what attention holds, drops and does with NaN. */
#include "sequences.h"

static size_t each_head(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] =
        cr_attend(module, in[0], in[1], in[2], .weights = &out[1], .no_average_attn_weights = true);
    return out[0] ? 2 : 0;
}

static size_t to_itself(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = cr_forward(module, in[0], in[0], in[0], in[1], in[2]);
    return out[0] != NULL;
}

static size_t causally(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = cr_attend(module, in[0], in[0], in[0], .key_padding_mask = in[1], .is_causal = true);
    return out[0] != NULL;
}

static size_t to_memory(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = cr_forward(module, in[0], in[1], in[1]);
    return out[0] != NULL;
}

START_TEST(attention_agrees_with_pytorch)
{
    CHECK(attention, cr_multihead_attention(8, 2), 3);
    CHECK(attention_plain, cr_multihead_attention(8, 2, .no_bias = true), 3);
    CHECK_BY(attention_heads, cr_multihead_attention(8, 4), 3, each_head);
    CHECK(attention_masks, cr_multihead_attention(8, 2), 5);
    CHECK(attention_floats, cr_multihead_attention(8, 2, .batch_first = true), 5);
    CHECK(attention_dims,
          cr_multihead_attention(8, 2, .kdim = 3, .vdim = 5, .add_bias_kv = true,
                                 .add_zero_attn = true),
          5);
    CHECK(attention_all,
          cr_multihead_attention(8, 2, .kdim = 3, .vdim = 5, .add_bias_kv = true,
                                 .add_zero_attn = true, .batch_first = true),
          5);
    CHECK(attention_each, cr_multihead_attention(8, 2), 5);
    CHECK(attention_padding, cr_multihead_attention(8, 4, .no_bias = true), 4);
    CHECK(attention_unbatched, cr_multihead_attention(8, 2), 4);
    CHECK_BY(attention_self, cr_multihead_attention(8, 2, .batch_first = true), 3, to_itself);
    CHECK_BY(attention_causal, cr_multihead_attention(8, 2), 3, to_itself);
    CHECK_BY(attention_causal, cr_multihead_attention(8, 2), 3, causally);
    CHECK_BY(attention_causal_padded, cr_multihead_attention(8, 2), 3, causally);
    CHECK_BY(attention_memory, cr_multihead_attention(8, 2), 2, to_memory);
}
END_TEST

START_TEST(transformers_agree_with_pytorch)
{
    CHECK(encoder_layer, cr_transformer_encoder_layer(8, 2, 12, .dropout = CR_ZERO), 3);
    CHECK(encoder_layer_first,
          cr_transformer_encoder_layer(8, 2, 12, CR_ZERO, "gelu", 1e-3, .batch_first = true,
                                       .norm_first = true),
          3);
    CHECK(decoder_layer, cr_transformer_decoder_layer(8, 2, 12, CR_ZERO), 6);
    CHECK(decoder_layer_first,
          cr_transformer_decoder_layer(8, 2, 12, CR_ZERO, .norm_first = true, .batch_first = true),
          2);
    CHECK(encoder,
          cr_transformer_encoder(cr_transformer_encoder_layer(8, 2, 12, CR_ZERO), 2,
                                 .norm = cr_layer_norm(8)),
          2);
    CHECK(transformer, cr_transformer(8, 2, 1, 1, 12, CR_ZERO), 8);
    CHECK(decoder_all,
          cr_transformer_decoder_layer(8, 2, 12, CR_ZERO, "gelu", .batch_first = true,
                                       .norm_first = true),
          6);
    CHECK(transformer_all,
          cr_transformer(8, 2, 2, 2, 12, CR_ZERO, "gelu", .batch_first = true, .norm_first = true),
          8);
}
END_TEST

START_TEST(stacks_hold_copies_and_masks_are_triangles)
{
    cr_module *one = cr_transformer_encoder_layer(8, 2, 12);
    cr_module *stack = cr_transformer_encoder(one, 2);
    cr_tensor *a = cr_get_parameter(stack, "layers.0.linear1.weight"),
              *b = cr_get_parameter(stack, "layers.1.linear1.weight");
    ck_assert(a != b && cr_equal(a, b));
    ck_assert(cr_equal(a, cr_get_parameter(one, "linear1.weight")));
    assert_close("mask", cr_exp(cr_generate_square_subsequent_mask(3)),
                 cr_tensor_f32(CR_INTS(3, 3), 1, 0, 0, 1, 1, 0, 1, 1, 1), 0);
    ck_assert_int_eq(cr_parameter_count(cr_transformer(16, 2, 2, 3, 20)), 12564);
    assert_no_error();
}
END_TEST

START_TEST(attention_refuses_what_does_not_fit)
{
    cr_tensor *x = cr_zeros(CR_INTS(3, 2, 8));
    cr_module *net = cr_multihead_attention(8, 2);
    ck_assert_ptr_null(cr_scaled_dot_product_attention(
        x, x, x, .attn_mask = cr_ones(CR_INTS(2, 2), .dtype = CR_B8), .is_causal = true));
    assert_error_has("Explicit attn_mask should not be set when is_causal=True");
    ck_assert_ptr_null(cr_multihead_attention(8, 3));
    assert_error("MultiheadAttention: embed_dim must be divisible by num_heads, got 8 and 3");
    ck_assert_ptr_null(cr_multihead_attention(8));
    assert_error_has("must be greater than 0");
    ck_assert_ptr_null(cr_forward(net, x, x));
    assert_error_has("forward takes query, key and value");
    ck_assert_ptr_null(cr_forward(net, cr_zeros(CR_INTS(3, 2, 6)), x, x));
    assert_error_has("was expecting a query of 8 features in a batch of 2, but got [3, 2, 6]");
    ck_assert_ptr_null(cr_forward(net, x, cr_zeros(CR_INTS(3, 1, 8)), x));
    assert_error_has("was expecting a key of 8 features");
    ck_assert_ptr_null(cr_forward(net, x, cr_zeros(CR_INTS(4, 2, 8)), x));
    assert_error_has("does not match value's");
    ck_assert_ptr_null(cr_forward(net, x, cr_zeros(CR_INTS(3, 8)), x));
    assert_error_has("should all be 3-D");
    ck_assert_ptr_null(cr_forward(net, x, x, x, NULL, cr_zeros(CR_INTS(3, 4))));
    assert_error(
        "MultiheadAttention: The shape of the attn_mask is [3, 4], but should be [3, 3] or "
        "[4, 3, 3]");
    ck_assert_ptr_null(cr_forward(net, x, x, x, cr_zeros(CR_INTS(3, 3))));
    assert_error_has("key_padding_mask should be [2, 3]");
    ck_assert_ptr_null(cr_forward(net, x, x, x, cr_zeros(CR_INTS(2, 3), .dtype = CR_I64)));
    assert_error_has("only bool and floating types of key_padding_mask");
    ck_assert_ptr_null(cr_attend(cr_linear(1, 1), x, x, x));
    assert_error("cr_attend: Linear is no MultiheadAttention");
    ck_assert_ptr_null(cr_transformer_encoder_layer(8, 2, .activation = "sin"));
    assert_error_has("activation should be relu/gelu, not sin");
    ck_assert_ptr_null(cr_forward(cr_transformer(8, 2, 1, 1, 12), x, cr_zeros(CR_INTS(3, 1, 8))));
    assert_error_has("the batch number of src and tgt must be equal");
    ck_assert_ptr_null(cr_forward(cr_transformer(8, 2, 1, 1, 12), x, cr_zeros(CR_INTS(3, 2, 4))));
    assert_error_has("must be equal to d_model=8");
    assert_no_error();
}
END_TEST

START_TEST(attention_prints_as_in_pytorch)
{
    check_text(cr_multihead_attention(8, 2, .no_bias = true),
               "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear(in_features=8, "
               "out_features=8, bias=False)\n)");
    check_text(cr_transformer_encoder(cr_transformer_encoder_layer(8, 2, 12), 1),
               "TransformerEncoder(\n"
               "  (layers): ModuleList(\n"
               "    (0): TransformerEncoderLayer(\n"
               "      (self_attn): MultiheadAttention(\n"
               "        (out_proj): NonDynamicallyQuantizableLinear(in_features=8, out_features=8, "
               "bias=True)\n"
               "      )\n"
               "      (linear1): Linear(in_features=8, out_features=12, bias=True)\n"
               "      (dropout): Dropout(p=0.1, inplace=False)\n"
               "      (linear2): Linear(in_features=12, out_features=8, bias=True)\n"
               "      (norm1): LayerNorm((8,), eps=1e-05, elementwise_affine=True)\n"
               "      (norm2): LayerNorm((8,), eps=1e-05, elementwise_affine=True)\n"
               "      (dropout1): Dropout(p=0.1, inplace=False)\n"
               "      (dropout2): Dropout(p=0.1, inplace=False)\n"
               "    )\n"
               "  )\n"
               ")");
    assert_no_error();
}
END_TEST

static cr_tensor *dropped_attention(void *state, cr_tensor *const *in, size_t n)
{
    (void)n;
    cr_set_rng_state(state);
    return cr_scaled_dot_product_attention(in[0], in[1], in[2], .dropout_p = 0.3);
}

/* The same numbers, with all scores held. */
static cr_tensor *dropped_openly(const uint64_t *state, cr_tensor *const *in)
{
    cr_tensor *keep = cr_attention_keep(in[0], in[1], 0.3, cr_int_scalar((int64_t)state[0]),
                                        cr_int_scalar((int64_t)state[1]));
    cr_tensor *q = cr_mul_scalar(in[0], 1 / sqrt((double)cr_tensor_size(in[0], -1)));
    cr_tensor *weight = cr_softmax(cr_matmul(q, cr_transpose(in[1], -1, -2)), -1);
    return cr_matmul(cr_mul(weight, keep), in[2]);
}

START_TEST(attention_drops_the_same_weights_forward_and_backward)
{
    uint64_t state[2] = {0x123456789abcdef0, 7}, after[2];
    cr_tensor *in[3], *a[3], *b[3];
    for (int i = 0; i < 3; i++)
        in[i] = cr_requires_grad_(cr_randn(i ? CR_INTS(2, 3, 67, 5) : CR_INTS(2, 3, 65, 5)), 1);
    cr_tensor *y = dropped_attention(state, in, 3), *z = dropped_openly(state, in);
    cr_get_rng_state(after);
    ck_assert_uint_eq(after[1], 7 + (2 * 3 * 65 * 67 + 3) / 4);
    assert_close("output", y, z, 1e-5);
    cr_tensor *g = cr_randn_like(y);
    ck_assert_int_eq(cr_autograd_grad(&y, &g, 1, in, 3, 0, a), 0);
    ck_assert_int_eq(cr_autograd_grad(&z, &g, 1, in, 3, 0, b), 0);
    for (int i = 0; i < 3; i++)
        assert_close("gradient", a[i], b[i], 2e-5);
    cr_tensor *keep = cr_attention_keep(in[0], in[1], 0.3, cr_int_scalar(1), cr_int_scalar(2));
    ck_assert_double_eq_tol(cr_item(cr_mean(keep)), 1, 0.01);
    ck_assert_double_eq_tol(cr_item(cr_max(keep)), 1 / 0.7, 1e-6);
    for (int i = 0; i < 3; i++)
        in[i] = cr_requires_grad_(cr_randn(CR_INTS(1, 2, 3, 2), .dtype = CR_F64), 1);
    ck_assert_msg(cr_gradcheck(dropped_attention, state, in, 3, NULL), "%s", cr_error());
    ck_assert_msg(cr_gradgradcheck(dropped_attention, state, in, 3, NULL), "%s", cr_error());
    assert_no_error();
}
END_TEST

/* What a call forward and backward adds to the most memory so far, in bytes. */
static uint64_t memory_of(cr_module *net, cr_tensor *x, cr_tensor *padding, bool causal,
                          cr_tensor **weights)
{
    cr_memory_stats_result before, after;
    cr_synchronize(NULL);
    cr_memory_stats(NULL, &before);
    cr_reset_peak_memory_stats(NULL);
    CR_SCOPE {
        cr_tensor *y = cr_attend(net, x, x, x, .key_padding_mask = padding, .is_causal = causal,
                                 .weights = weights);
        ck_assert_msg(!cr_backward(cr_sum(y)), "%s", cr_error());
    }
    cr_synchronize(NULL);
    cr_memory_stats(NULL, &after);
    return after.peak_allocated_bytes - before.allocated_bytes;
}

/* Neither forward nor backward are there ever all scores, of 1536 queries and keys, by two heads. */
START_TEST(attention_never_holds_all_scores)
{
    enum { LONG = 1536 };
    const uint64_t all = (uint64_t)2 * LONG * LONG * sizeof(float);
    cr_module *net = cr_multihead_attention(8, 2, .batch_first = true);
    cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(1, LONG, 8)), 1);
    cr_tensor *padding = cr_ge_scalar(cr_arange(LONG), LONG - 100), *weights;
    padding = cr_unsqueeze(padding, 0);
    ck_assert_uint_gt(memory_of(net, x, NULL, false, &weights), all);
    uint64_t bytes = 0, most = all / 2;
    for (int way = 0; way < 3; way++) { /* some keys hidden, later ones, both */
        if (way == 2)
            most = bytes + LONG * LONG; /* no mask of all queries and keys either */
        bytes = memory_of(net, x, way != 1 ? padding : NULL, way > 0, NULL);
        ck_assert_msg(bytes < most, "way %d: %llu bytes, all scores are %llu", way,
                      (unsigned long long)bytes, (unsigned long long)all);
    }
    assert_no_error();
}
END_TEST

/* Many queries are taken in parts where there is no kernel for it: the same numbers as with all scores held. Of one head, which threads
 * share, and of several, which are one thread's each; rows that lie apart, and elements of them; and bf16. */
START_TEST(attention_in_parts_is_the_same)
{
    const bool several = _i % 2, turned = _i / 2 == 1, halves = _i / 2 == 2;
    const int64_t batch = several ? 3 : 1, heads = several ? 2 : 1;
    const int64_t queries = several ? 300 : 1500, keys = several ? 260 : 1024;
    const double close = halves ? 1e-2 : 2e-5, gradients_close = halves ? 3e-2 : 1e-4;
    cr_tensor *in[3], *wide[3], *a[3], *b[3];
    for (int i = 0; i < 3; i++) {
        cr_tensor *x = cr_randn(CR_INTS(batch, heads, i ? keys : queries, 8));
        x = halves ? cr_to_dtype(x, CR_BF16) : x;
        x = turned ? cr_transpose(cr_contiguous(cr_transpose(x, -1, -2)), -1, -2) : x;
        in[i] = cr_requires_grad_(cr_narrow(x, -1, i, 4), 1);
        wide[i] = cr_to_dtype(in[i], CR_F32);
    }
    cr_tensor *hidden = cr_triu(cr_ones(CR_INTS(queries, keys), .dtype = CR_B8), .diagonal = 1);
    for (int way = 0; way < 4; way++) { /* no mask, a mask, causal, causal and some keys hidden */
        cr_tensor *mask = NULL;
        if (way % 2) {
            mask = cr_gt_scalar(cr_rand(CR_INTS(way == 1 ? queries : 1, keys)), 0.3);
            cr_fill_scalar_(cr_narrow(mask, 1, 0, 1), 1); /* no query without a key */
        }
        cr_tensor *y = cr_scaled_dot_product_attention(in[0], in[1], in[2], .attn_mask = mask,
                                                       .is_causal = way >= 2);
        cr_tensor *scores = cr_mul_scalar(cr_matmul(wide[0], cr_transpose(wide[1], -1, -2)), 0.5);
        if (mask)
            scores = cr_masked_fill_scalar(scores, cr_logical_not(mask), -INFINITY);
        if (way >= 2)
            scores = cr_masked_fill_scalar(scores, hidden, -INFINITY);
        cr_tensor *z = cr_matmul(cr_softmax(scores, -1), wide[2]);
        cr_tensor *h = cr_narrow(cr_randn(CR_INTS(batch, heads, queries, 8)), -1, 3, 4);
        cr_tensor *g = cr_to_dtype(h, cr_tensor_dtype(y));
        h = cr_to_dtype(g, CR_F32);
        assert_close("output", cr_to_dtype(y, CR_F32), z, close);
        ck_assert_int_eq(cr_autograd_grad(&y, &g, 1, in, 3, 0, a), 0);
        ck_assert_int_eq(cr_autograd_grad(&z, &h, 1, wide, 3, 0, b), 0);
        for (int i = 0; i < 3; i++)
            assert_close("gradient", cr_to_dtype(a[i], CR_F32), b[i], gradients_close);
    }
    assert_no_error();
}
END_TEST

/* NaN of a query or a key reaches the rows that see it and no other, also where it is all that they see. */
START_TEST(attention_keeps_nan)
{
    enum { N = 80 };
    cr_tensor *q = cr_randn(CR_INTS(1, 1, N, 4)), *k = cr_randn_like(q), *v = cr_randn_like(q);
    cr_tensor *mask = cr_ones(CR_INTS(N, N), .dtype = CR_B8);
    cr_fill_scalar_(cr_select(q, 2, 5), NAN);
    cr_fill_scalar_(cr_select(k, 2, 70), NAN);
    cr_fill_scalar_(cr_select(mask, 1, 70), 0);
    cr_fill_scalar_(cr_select(mask, 0, 9), 0);
    cr_fill_scalar_(cr_select(cr_select(mask, 0, 9), 0, 70), 1);
    cr_tensor *y = cr_scaled_dot_product_attention(q, k, v, .attn_mask = mask);
    cr_tensor *strange = cr_any_dim(cr_isnan(y), 3), *want = cr_zeros_like(strange);
    cr_fill_scalar_(cr_select(want, 2, 5), 1);
    cr_fill_scalar_(cr_select(want, 2, 9), 1);
    ck_assert(cr_equal(strange, want));
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    /* By the environment: a device that is opened here is of no use to the forked tests. */
    const char *backend = getenv("CRESSET_BACKEND");
    bool vulkan = backend && !strcmp(backend, "vulkan"); /* slow, and the same in both ways */
    for (int way = 0; way < WAYS; way++) {
        TCase *all = case_of_way(way);
        tcase_add_test(all, attention_agrees_with_pytorch);
        tcase_add_test(all, attention_drops_the_same_weights_forward_and_backward);
        if (way < 1 || !vulkan)
            tcase_add_test(all, attention_never_holds_all_scores);
        tcase_add_test(all, attention_keeps_nan);
        tcase_add_loop_test(all, attention_in_parts_is_the_same, 0, 6);
        tcase_add_test(all, transformers_agree_with_pytorch);
        suite_add_tcase(suite, all);
    }
    TCase *rest = tcase_create("rest");
    tcase_set_timeout(rest, 120);
    tcase_add_checked_fixture(rest, load, finish);
    tcase_add_test(rest, stacks_hold_copies_and_masks_are_triangles);
    tcase_add_test(rest, attention_refuses_what_does_not_fit);
    tcase_add_test(rest, attention_prints_as_in_pytorch);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
