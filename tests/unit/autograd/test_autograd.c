/* Autograd: accumulation, modes, hooks, in-place changes, custom functions, and derivatives against finite differences. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

static double at(cr_tensor *t, int64_t i)
{
    double v[64];
    cr_tensor *d = cr_reshape(cr_to_dtype(t, CR_F64), CR_INTS(-1));
    ck_assert_msg(d && !cr_tensor_read(d, v, (size_t)cr_tensor_numel(d) * 8), "%s", cr_error());
    return v[i];
}

static cr_tensor *leaf(double a, double b, double c)
{
    return cr_requires_grad_(cr_tensor_f64(CR_INTS(3), a, b, c), 1);
}

static void teardown(void)
{
    cr_clear_error();
}

START_TEST(gradients_add_up_on_leaves)
{
    cr_tensor *x = leaf(1, 2, 3);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(cr_backward(cr_sum(cr_mul(x, x))), 0);
    ck_assert_double_eq(at(cr_grad(x), 2), 12);
}
END_TEST

static uint64_t clones(void)
{
    cr_op_counts counts[512];
    size_t n = cr_device_op_counts(NULL, counts, 512);
    for (size_t i = 0; i < n && i < 512; i++)
        if (!strcmp(counts[i].op, "clone"))
            return counts[i].native + counts[i].decomposed + counts[i].fallback;
    return 0;
}

/* The gradient of a linear layer's weight is a view of what the product gave. */
START_TEST(a_view_that_nobody_shares_becomes_the_gradient_without_a_copy)
{
    cr_tensor *w = cr_requires_grad_(cr_ones(CR_INTS(3, 4)), 1);
    cr_tensor *b = cr_requires_grad_(cr_zeros(CR_INTS(3)), 1);
    cr_tensor *x = cr_reshape(cr_arange(8, .dtype = CR_F32), CR_INTS(2, 4));
    uint64_t before = clones();
    ck_assert_int_eq(cr_backward(cr_sum(cr_f_linear(x, w, .bias = b))), 0);
    ck_assert_int_eq(clones(), before);
    for (int i = 0; i < 12; i++)
        ck_assert_double_eq(at(cr_grad(w), i), 4 + 2 * (i % 4));
    ck_assert(cr_is_contiguous(cr_grad(w)));
    ck_assert_double_eq(at(cr_grad(b), 2), 2);
}
END_TEST

START_TEST(gradients_over_shared_memory_are_the_leaves_own)
{
    cr_tensor *a = cr_requires_grad_(cr_ones(CR_INTS(2, 3)), 1);
    cr_tensor *b = cr_requires_grad_(cr_ones(CR_INTS(6)), 1);
    cr_tensor *sum = cr_add(cr_reshape(a, CR_INTS(6)), cr_reshape(b, CR_INTS(6)));
    cr_tensor *given = cr_ones(CR_INTS(6));
    ck_assert_int_eq(cr_backward(sum, .gradient = given), 0);
    CR_NO_GRAD
        cr_mul_scalar_(cr_grad(a), 5);
    ck_assert_double_eq(at(cr_grad(a), 1), 5);
    ck_assert_double_eq(at(cr_grad(b), 1), 1);
    ck_assert_double_eq(at(given, 1), 1);
}
END_TEST

START_TEST(a_second_backward_needs_the_graph_kept)
{
    cr_tensor *x = leaf(1, 2, 3), *y = cr_sum(cr_exp(x));
    ck_assert_int_eq(cr_backward(y, .retain_graph = true), 0);
    ck_assert_int_eq(cr_backward(y), 0);
    ck_assert_int_ne(cr_backward(y), 0);
    ck_assert_ptr_nonnull(strstr(cr_error(), "Trying to backward through the graph a second time"));
}
END_TEST

START_TEST(backward_says_what_pytorch_says)
{
    cr_tensor *x = leaf(1, 2, 3);
    ck_assert_int_ne(cr_backward(x), 0);
    ck_assert_ptr_nonnull(
        strstr(cr_error(), "grad can be implicitly created only for scalar outputs"));
    cr_clear_error();
    ck_assert_int_ne(cr_backward(cr_zeros(1)), 0);
    ck_assert_ptr_nonnull(strstr(
        cr_error(), "element 0 of tensors does not require grad and does not have a grad_fn"));
}
END_TEST

START_TEST(a_chain_of_a_million_additions_goes_backward)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f64(1, 1.0), 1), *y = cr_retain(x);
    for (int i = 0; i < 1000000; i++)
        CR_SCOPE {
            cr_tensor *z = cr_retain(cr_add_scalar(y, 1));
            cr_release(y);
            y = z;
        }
    ck_assert_int_eq(cr_backward(y), 0);
    ck_assert_double_eq(at(cr_grad(x), 0), 1);
    cr_release(y);
}
END_TEST

START_TEST(nothing_is_recorded_without_grad)
{
    cr_tensor *x = leaf(1, 2, 3), *y = NULL;
    CR_NO_GRAD
        y = cr_mul(x, x);
    ck_assert(!cr_requires_grad(y) && !cr_grad_fn(y));
    CR_NO_GRAD
        CR_ENABLE_GRAD
            y = cr_mul(x, x);
    ck_assert(cr_requires_grad(y));
    CR_INFERENCE_MODE
        y = cr_mul(x, x);
    ck_assert_ptr_null(cr_requires_grad_(y, 1));
}
END_TEST

START_TEST(a_changed_saved_tensor_is_noticed)
{
    cr_tensor *x = leaf(1, 2, 3), *y = cr_exp(x), *z = cr_sum(y);
    cr_tensor *w = cr_sum(cr_mul(y, y));
    cr_add_scalar_(y, 1);
    ck_assert_int_ne(cr_backward(w), 0);
    ck_assert_ptr_nonnull(strstr(cr_error(), "has been modified by an inplace operation"));
    (void)z;
}
END_TEST

START_TEST(a_leaf_that_requires_grad_is_not_changed_in_place)
{
    cr_tensor *x = leaf(1, 2, 3);
    ck_assert_ptr_null(cr_add_scalar_(x, 1));
    ck_assert_ptr_nonnull(strstr(
        cr_error(), "a leaf Variable that requires grad is being used in an in-place operation"));
}
END_TEST

START_TEST(writing_through_a_view_is_differentiable)
{
    cr_tensor *x = leaf(2, 3, 4), *whole = cr_zeros(CR_INTS(2, 3), .dtype = CR_F64);
    cr_copy_(cr_select(whole, 0, 1), x);
    ck_assert_str_eq(cr_grad_node_name(cr_grad_fn(whole)), "CopySlices");
    ck_assert_int_eq(cr_backward(cr_sum(cr_mul(whole, whole))), 0);
    ck_assert_double_eq(at(cr_grad(x), 0), 4);
}
END_TEST

static cr_tensor *double_it(void *context, cr_tensor *grad)
{
    ++*(int *)context;
    return cr_mul_scalar(grad, 2);
}

static cr_tensor *note_strides(void *context, cr_tensor *grad)
{
    for (int d = 0; d < 4; d++)
        ((int *)context)[d] = (int)cr_tensor_strides(grad)[d];
    return grad;
}

/* Gradients of parts gather in one tensor, in place; those that somebody else holds stay what they were. */
START_TEST(parts_of_a_tensor_gather_their_gradients)
{
    cr_tensor *x = cr_requires_grad_(cr_zeros(CR_INTS(3, 4)), 1), *y = cr_mul_scalar(x, 1);
    cr_tensor *row = cr_tensor_f32(4, 1, 2, 3, 4), *whole = cr_ones(CR_INTS(3, 4));
    cr_tensor *out = cr_add(y, cr_mul(cr_select(y, 0, 1), row));
    out = cr_add(out, cr_mul_scalar(cr_unsqueeze(cr_select(y, 1, -1), 1), 10));
    out = cr_add(out, cr_narrow(y, 0, 1, 1));
    out = cr_add(out, cr_sum(cr_slice(y, .dim = 1, .step = CR_SOME(2))));
    ck_assert_int_eq(cr_backward(out, .gradient = whole), 0);
    cr_tensor *want = cr_tensor_f32(CR_INTS(3, 4), 13, 1, 13, 41, 19, 10, 25, 56, 13, 1, 13, 41);
    ck_assert(cr_equal(cr_grad(x), want));
    ck_assert(cr_equal(whole, cr_ones(CR_INTS(3, 4))));
}
END_TEST

static cr_tensor *see(void *context, cr_tensor *grad)
{
    (void)context;
    return grad;
}

static uint32_t pick(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

/* Some part of a tensor of [4, 6, 5], or all of it; the same for the same state. */
static cr_tensor *some_part(cr_tensor *of, uint32_t *state)
{
    const int64_t dim = pick(state, 3), size = cr_tensor_size(of, (int)dim);
    const int64_t from = pick(state, (uint32_t)size), length = pick(state, 4);
    const bool from_end = pick(state, 2);
    switch (pick(state, 5)) {
    case 0: return of;
    case 1: return cr_slice(of, .dim = dim, .start = CR_SOME(from), .step = CR_SOME(2));
    case 2: return cr_select(of, dim - 3 * from_end, from - size * from_end);
    default:
        return cr_slice(of, .dim = dim - 3 * from_end, .start = CR_SOME(from - size * from_end),
                        .end = CR_SOME(from + length));
    }
}

/* Parts beside one another, over one another, with gaps, of several dimensions and of none, one after the other, of a leaf and of what
 * was computed, seen by a hook or not. */
START_TEST(gradients_of_any_parts_add_up)
{
    for (uint32_t seed = 0; seed < 150; seed++)
        CR_SCOPE {
            uint32_t state = seed * 8 + (uint32_t)_i, parts = 1 + pick(&state, 5);
            cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(4, 6, 5)), 1);
            cr_tensor *y = _i ? cr_mul_scalar(x, 2) : x, *out = cr_sum(cr_zeros(1));
            if (_i == 2)
                cr_register_hook(y, see, NULL);
            cr_tensor *want = cr_zeros_like(cr_detach(x));
            for (uint32_t k = 0; k < parts; k++) {
                uint32_t same = state;
                cr_tensor *part = some_part(y, &state);
                out = cr_add(out, cr_sum(cr_mul_scalar(part, k + 1)));
                cr_add_scalar_(some_part(want, &same), (_i ? 2 : 1) * (k + 1));
            }
            ck_assert_msg(!cr_backward(out), "%s", cr_error());
            ck_assert_msg(cr_equal(cr_grad(x), want), "seed %u", seed);
        }
}
END_TEST

/* Heads of attention are parts of a permuted view: their gradients go back through it without a copy, which shows where the
 * gradient of what was permuted lies row by row. */
START_TEST(gradients_of_parts_lie_as_the_whole_did)
{
    int strides[4] = {0};
    cr_tensor *x = cr_requires_grad_(cr_randn(CR_INTS(2, 5, 12)), 1);
    cr_tensor *y = cr_view(cr_mul_scalar(x, 1), CR_INTS(2, 5, 3, 4));
    cr_tensor *parts = cr_permute(y, CR_INTS(2, 0, 3, 1)), *out[4];
    cr_register_hook(parts, note_strides, strides);
    for (int i = 0; i < 3; i++)
        out[i] =
            cr_mul_scalar(_i ? cr_slice(parts, .dim = 0, .start = CR_SOME(i), .end = CR_SOME(i + 1))
                             : cr_select(parts, 0, i),
                          i + 1);
    cr_tensor *sum = cr_sum(cr_add(cr_add(out[0], out[1]), out[2]));
    ck_assert_int_eq(cr_backward(sum), 0);
    const int want[4] = {4, 60, 1, 12};
    ck_assert_mem_eq(strides, want, sizeof want);
    cr_tensor *weights =
        cr_reshape(cr_expand(cr_tensor_f32(CR_INTS(3, 1), 1, 2, 3), CR_INTS(3, 4)), CR_INTS(12));
    ck_assert(cr_equal(cr_grad(x), cr_expand(weights, CR_INTS(2, 5, 12))));
}
END_TEST

/* A view that was made before its base got a history, by a change through another view or of the base itself. */
START_TEST(views_learn_that_their_base_has_a_history)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(3, 1, 2, 3), 1), *base = cr_zeros(CR_INTS(2, 3));
    cr_tensor *turned = cr_transpose(base, 0, 1), *apart = cr_detach(base);
    ck_assert(!cr_requires_grad(turned));
    if (_i)
        cr_add_(base, x);
    else
        cr_copy_(cr_select(base, 0, 1), x);
    ck_assert(cr_requires_grad(turned) && !cr_is_leaf(turned) && !cr_requires_grad(apart));
    cr_tensor *out = cr_mul(turned, cr_tensor_f32(CR_INTS(3, 2), 1, 2, 3, 4, 5, 6));
    ck_assert_int_eq(cr_backward(cr_sum(out)), 0);
    cr_tensor *want = _i ? cr_tensor_f32(3, 3, 7, 11) : cr_tensor_f32(3, 2, 4, 6);
    ck_assert(cr_equal(cr_grad(x), want));
}
END_TEST

START_TEST(hooks_see_and_replace_gradients)
{
    int calls = 0;
    cr_tensor *x = leaf(1, 2, 3), *y = cr_mul_scalar(x, 3);
    int64_t handle = cr_register_hook(y, double_it, &calls);
    ck_assert_int_eq(cr_retain_grad(y), 0);
    cr_backward(cr_sum(y), .retain_graph = true);
    ck_assert_double_eq(at(cr_grad(x), 0), 6);
    ck_assert_double_eq(at(cr_grad(y), 0), 2);
    ck_assert_int_eq(cr_remove_hook(handle), 0);
    cr_backward(cr_sum(y));
    ck_assert_int_eq(calls, 1);
    ck_assert_int_ne(cr_remove_hook(handle), 0);
}
END_TEST

static int cube_forward(cr_function_context *c, cr_tensor *const *in, size_t n, cr_tensor **out,
                        size_t nout, void *data)
{
    (void)n, (void)nout, (void)data;
    out[0] = cr_pow_scalar(in[0], 3);
    return cr_save_for_backward(c, in[0]);
}
static int cube_backward(cr_function_context *c, cr_tensor *const *g, size_t nout,
                         cr_tensor **grads, size_t n, void *data)
{
    (void)nout, (void)n, (void)data;
    grads[0] = cr_mul(g[0], cr_mul_scalar(cr_square(cr_saved_tensor(c, 0)), 3));
    return 0;
}
static const cr_function cube = {"CubeBackward", cube_forward, cube_backward, NULL};
static cr_tensor *run_cube(void *context, cr_tensor *const *in, size_t n)
{
    cr_tensor *out;
    (void)context;
    return cr_function_apply(&cube, NULL, in, n, &out, 1) ? NULL : out;
}

START_TEST(functions_of_ones_own_differentiate_twice)
{
    cr_tensor *x = leaf(1, -2, 0.5);
    ck_assert_msg(cr_gradcheck(run_cube, NULL, &x, 1, NULL), "%s", cr_error());
    ck_assert_msg(cr_gradgradcheck(run_cube, NULL, &x, 1, NULL), "%s", cr_error());
    cr_tensor *out = run_cube(NULL, &x, 1);
    ck_assert_str_eq(cr_grad_node_name(cr_grad_fn(out)), "CubeBackward");
}
END_TEST

START_TEST(grad_leaves_leaves_alone)
{
    cr_tensor *x = leaf(1, 2, 3), *w = leaf(4, 5, 6), *y = cr_sum(cr_mul(x, w)), *grads[2];
    cr_tensor *ins[2] = {x, w};
    ck_assert_int_eq(cr_autograd_grad(&y, NULL, 1, ins, 1, 0, grads), 0);
    ck_assert_double_eq(at(grads[0], 1), 5);
    ck_assert_ptr_null(cr_grad(x));
    cr_tensor *other = leaf(0, 0, 0);
    y = cr_sum(x);
    ck_assert_int_ne(cr_autograd_grad(&y, NULL, 1, &other, 1, 0, grads), 0);
}
END_TEST

/* ---- derivatives of operations, once and twice ---- */

typedef struct sample {
    const char *op;
    int inputs;
    double shift;   /* keeps inputs where the function is smooth */
    const char *kw; /* one integer keyword */
    int64_t value;
    bool once; /* no second derivative */
} sample;

static const sample samples[] = {
    {"exp", 1, 0, NULL, 0, 0},        {"log", 1, 3, NULL, 0, 0},
    {"sin", 1, 0, NULL, 0, 0},        {"tanh", 1, 0, NULL, 0, 0},
    {"sigmoid", 1, 0, NULL, 0, 0},    {"sqrt", 1, 3, NULL, 0, 0},
    {"rsqrt", 1, 3, NULL, 0, 0},      {"erf", 1, 0, NULL, 0, 0},
    {"gelu", 1, 0, NULL, 0, 0},       {"silu", 1, 0, NULL, 0, 0},
    {"softplus", 1, 0, NULL, 0, 0},   {"atan", 1, 0, NULL, 0, 0},
    {"acosh", 1, 4, NULL, 0, 0},      {"log1p", 1, 3, NULL, 0, 0},
    {"expm1", 1, 0, NULL, 0, 0},      {"mul", 2, 0, NULL, 0, 0},
    {"div", 2, 3, NULL, 0, 0},        {"add", 2, 0, NULL, 0, 0},
    {"sub", 2, 0, NULL, 0, 0},        {"atan2", 2, 3, NULL, 0, 0},
    {"pow", 2, 3, NULL, 0, 0},        {"maximum", 2, 0, NULL, 0, 0},
    {"matmul", 2, 0, NULL, 0, 0},     {"mm", 2, 0, NULL, 0, 0},
    {"sum", 1, 0, "dim", 1, 0},       {"mean", 1, 0, "dim", 0, 0},
    {"prod", 1, 2, "dim", 1, 0},      {"logsumexp", 1, 0, "dim", 1, 0},
    {"softmax", 1, 0, "dim", 1, 0},   {"log_softmax", 1, 0, "dim", 0, 0},
    {"cumsum", 1, 0, "dim", 1, 0},    {"cumprod", 1, 2, "dim", 1, 0},
    {"amax", 1, 0, "dim", 1, 0},      {"var", 1, 0, "dim", 1, 0},
    {"std", 1, 2, "dim", 1, 0},       {"norm", 1, 2, NULL, 0, 0},
    {"t", 1, 0, NULL, 0, 0},          {"tril", 1, 0, NULL, 0, 0},
    {"mse_loss", 2, 0, NULL, 0, 0},   {"unsqueeze", 1, 0, "dim", 1, 0},
    {"diagonal", 1, 0, NULL, 0, 0},   {"sort", 1, 0, "dim", 1, 0},
    {"mish", 1, 0, NULL, 0, 0},       {"celu", 1, 0, NULL, 0, 0},
    {"selu", 1, 0, NULL, 0, 0},       {"logaddexp", 2, 0, NULL, 0, 0},
    {"hypot", 2, 3, NULL, 0, 0},      {"xlogy", 2, 3, NULL, 0, 0},
    {"sinc", 1, 0, NULL, 0, 0},       {"kron", 2, 0, NULL, 0, 0},
    {"inner", 2, 0, NULL, 0, 0},      {"cdist", 2, 0, NULL, 0, 0},
    {"pdist", 1, 0, NULL, 0, 0},      {"normalize", 1, 2, NULL, 0, 0},
    {"huber_loss", 2, 0, NULL, 0, 0}, {"smooth_l1_loss", 2, 0, NULL, 0, 0},
    {"kl_div", 2, 3, NULL, 0, 0},     {"cosine_similarity", 2, 2, "dim", 1, 0},
    {"softmin", 1, 0, "dim", 1, 0},   {"matrix_power", 1, 0, "n", 3, 0},
    {"diag_embed", 1, 0, NULL, 0, 0}, {"diff", 1, 0, NULL, 0, 0},
    {"cross", 2, 0, NULL, 0, 0},      {"rot90", 1, 0, NULL, 0, 0},
    {"median", 1, 0, NULL, 0, 0},
};

static cr_tensor *call_sample(void *context, cr_tensor *const *in, size_t n)
{
    const sample *s = context;
    cr_value args[2] = {{0}}, outs[4];
    cr_keyword kw = {.name = s->kw};
    for (size_t i = 0; i < n; i++) {
        args[i].tag = CR_TENSOR;
        args[i].as.tensor = in[i];
    }
    kw.value.tag = !strcmp(s->op, "sum") || !strcmp(s->op, "mean") || !strcmp(s->op, "amax") ||
                           !strcmp(s->op, "var") || !strcmp(s->op, "std") ||
                           !strcmp(s->op, "logsumexp")
                       ? CR_INT_LIST
                       : CR_INT;
    kw.value.as.i = s->value;
    if (kw.value.tag == CR_INT_LIST) {
        kw.value.count = 1;
        kw.value.as.ints = &s->value;
    }
    return cr_call(s->op, args, n, &kw, s->kw ? 1 : 0, outs, 4, NULL) ? NULL : outs[0].as.tensor;
}

START_TEST(derivatives_agree_with_finite_differences)
{
    const sample *s = &samples[_i];
    cr_manual_seed(7);
    cr_tensor *in[2];
    for (int i = 0; i < s->inputs; i++)
        in[i] =
            cr_requires_grad_(cr_add_scalar(cr_randn(CR_INTS(3, 3), .dtype = CR_F64), s->shift), 1);
    if (s->shift)
        for (int i = 0; i < s->inputs; i++)
            in[i] = cr_requires_grad_(cr_detach(cr_add_scalar(cr_abs(in[i]), 0.5)), 1);
    cr_tensor *const *inputs = in;
    ck_assert_msg(cr_gradcheck(call_sample, (void *)(uintptr_t)s, inputs, (size_t)s->inputs, NULL),
                  "%s: %s", s->op, cr_error());
    ck_assert_msg(s->once || cr_gradgradcheck(call_sample, (void *)(uintptr_t)s, inputs,
                                              (size_t)s->inputs, NULL),
                  "%s, twice: %s", s->op, cr_error());
}
END_TEST

static cr_tensor *conv(void *context, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_f_conv2d(in[0], in[1], .bias = in[2], .stride = CR_INTS(2, 1),
                       .padding = CR_INTS(1, 0), .groups = CR_SOME(2));
}
static cr_tensor *norm(void *context, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_native_batch_norm(in[0], in[1], in[2], NULL, NULL, true, 0.1, 1e-5).output0;
}
static cr_tensor *layer_norm(void *context, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_f_layer_norm(in[0], 4, .weight = in[1], .bias = in[2]);
}

START_TEST(layers_differentiate_twice)
{
    cr_manual_seed(3);
#define R(...) cr_requires_grad_(cr_randn(CR_INTS(__VA_ARGS__), .dtype = CR_F64), 1)
    cr_tensor *c[3] = {R(1, 4, 4, 4), R(2, 2, 3, 2), R(2)}, *b[3] = {R(3, 2, 2), R(2), R(2)},
              *l[3] = {R(3, 4), R(4), R(4)};
    const struct {
        cr_gradcheck_function f;
        cr_tensor **in;
    } all[] = {{conv, c}, {norm, b}, {layer_norm, l}};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(cr_gradcheck(all[i].f, NULL, all[i].in, 3, NULL), "%d: %s", i, cr_error());
        ck_assert_msg(cr_gradgradcheck(all[i].f, NULL, all[i].in, 3, NULL), "%d, twice: %s", i,
                      cr_error());
    }
}
END_TEST

/* Functions of x (2, 4, 5, 6) or of its parts, by number. */
static cr_tensor *of_an_image(void *context, cr_tensor *const *in, size_t n)
{
    (void)n;
    cr_tensor *x = in[0];
    cr_tensor *grid =
        cr_reshape(cr_slice(cr_flatten(x), .dim = 0, .end = CR_SOME(24)), CR_INTS(2, 2, 3, 2));
    cr_tensor *still = cr_reshape(cr_sin(cr_arange(240., .dtype = CR_F64)), CR_INTS(2, 4, 5, 6));
    cr_tensor *places = cr_slice(cr_flatten(still), .dim = 0, .end = CR_SOME(24));
    cr_tensor *two[] = {cr_select(x, 0, 0), cr_select(x, 0, 1)};
    switch (*(int *)context) {
    case 0:
        return cr_f_avg_pool2d(x, CR_INTS(3, 2), .stride = CR_INTS(2, 1), .padding = CR_INTS(1, 0),
                               .ceil_mode = true);
    case 1: return cr_f_adaptive_avg_pool2d(x, CR_INTS(3, 4));
    case 2: return cr_max_pool2d_with_indices(x, CR_INTS(2, 2)).output0;
    case 3: return cr_f_group_norm(x, 2);
    case 4: return cr_grid_sampler_2d(still, cr_mul_scalar(grid, 0.3), 0, 1, false);
    case 5: return cr_grid_sampler_2d(x, cr_reshape(places, CR_INTS(2, 2, 3, 2)), 2, 0, true);
    case 6: return cr_im2col(x, CR_INTS(2, 3), 1, 1, 2);
    case 7: return cr_reflection_pad2d(x, CR_INTS(1, 2, 3, 0));
    case 8: return cr_f_pixel_shuffle(x, 2);
    case 9: return cr_einsum("aij,bij->ab", CR_TENSORS(two[0], two[1]));
    case 10: return cr_scaled_dot_product_attention(two[0], two[1], two[0], .is_causal = true);
    case 11: return cr_f_instance_norm(x, NULL, NULL, NULL, NULL, true, 0.1, 1e-5, false);
    case 12: return cr_f_local_response_norm(x, 3);
    case 13: {
        cr_tensor *lengths = cr_tensor_i64(5, 4, 4, 3, 4, 2),
                  *targets = cr_tensor_i64(CR_INTS(5, 2), 1, 2, 1, 1, 5, 4, 3, 3, 2, 1);
        return cr_ctc_loss(cr_log_softmax(two[0], -1), targets, lengths,
                           cr_tensor_i64(5, 2, 2, 1, 2, 1));
    }
    default: return cr_f_avg_pool3d(x, CR_INTS(2, 2, 2));
    }
}

START_TEST(pools_and_samplers_differentiate_twice)
{
    cr_manual_seed(11);
    cr_tensor *x = R(2, 4, 5, 6);
    int which = _i;
    ck_assert_msg(cr_gradcheck(of_an_image, &which, &x, 1, NULL), "%d: %s", _i, cr_error());
    if (which != 2 && which != 4) /* maxima and floors have no second derivative worth the name */
        ck_assert_msg(cr_gradgradcheck(of_an_image, &which, &x, 1, NULL), "%d, twice: %s", _i,
                      cr_error());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("autograd");
    TCase *c = tcase_create("autograd");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_set_timeout(c, 240);
    tcase_add_test(c, gradients_add_up_on_leaves);
    tcase_add_test(c, a_view_that_nobody_shares_becomes_the_gradient_without_a_copy);
    tcase_add_test(c, gradients_over_shared_memory_are_the_leaves_own);
    tcase_add_test(c, a_second_backward_needs_the_graph_kept);
    tcase_add_test(c, backward_says_what_pytorch_says);
    tcase_add_test(c, a_chain_of_a_million_additions_goes_backward);
    tcase_add_test(c, nothing_is_recorded_without_grad);
    tcase_add_test(c, a_changed_saved_tensor_is_noticed);
    tcase_add_test(c, a_leaf_that_requires_grad_is_not_changed_in_place);
    tcase_add_test(c, writing_through_a_view_is_differentiable);
    tcase_add_test(c, parts_of_a_tensor_gather_their_gradients);
    tcase_add_loop_test(c, gradients_of_parts_lie_as_the_whole_did, 0, 2);
    tcase_add_loop_test(c, gradients_of_any_parts_add_up, 0, 3);
    tcase_add_loop_test(c, views_learn_that_their_base_has_a_history, 0, 2);
    tcase_add_test(c, hooks_see_and_replace_gradients);
    tcase_add_test(c, functions_of_ones_own_differentiate_twice);
    tcase_add_test(c, grad_leaves_leaves_alone);
    tcase_add_loop_test(c, derivatives_agree_with_finite_differences, 0,
                        sizeof samples / sizeof *samples);
    tcase_add_loop_test(c, pools_and_samplers_differentiate_twice, 0, 15);
    tcase_add_test(c, layers_differentiate_twice);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
