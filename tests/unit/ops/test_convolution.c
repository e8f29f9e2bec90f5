/* Convolutions of whole batches and their gradients beside the same in f64, which other kernels compute: the shapes for which
 * kernels of f32 take images together, and those at their edges. */
#include <check.h>
#include <cresset/cresset.h>

typedef struct shape {
    int64_t images, in, out, size, kernel, padding;
} shape;

static const shape shapes[] = {
    {70, 6, 16, 14, 5, 0}, {64, 1, 6, 28, 5, 2},  {33, 6, 16, 14, 5, 0}, {16, 3, 7, 9, 3, 1},
    {200, 2, 5, 5, 3, 0},  {31, 6, 16, 14, 5, 0}, {1, 6, 16, 14, 5, 0},  {97, 5, 3, 4, 2, 1},
    {9, 3, 16, 17, 3, 1},  {5, 16, 20, 15, 5, 2}, {4, 32, 32, 9, 3, 1},  {2, 16, 3, 30, 5, 0},
    {17, 1, 16, 6, 2, 0},  {3, 4, 16, 5, 5, 0},   {2, 3, 31, 29, 7, 3},  {20, 7, 32, 16, 4, 2},
    {5, 4, 1, 40, 3, 1},   {3, 2, 2, 33, 5, 4},   {2, 1, 1, 64, 7, 6},   {3, 5, 8, 20, 3, 0},
    {3, 3, 7, 19, 5, 2},   {4, 2, 1, 3, 3, 2},
};

static void same(cr_tensor *x, cr_tensor *expected, const shape *s, const char *what)
{
    ck_assert_msg(
        cr_allclose(cr_to_dtype(x, CR_F64), expected, .rtol = CR_SOME(1e-4), .atol = CR_SOME(1e-4)),
        "%s of %d images of %d x %d x %d: %s", what, (int)s->images, (int)s->in, (int)s->size,
        (int)s->size, cr_error() ? cr_error() : "other values");
}

START_TEST(batches_are_as_in_f64)
{
    const shape *s = &shapes[_i];
    cr_manual_seed(11);
    CR_SCOPE {
        cr_tensor *x = cr_requires_grad_(
            cr_randn(CR_INTS(s->images, s->in, s->size, s->size), .dtype = CR_F32), 1);
        cr_tensor *w = cr_requires_grad_(
            cr_randn(CR_INTS(s->out, s->in, s->kernel, s->kernel), .dtype = CR_F32), 1);
        cr_tensor *wide_x = cr_requires_grad_(cr_to_dtype(cr_detach(x), CR_F64), 1);
        cr_tensor *wide_w = cr_requires_grad_(cr_to_dtype(cr_detach(w), CR_F64), 1);
        cr_tensor *y = cr_f_conv2d(x, w, .padding = CR_INTS(s->padding, s->padding));
        cr_tensor *wide = cr_f_conv2d(wide_x, wide_w, .padding = CR_INTS(s->padding, s->padding));
        same(y, wide, s, "the result");
        cr_tensor *g = cr_div_scalar(cr_randn_like(y), (double)s->images);
        cr_backward(cr_sum(cr_mul(y, g)));
        cr_backward(cr_sum(cr_mul(wide, cr_to_dtype(g, CR_F64))));
        same(cr_grad(x), cr_grad(wide_x), s, "the input's gradient");
        same(cr_grad(w), cr_grad(wide_w), s, "the weights' gradient");
        ck_assert_msg(!cr_error(), "%s", cr_error());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convolution");
    TCase *cases = tcase_create("convolution");
    tcase_add_loop_test(cases, batches_are_as_in_f64, 0, sizeof shapes / sizeof *shapes);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
