/* Windows to columns and back, and rearranging channels. */
#include "core/ops/compose.h"

/* ---- windows to columns and back ---- */

/* For one dimension: how many windows, and where their elements lie in the padded size, [k, out]. */
static cr_tensor *window_places(cr_tensor *x, int64_t size, int64_t k, int64_t dilation,
                                int64_t padding, int64_t stride, int64_t *out)
{
    int64_t room = size + 2 * padding - dilation * (k - 1) - 1;
    *out = room < 0 ? 0 : room / stride + 1;
    const char *device = cr_tensor_device(x);
    cr_tensor *tap = cr_mul_scalar(cr_arange(k, .dtype = CR_I64, .device = device), dilation);
    cr_tensor *start = cr_mul_scalar(cr_arange(*out, .dtype = CR_I64, .device = device), stride);
    return cr_add(cr_unsqueeze(tap, 1), start);
}

/* Arguments from `at` on: kernel_size, dilation, padding, stride. Where each column element lies in the padded plane, in the
 * order [kh · kw, oh · ow]; false after an error. */
static bool column_places(cr_tensor *x, const cr_value *at, int64_t h, int64_t w,
                          cr_tensor **places, int64_t *kernel, int64_t *count)
{
    int64_t v[4][2], oh, ow;
    for (int i = 0; i < 4; i++)
        for (int d = 0; d < 2; d++) {
            bool one = at[i].count == 1, given = one || at[i].count == 2;
            v[i][d] = given ? at[i].as.ints[one ? 0 : d] : -1;
            if (v[i][d] < (i == 2 ? 0 : 1) || v[i][d] > INT32_MAX)
                return cr_fail(
                           "kernel size, dilation and stride should be one or two numbers greater "
                           "than zero, and padding not negative"),
                       false;
        }
    cr_tensor *rows = window_places(x, h, v[0][0], v[1][0], v[2][0], v[3][0], &oh);
    cr_tensor *columns = window_places(x, w, v[0][1], v[1][1], v[2][1], v[3][1], &ow);
    *kernel = v[0][0] * v[0][1];
    *count = oh * ow;
    if (oh < 1 || ow < 1)
        return cr_fail("the windows don't fit: a plane of %lld x %lld gives %lld x %lld of them",
                       (long long)h, (long long)w, (long long)oh, (long long)ow),
               false;
    cr_tensor *row = cr_reshape(cr_mul_scalar(rows, w + 2 * v[2][1]), CR_INTS(v[0][0], 1, oh, 1));
    cr_tensor *column = cr_reshape(columns, CR_INTS(1, v[0][1], 1, ow));
    *places = cr_reshape(cr_add(row, column), CR_INTS(*kernel * *count));
    return *places != NULL;
}

/* (N, C, H, W) to (N, C · kh · kw, L). */
COMPOSITE(im2col)
{
    (void)op;
    cr_tensor *x = T(0), *places;
    bool batched = x->dim == 4;
    int64_t kernel, count;
    if (!batched && x->dim != 3)
        return CR_FAIL_INT("im2col: Expected 3D or 4D (batch mode) tensor, but got %s",
                           cr_describe(x));
    int64_t h = x->size[x->dim - 2], w = x->size[x->dim - 1], c = x->size[x->dim - 3],
            n = batched ? x->size[0] : 1;
    if (!column_places(x, &args[1], h, w, &places, &kernel, &count))
        return -1;
    int64_t ph = args[3].as.ints[0], pw = args[3].as.ints[args[3].count == 1 ? 0 : 1];
    cr_tensor *wide = cr_constant_pad_nd(x, CR_INTS(pw, pw, ph, ph));
    wide = cr_reshape(wide, CR_INTS(n, c, (h + 2 * ph) * (w + 2 * pw)));
    cr_tensor *columns = cr_index_select(wide, 2, places);
    return cr_give(r, batched ? cr_reshape(columns, CR_INTS(n, c * kernel, count))
                              : cr_reshape(columns, CR_INTS(c * kernel, count)));
}

/* (N, C · kh · kw, L) to (N, C, H, W): what fell on a place is added up. */
COMPOSITE(col2im)
{
    (void)op;
    cr_tensor *x = T(0), *places;
    bool batched = x->dim == 3;
    int64_t kernel, count;
    cr_ints size = L(1);
    if ((!batched && x->dim != 2) || size.count != 2 || size.data[0] > INT32_MAX ||
        size.data[1] > INT32_MAX)
        return CR_FAIL_INT(
            "col2im: Expected 2D or 3D (batch mode) columns and an output size of two, but got %s",
            cr_describe(x));
    int64_t h = size.data[0], w = size.data[1], n = batched ? x->size[0] : 1,
            rows = x->size[x->dim - 2];
    if (!column_places(x, &args[2], h, w, &places, &kernel, &count))
        return -1;
    if (rows % kernel || x->size[x->dim - 1] != count)
        return CR_FAIL_INT(
            "col2im: columns %s don't fit a kernel of %lld elements and %lld windows",
            cr_sizes_text(x->dim, x->size), (long long)kernel, (long long)count);
    int64_t c = rows / kernel, ph = args[4].as.ints[0],
            pw = args[4].as.ints[args[4].count == 1 ? 0 : 1];
    int64_t wide_h = h + 2 * ph, wide_w = w + 2 * pw;
    cr_tensor *zero = cr_zeros(CR_INTS(n, c, wide_h * wide_w), .dtype = dtype_of(x),
                               .device = cr_tensor_device(x));
    cr_tensor *sum = cr_index_add(zero, 2, places, cr_reshape(x, CR_INTS(n, c, kernel * count)));
    sum = cr_narrow(cr_narrow(cr_reshape(sum, CR_INTS(n, c, wide_h, wide_w)), 2, ph, h), 3, pw, w);
    sum = cr_contiguous(sum);
    return cr_give(r, batched ? sum : cr_squeeze_dim(sum, 0));
}

/* ---- rearranging channels: Shi et al., 2016 ---- */

/* Tensors without elements have sizes for any factor: those that can be counted are taken. */
static bool factor_fits(const cr_tensor *x, int64_t f)
{
    int64_t end;
    for (int d = x->dim - 3; d < x->dim; d++)
        if (__builtin_mul_overflow(x->size[d], f, &end) || __builtin_mul_overflow(end, f, &end))
            return cr_fail("a factor of %lld makes more of %s than a tensor can hold", (long long)f,
                           cr_sizes_text(x->dim, x->size)),
                   false;
    return true;
}

COMPOSITE(pixel_shuffle)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t f = INT(1), n = 1;
    if (x->dim < 3 || f < 1 || x->size[x->dim - 3] % f || x->size[x->dim - 3] / f % f)
        return CR_FAIL_INT("pixel_shuffle expects at least 3 dimensions and channels divisible by "
                           "%lld squared, but got %s",
                           (long long)f, cr_sizes_text(x->dim, x->size));
    if (!factor_fits(x, f))
        return -1;
    int64_t c = x->size[x->dim - 3] / (f * f), h = x->size[x->dim - 2], w = x->size[x->dim - 1],
            sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim - 3; d++)
        n *= x->size[d];
    cr_tensor *y = cr_permute(cr_reshape(x, CR_INTS(n, c, f, f, h, w)), CR_INTS(0, 1, 4, 2, 5, 3));
    memcpy(sizes, x->size, sizeof x->size);
    sizes[x->dim - 3] = c;
    sizes[x->dim - 2] = h * f;
    sizes[x->dim - 1] = w * f;
    return cr_give(r, cr_reshape(y, cr_make_ints(sizes, x->dim)));
}

COMPOSITE(pixel_unshuffle)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t f = INT(1), n = 1;
    if (x->dim < 3 || f < 1 || x->size[x->dim - 1] % f || x->size[x->dim - 2] % f)
        return CR_FAIL_INT("pixel_unshuffle expects at least 3 dimensions and height and width "
                           "divisible by %lld, but got %s",
                           (long long)f, cr_sizes_text(x->dim, x->size));
    if (!factor_fits(x, f))
        return -1;
    int64_t c = x->size[x->dim - 3], h = x->size[x->dim - 2] / f, w = x->size[x->dim - 1] / f,
            sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim - 3; d++)
        n *= x->size[d];
    cr_tensor *y = cr_permute(cr_reshape(x, CR_INTS(n, c, h, f, w, f)), CR_INTS(0, 1, 3, 5, 2, 4));
    memcpy(sizes, x->size, sizeof x->size);
    sizes[x->dim - 3] = c * f * f;
    sizes[x->dim - 2] = h;
    sizes[x->dim - 1] = w;
    return cr_give(r, cr_reshape(y, cr_make_ints(sizes, x->dim)));
}

COMPOSITE(channel_shuffle)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t groups = INT(1);
    if (x->dim < 3 || groups < 1 || x->size[1] % groups)
        return CR_FAIL_INT("channel_shuffle expects at least 3 dimensions and channels divisible "
                           "by %lld groups, but got %s",
                           (long long)groups, cr_sizes_text(x->dim, x->size));
    int64_t each = x->size[1] / groups, area = 1;
    for (int d = 2; d < x->dim; d++)
        area *= x->size[d];
    cr_tensor *y = cr_reshape(x, CR_INTS(x->size[0], groups, each, area));
    return cr_give(r, cr_reshape(cr_transpose(y, 1, 2), sizes_of_tensor(x)));
}
