/* einops: the package's own results, views, gradients, packing, layers, and errors that name what is wrong. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

typedef struct golden_case {
    const char *kind, *pattern;
    int dim;
    int64_t sizes[8];
    cr_axis axes[4];
    int out_dim;
    int64_t out_sizes[8];
    double values[128];
} golden_case;
#include "tests/golden/einops/cases.h"

static cr_tensor *counting(int dim, const int64_t *sizes)
{
    int64_t count = 1;
    for (int i = 0; i < dim; i++)
        count *= sizes[i];
    return cr_reshape(cr_arange(count, .dtype = CR_F64), cr_make_ints(sizes, (size_t)dim));
}

static cr_tensor *apply(const golden_case *c, cr_tensor *x)
{
    if (!strcmp(c->kind, "rearrange"))
        return cr_rearrange_with(x, c->pattern, c->axes);
    if (!strcmp(c->kind, "repeat"))
        return cr_einops_repeat_with(x, c->pattern, c->axes);
    if (!strcmp(c->kind, "reduce_prod"))
        x = cr_add_scalar(x, 1);
    return cr_reduce_with(x, c->pattern, c->kind + strlen("reduce_"), c->axes);
}

static void assert_shape(const cr_tensor *t, int dim, const int64_t *sizes)
{
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_tensor_dim(t), dim);
    for (int i = 0; i < dim; i++)
        ck_assert_int_eq(cr_tensor_size(t, i), sizes[i]);
}

/* Consumes the error. */
static void assert_error(const void *result, const char *words)
{
    ck_assert_ptr_null(result);
    ck_assert_msg(cr_error() && strstr(cr_error(), words), "\"%s\" is not in \"%s\"", words,
                  cr_error() ? cr_error() : "");
    cr_clear_error();
}

START_TEST(results_are_the_packages)
{
    const golden_case *c = &golden_cases[_i];
    cr_tensor *y = apply(c, counting(c->dim, c->sizes));
    ck_assert_msg(y != NULL, "%s: %s", c->pattern, cr_error());
    assert_shape(y, c->out_dim, c->out_sizes);
    double values[128];
    int64_t count = cr_tensor_numel(y);
    ck_assert_int_le(count, 128);
    ck_assert_int_eq(cr_tensor_read(y, values, (size_t)count * sizeof *values), 0);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(values[i] == c->values[i], "%s \"%s\": element %d is %g, not %g", c->kind,
                      c->pattern, (int)i, values[i], c->values[i]);
}
END_TEST

START_TEST(gradients_reach_the_input)
{
    const golden_case *c = &golden_cases[_i];
    cr_tensor *x = cr_requires_grad_(cr_add_scalar(counting(c->dim, c->sizes), 0.5), 1);
    x = cr_requires_grad_(cr_detach(x), 1);
    cr_tensor *y = apply(c, x);
    ck_assert_msg(y != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_backward(cr_sum(cr_mul(y, y))), 0);
    assert_shape(cr_grad(x), c->dim, c->sizes);
    if (cr_tensor_numel(x))
        ck_assert(cr_item(cr_sum(cr_abs(cr_grad(x)))) > 0);
}
END_TEST

START_TEST(views_are_made_where_they_can_be)
{
    cr_tensor *x = counting(3, (int64_t[]){4, 6, 5});
    static const char *const views[] = {
        "a b c -> c a b", "a (b d) c -> a d c b", "a b c -> (a b) c",     "a b c -> a 1 b () c",
        "a b c -> a b c", "... c -> c ...",       "a b c -> b (a) c 1 1", "(a d) b c -> a (d b) c"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        cr_tensor *y =
            strchr(views[i], 'd') ? cr_rearrange(x, views[i], {"d", 2}) : cr_rearrange(x, views[i]);
        ck_assert_msg(y != NULL, "%s", cr_error());
        ck_assert_msg(cr_is_same_storage(x, y), "%s copies", views[i]);
        ck_assert_ptr_ne(x, y);
    }
    ck_assert(cr_is_same_storage(x, cr_einops_repeat(x, "a b c -> a b k c", {"k", 7})));
    ck_assert(!cr_is_same_storage(x, cr_rearrange(x, "a b c -> (b a) c")));
}
END_TEST

START_TEST(lists_are_stacked_on_a_new_first_axis)
{
    cr_tensor *a = counting(2, (int64_t[]){2, 3}), *b = cr_neg(a);
    cr_tensor *y = cr_rearrange(CR_TENSORS(a, b), "n h w -> h w n");
    assert_shape(y, 3, (int64_t[]){2, 3, 2});
    ck_assert(cr_equal(cr_select(y, 2, 1), b));
    ck_assert(cr_equal(cr_reduce(CR_TENSORS(a, a), "n h w -> h w", "sum"), cr_mul_scalar(a, 2)));
    assert_error(cr_rearrange(((cr_tensors){0}), "n h -> h n"), "the list of tensors is empty");
}
END_TEST

START_TEST(reductions_keep_the_operations_dtypes)
{
    cr_tensor *bools = cr_tensor_bool(CR_INTS(2, 2), true, false, false, false);
    ck_assert(
        cr_equal(cr_reduce(bools, "a b -> a", "any"), cr_tensor_bool(CR_INTS(2), true, false)));
    ck_assert(
        cr_equal(cr_reduce(bools, "a b -> a", "all"), cr_tensor_bool(CR_INTS(2), false, false)));
    cr_tensor *ints = cr_tensor_i32(CR_INTS(2, 2), 1, 2, 3, 4);
    ck_assert_int_eq(cr_tensor_dtype(cr_reduce(ints, "a b -> a", "sum")), CR_I64);
    ck_assert_int_eq(cr_tensor_dtype(cr_reduce(ints, "a b -> a", "max")), CR_I32);
    assert_error(cr_reduce(ints, "a b -> a", "mean"), "floating dtype");
}
END_TEST

START_TEST(einsum_knows_long_names)
{
    cr_tensor *a = counting(3, (int64_t[]){2, 3, 4}), *b = counting(3, (int64_t[]){2, 5, 4});
    cr_tensor *expected = cr_einsum("bic,bjc->bij", CR_TENSORS(a, b));
    for (int twice = 0; twice < 2; twice++)
        ck_assert(
            cr_equal(cr_einops_einsum("batch i chan, batch j chan -> batch i j", CR_TENSORS(a, b)),
                     expected));
    ck_assert(
        cr_equal(cr_einops_einsum("... i c, ... j c -> ... i j", CR_TENSORS(a, b)), expected));
    assert_error(cr_einops_einsum("a b c -> a", CR_TENSORS(a, b)), "it has 1 inputs, given are 2");
    assert_error(cr_einops_einsum("a b c -> d", CR_TENSORS(a)),
                 "the axis d is only on the right side");
    assert_error(cr_einops_einsum("a (b c) -> a", CR_TENSORS(a)), "parentheses");
}
END_TEST

START_TEST(packing_is_undone_by_unpacking)
{
    cr_tensor *a = counting(2, (int64_t[]){2, 3}), *b = counting(4, (int64_t[]){2, 3, 4, 5}),
              *c = counting(3, (int64_t[]){2, 3, 7});
    cr_packed_shape shapes[3];
    cr_tensor *packed = cr_pack(CR_TENSORS(a, b, c), "i j *", shapes);
    assert_shape(packed, 3, (int64_t[]){2, 3, 28});
    ck_assert_int_eq(shapes[0].dim, 0);
    ck_assert_int_eq(shapes[1].dim, 2);
    shapes[1].sizes[1] = -1;
    cr_tensor *out[3];
    ck_assert_msg(!cr_unpack(packed, shapes, 3, "i j *", out), "%s", cr_error());
    ck_assert(cr_equal(out[0], a) && cr_equal(out[1], b) && cr_equal(out[2], c));
    ck_assert(cr_is_same_storage(out[1], packed));
    shapes[2].sizes[0] = 8;
    shapes[1].sizes[1] = 5;
    ck_assert_int_ne(cr_unpack(packed, shapes, 3, "i j *", out), 0);
    assert_error(NULL, "the shapes take 29 of *, which has 28");
    assert_error(cr_pack(CR_TENSORS(a), "i j k *", shapes), "at least 3 dimensions");
    assert_error(cr_pack(CR_TENSORS(a), "i * *", shapes), "one *");
    assert_error(cr_pack(CR_TENSORS(a), "i * i", shapes), "axis i is there twice");
}
END_TEST

START_TEST(shapes_are_parsed)
{
    cr_tensor *x = counting(4, (int64_t[]){2, 3, 5, 7});
    int64_t h = 0, w = 0;
    ck_assert_int_eq(cr_parse_shape(x, "_ _ h w", {"h", &h}, {"w", &w}), 0);
    ck_assert(h == 5 && w == 7);
    ck_assert_int_eq(cr_parse_shape(x, "h ... 7", {"h", &h}), 0);
    ck_assert_int_eq(h, 2);
    ck_assert_int_ne(cr_parse_shape(x, "h 4 _ _", {"h", &h}), 0);
    assert_error(NULL, "the axis 4 has the size 3");
    ck_assert_int_ne(cr_parse_shape(x, "h w", {"h", &h}), 0);
    assert_error(NULL, "it has 2 dimensions");
    ck_assert_int_ne(cr_parse_shape(x, "a ...", {"q", &h}), 0);
    assert_error(NULL, "no axis q");
}
END_TEST

START_TEST(layers_work_in_sequential)
{
    cr_manual_seed(1);
    cr_module *net = cr_sequential("conv", cr_conv2d(3, 4, 3, .padding = 1), "pool",
                                   cr_reduce_layer("b c (h 2) (w k) -> b c h w", "max", {"k", 2}),
                                   "flat", cr_rearrange_layer("b c h w -> b (c h w)"), "mix",
                                   cr_einmix("b (c s) -> b d c", "c s d", .bias_shape = "d",
                                             .axes = {{"c", 4}, {"s", 16}, {"d", 5}}));
    ck_assert_msg(net != NULL, "%s", cr_error());
    cr_tensor *y = cr_forward(net, cr_randn(CR_INTS(2, 3, 8, 8)));
    assert_shape(y, 3, (int64_t[]){2, 5, 4});
    ck_assert_int_eq(cr_backward(cr_sum(y)), 0);
    char *text = cr_module_to_string(net);
    ck_assert_ptr_nonnull(strstr(text, "(pool): Reduce('b c (h 2) (w k) -> b c h w', 'max', k=2)"));
    cr_free(text);
}
END_TEST

START_TEST(einmix_is_its_einsum)
{
    cr_manual_seed(2);
    cr_module *mix = cr_einmix("b (h p) c -> (b h) d 1", "p c d", .bias_shape = "d",
                               .axes = {{"p", 2}, {"c", 3}, {"d", 4}});
    cr_tensor *x = cr_randn(CR_INTS(2, 6, 3)), *y = cr_forward(mix, x);
    assert_shape(y, 3, (int64_t[]){6, 4, 1});
    cr_state_dict *dict = cr_module_state_dict(mix);
    cr_tensor *weight = cr_state_dict_get(dict, "weight"), *bias = cr_state_dict_get(dict, "bias");
    assert_shape(weight, 3, (int64_t[]){2, 3, 4});
    assert_shape(bias, 3, (int64_t[]){1, 1, 4});
    cr_tensor *expected =
        cr_einsum("bhpc,pcd->bhd", CR_TENSORS(cr_reshape(x, CR_INTS(2, 3, 2, 3)), weight));
    expected = cr_reshape(cr_add(expected, bias), CR_INTS(6, 4, 1));
    ck_assert(cr_item(cr_max(cr_abs(cr_sub(y, expected)))) < 1e-5);
    ck_assert(cr_item(cr_max(cr_abs(weight))) <= sqrt(3 / 6.0));
    assert_error(cr_einmix("a b -> a c", "b c", .axes = {{"b", 2}}),
                 "size of the axis c must be given");
    assert_error(cr_einmix("a b -> a c", "c q b", .axes = {{"b", 2}, {"c", 2}, {"q", 2}}),
                 "the weight's axis q");
    assert_error(cr_einmix("a b -> a c d", "c b", .axes = {{"b", 2}, {"c", 2}}),
                 "axis d is only on the right");
}
END_TEST

static const struct {
    const char *pattern, *words;
} refused[] = {
    {"a b c", "no ->"},
    {"a -> a -> a", "more than one ->"},
    {"a b c -> a b", "the axis c is only on the left side"},
    {"a b c -> a b c d", "the axis d is only on the right side"},
    {"a a b -> b a", "the axis a is there twice"},
    {"(a b c -> a b c", "a ( without its )"},
    {"a) b c -> a b c", "a ) without its ("},
    {"((a) b) c -> a b c", "parentheses within parentheses"},
    {"a .. c -> a c", "a dot outside of ..."},
    {"... a ... -> a", "... is there twice"},
    {"(... a) b -> a b ...", "... can't be in parentheses on the left side"},
    {"a b c -> a ... b c", "... is on the right side, but not on the left"},
    {"a 2 c -> a c", "the axis 2 has no name"},
    {"a 0 c -> a c", "the size 0"},
    {"a _b c -> a c", "underscore"},
    {"a _ c -> a c", "only for cr_parse_shape"},
    {"a 2b c -> a c", "begins with a digit"},
    {"a,b c -> a c", "unexpected ','"},
    {"a \xc3\xa9 c -> a c", "unexpected byte"},
    {"a b -> b a", "2 dimensions, the input 3"},
    {"a b c d ... -> d a b c ...", "at least 4 dimensions, the input 3"},
    {"(a b) c d -> a b c d", "the sizes of both a and b are unknown"},
    {"a b (c k) -> a b c k", "can't be divided by 3 to find the axis c"},
    {"k b c -> k b c", "the axis k should have the size 3, but dimension 0 has 2"},
    {"a 1 c -> a c", "dimension 1 should have the size 1, it has 3"},
    {"a b c d e f g h i j -> a", "more than 8"},
    {"99999999999999999999 a -> a", "too large"},
};

START_TEST(errors_name_the_pattern_the_shape_and_the_axis)
{
    cr_tensor *x = counting(3, (int64_t[]){2, 3, 4});
    const char *pattern = refused[_i].pattern;
    const bool sized = strchr(pattern, 'k') != NULL;
    cr_tensor *y = sized ? cr_rearrange(x, pattern, {"k", 3}) : cr_rearrange(x, pattern);
    ck_assert_msg(!y, "%s", pattern);
    ck_assert_ptr_nonnull(strstr(cr_error(), "float64[2, 3, 4]"));
    ck_assert_ptr_nonnull(strstr(cr_error(), pattern));
    assert_error(y, refused[_i].words);
}
END_TEST

START_TEST(wrong_arguments_are_errors)
{
    cr_tensor *x = counting(2, (int64_t[]){2, 3});
    assert_error(cr_rearrange(x, "a b -> b a", {"z", 2}), "the axis z, which it hasn't");
    assert_error(cr_rearrange(x, "a b -> b a", {"a", -2}), "can't have the size -2");
    assert_error(cr_reduce(x, "a b -> b", "median"), "\"median\"");
    assert_error(cr_einops_repeat(x, "a b -> a b c"), "the size of the new axis c must be given");
    assert_error(cr_einops_repeat(x, "a b -> a"), "the axis b is only on the left side");
    assert_error(cr_einops_repeat(x, "a b -> (a c) b", {"c", INT64_MAX}), "overflow");
    ck_assert_ptr_null(cr_rearrange((cr_tensor *)NULL, "a -> a"));
    ck_assert_ptr_null(cr_error());
    assert_error(cr_rearrange(x, NULL), "pattern is null");
    char longer[2000];
    memset(longer, ' ', sizeof longer);
    memcpy(longer + 1990, "a->a", 5);
    assert_error(cr_rearrange(x, longer), "longer than 1024");
}
END_TEST

/* ---- properties ---- */

static uint64_t state = 88172645463325252u;
static int pick(int below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)(state % (uint64_t)below);
}

/* One side of a random pattern: the axes in an order, grouped by chance. */
static void write_side(char *to, const int *order, int n)
{
    bool open = false;
    for (int i = 0; i < n; i++) {
        if (!open && pick(3) == 0) {
            to += sprintf(to, "(");
            open = true;
        }
        to += sprintf(to, pick(8) ? "x%d " : " x%d  ", order[i]);
        if (open && pick(2)) {
            to += sprintf(to, ") ");
            open = false;
        }
        if (!open && pick(6) == 0)
            to += sprintf(to, pick(2) ? "1 " : "() ");
    }
    sprintf(to, "%s", open ? ")" : "");
}

static int dims_of(const char *side)
{
    int dims = 0;
    for (bool open = false; *side; side++) {
        if (*side == '(')
            open = true, dims++;
        else if (*side == ')')
            open = false;
        else if (!open && (*side == 'x' || (*side == '1' && side[-1] != 'x')))
            dims++;
    }
    return dims;
}

START_TEST(a_pattern_and_its_inverse_give_the_input_back)
{
    for (int round = 0; round < 3000; round++)
        CR_SCOPE {
            int n = 1 + pick(5), order[5];
            cr_axis axes[6] = {{0}};
            static const char *const names[] = {"x0", "x1", "x2", "x3", "x4"};
            int64_t sizes[5];
            for (int i = 0; i < n; i++) {
                order[i] = i;
                sizes[i] = 1 + pick(4);
                axes[i] = (cr_axis){names[i], sizes[i]};
            }
            char left[128], right[128], there[300], back[300], flat[300];
            write_side(left, order, n);
            for (int i = n - 1; i > 0; i--) {
                int k = pick(i + 1), swap = order[i];
                order[i] = order[k];
                order[k] = swap;
            }
            write_side(right, order, n);
            if (dims_of(left) > 8 || dims_of(right) > 8)
                continue;
            sprintf(there, "%s -> %s", left, right);
            sprintf(back, "%s -> %s", right, left);
            sprintf(flat, "x0 %s%s%s%s -> %s", n > 1 ? "x1 " : "", n > 2 ? "x2 " : "",
                    n > 3 ? "x3 " : "", n > 4 ? "x4 " : "", left);
            cr_tensor *x = cr_rearrange_with(counting(n, sizes), flat, axes);
            ck_assert_msg(x != NULL, "%s", cr_error());
            cr_tensor *y = cr_rearrange_with(x, there, axes);
            ck_assert_msg(y != NULL, "%s", cr_error());
            cr_tensor *z = cr_rearrange_with(y, back, axes);
            ck_assert_msg(z != NULL, "%s", cr_error());
            ck_assert_msg(cr_equal(x, z), "%s", there);
            /* a sum over an axis that was repeated is the input, times */
            char grow[400], shrink[400];
            if (n < 5 && dims_of(right) < 8) {
                sprintf(grow, "%s -> k %s", left, right);
                sprintf(shrink, "k %s -> %s", right, left);
                axes[n] = (cr_axis){"k", 3};
                cr_tensor *many = cr_einops_repeat_with(x, grow, axes);
                ck_assert_msg(many != NULL, "%s", cr_error());
                ck_assert(cr_equal(cr_reduce_with(many, shrink, "sum", axes), cr_mul_scalar(x, 3)));
            }
        }
    ck_assert_ptr_null(cr_error());
}
END_TEST

/* More patterns than the cache holds, the same ones from several threads. */
static void *rearrange_often(void *failures)
{
    int *failed = failures;
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 400; i++)
            CR_SCOPE {
                char pattern[64], equation[64];
                sprintf(pattern, "a%d b -> b a%d", i, i);
                sprintf(equation, "a%d b, b c -> a%d c", i, i);
                cr_tensor *x = cr_ones(CR_INTS(2, 3)), *y = cr_rearrange(x, pattern);
                *failed += cr_tensor_size(y, 0) != 3;
                *failed += cr_tensor_size(cr_einops_einsum(equation, CR_TENSORS(x, y)), 1) != 2;
            }
    return NULL;
}

START_TEST(threads_share_the_patterns)
{
    pthread_t threads[4];
    int failures[4] = {0};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rearrange_often, &failures[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(failures[i], 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("einops");
    TCase *c = tcase_create("einops");
    tcase_set_timeout(c, 60);
    int cases = (int)(sizeof golden_cases / sizeof *golden_cases);
    tcase_add_loop_test(c, results_are_the_packages, 0, cases);
    tcase_add_loop_test(c, gradients_reach_the_input, 0, cases);
    tcase_add_test(c, views_are_made_where_they_can_be);
    tcase_add_test(c, lists_are_stacked_on_a_new_first_axis);
    tcase_add_test(c, reductions_keep_the_operations_dtypes);
    tcase_add_test(c, einsum_knows_long_names);
    tcase_add_test(c, packing_is_undone_by_unpacking);
    tcase_add_test(c, shapes_are_parsed);
    tcase_add_test(c, layers_work_in_sequential);
    tcase_add_test(c, einmix_is_its_einsum);
    tcase_add_loop_test(c, errors_name_the_pattern_the_shape_and_the_axis, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(c, wrong_arguments_are_errors);
    tcase_add_test(c, a_pattern_and_its_inverse_give_the_input_back);
    tcase_add_test(c, threads_share_the_patterns);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed || cr_exit();
}
