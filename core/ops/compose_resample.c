/* Resampling to other sizes, and along grids: neighbours chosen by index, with weights. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- resampling: one dimension after the other ---- */

/* Where place i of `out` lies in the input, as PyTorch counts: by centres, or from corner to corner. */
static cr_tensor *source(cr_tensor *x, int64_t size, int64_t out, bool align_corners, double scale)
{
    cr_dtype dtype = dtype_of(x) == CR_F64 ? CR_F64 : CR_F32;
    cr_tensor *i =
        cr_to_dtype(cr_arange(out, .dtype = CR_I64, .device = cr_tensor_device(x)), dtype);
    if (align_corners)
        return cr_mul_scalar(i, out > 1 ? (double)(size - 1) / (double)(out - 1) : 0.0);
    double step = scale > 0 ? 1 / scale : (double)size / (double)out;
    return cr_sub_scalar(cr_mul_scalar(cr_add_scalar(i, 0.5), step), 0.5);
}

static cr_tensor *shaped(cr_tensor *weight, cr_tensor *x, int dim)
{
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d == dim ? cr_tensor_numel(weight) : 1;
    return cr_reshape(weight, cr_make_ints(sizes, x->dim));
}

static cr_tensor *nearest(cr_tensor *x, int dim, int64_t out, bool exact, double scale)
{
    int64_t size = x->size[dim];
    cr_tensor *i =
        cr_to_dtype(cr_arange(out, .dtype = CR_I64, .device = cr_tensor_device(x)), CR_F32);
    double step = scale > 0 ? 1 / scale : (double)size / (double)out;
    cr_tensor *at = cr_floor(cr_mul_scalar(exact ? cr_add_scalar(i, 0.5) : i, step));
    return cr_index_select(x, dim, cr_clamp_max(cr_to_dtype(at, CR_I64), size - 1));
}

static cr_tensor *linear(cr_tensor *x, int dim, int64_t out, bool align_corners, double scale)
{
    int64_t size = x->size[dim];
    cr_tensor *at = source(x, size, out, align_corners, scale);
    at = align_corners ? at : cr_clamp_min(at, 0);
    cr_tensor *low = cr_clamp_max(cr_to_dtype(cr_floor(at), CR_I64), size - 1);
    cr_tensor *high = cr_clamp_max(cr_add_scalar(low, 1), size - 1);
    cr_tensor *weight =
        shaped(cr_clamp(cr_sub(at, cr_to_dtype(low, dtype_of(at))), .min = CR_S(0), .max = CR_S(1)),
               x, dim);
    cr_tensor *a = cr_index_select(x, dim, low), *b = cr_index_select(x, dim, high);
    return cr_add(cr_mul(a, cr_rsub_scalar(weight, 1)), cr_mul(b, weight));
}

/* Keys, 1981, with a = -0.75: the weight of a neighbour at distance t, 0 to 1 or 1 to 2. */
static cr_tensor *cubic_near(cr_tensor *t)
{
    const double a = -0.75;
    return cr_add_scalar(cr_mul(cr_mul(cr_sub_scalar(cr_mul_scalar(t, a + 2), a + 3), t), t), 1);
}
static cr_tensor *cubic_far(cr_tensor *t)
{
    const double a = -0.75;
    cr_tensor *s = cr_add_scalar(cr_mul(cr_sub_scalar(cr_mul_scalar(t, a), 5 * a), t), 8 * a);
    return cr_sub_scalar(cr_mul(s, t), 4 * a);
}

/* The four weights for places that lie t behind the second neighbour. */
static void cubic_weights(cr_tensor *t, cr_tensor *weight[4])
{
    weight[0] = cubic_far(cr_add_scalar(t, 1));
    weight[1] = cubic_near(t);
    weight[2] = cubic_near(cr_rsub_scalar(t, 1));
    weight[3] = cubic_far(cr_rsub_scalar(t, 2));
}

static cr_tensor *cubic(cr_tensor *x, int dim, int64_t out, bool align_corners, double scale)
{
    int64_t size = x->size[dim];
    cr_tensor *at = source(x, size, out, align_corners, scale), *low = cr_floor(at), *weight[4],
              *sum = NULL;
    cubic_weights(cr_sub(at, low), weight);
    for (int k = 0; k < 4; k++) {
        cr_tensor *place = cr_clamp(cr_add_scalar(cr_to_dtype(low, CR_I64), k - 1), .min = CR_S(0),
                                    .max = CR_S(size - 1));
        cr_tensor *term = cr_mul(cr_index_select(x, dim, place), shaped(weight[k], x, dim));
        sum = sum ? cr_add(sum, term) : term;
    }
    return sum;
}

typedef enum resampling { NEAREST, NEAREST_EXACT, LINEAR, CUBIC } resampling;

/* size: the output's, or empty and then from the factors. n dimensions behind batch and channels. */
static cr_tensor *resample(cr_tensor *x, int n, cr_ints size, const cr_value *factors,
                           bool align_corners, resampling how)
{
    int64_t out[CR_MAX_RANK];
    double scale[CR_MAX_RANK] = {0};
    bool by_factor = factors && factors->tag != CR_NONE && factors->count;
    if (x->dim != n + 2)
        return cr_fail(
            "expected an input of %d dimensions (batch, channels and %d to resample), got %s",
            n + 2, n, cr_describe(x));
    if ((int)size.count != n && (!by_factor || factors->count != n))
        return cr_fail("one size or factor for each of %d dimensions is needed", n);
    for (int i = 0; i < n; i++) {
        if (by_factor)
            scale[i] = factors->as.floats[i];
        out[i] =
            (int)size.count == n ? size.data[i] : (int64_t)floor((double)x->size[2 + i] * scale[i]);
        if (out[i] < 1 || x->size[2 + i] < 1)
            return cr_fail("Input and output sizes should be greater than 0, but got input %s and "
                           "output size %lld",
                           cr_sizes_text(x->dim, x->size), (long long)out[i]);
    }
    cr_dtype dtype = dtype_of(x);
    cr_tensor *y =
        how == NEAREST || how == NEAREST_EXACT || dtype == CR_F64 ? x : cr_to_dtype(x, CR_F32);
    for (int i = 0; i < n; i++) {
        if (how == NEAREST || how == NEAREST_EXACT)
            y = nearest(y, 2 + i, out[i], how == NEAREST_EXACT, scale[i]);
        else if (how == LINEAR)
            y = linear(y, 2 + i, out[i], align_corners, scale[i]);
        else
            y = cubic(y, 2 + i, out[i], align_corners, scale[i]);
    }
    return cr_to_dtype(y, dtype);
}

/* The .vec forms: output_size and scale_factors, either of which may be none. */
static cr_ints size_of(const cr_value *v)
{
    return v->tag == CR_NONE ? (cr_ints){0} : cr_value_ints(v);
}
#define NEAREST_UP(n)                                                    \
    COMPOSITE(upsample_nearest##n##d)                                    \
    GIVE(resample(T(0), n, size_of(&args[1]), &args[2], false, NEAREST)) \
    COMPOSITE(upsample_nearest_exact##n##d)                              \
    GIVE(resample(T(0), n, size_of(&args[1]), &args[2], false, NEAREST_EXACT))
NEAREST_UP(1)
NEAREST_UP(2)
NEAREST_UP(3)
COMPOSITE(upsample_linear1d)
GIVE(resample(T(0), 1, size_of(&args[1]), &args[3], INT(2), LINEAR))
COMPOSITE(upsample_bilinear2d)
GIVE(resample(T(0), 2, size_of(&args[1]), &args[3], INT(2), LINEAR))
COMPOSITE(upsample_trilinear3d)
GIVE(resample(T(0), 3, size_of(&args[1]), &args[3], INT(2), LINEAR))
COMPOSITE(upsample_bicubic2d)
GIVE(resample(T(0), 2, size_of(&args[1]), &args[3], INT(2), CUBIC))

/* ---- grid_sample: Jaderberg et al., 2015 ---- */

/* Normalised places -1 … 1 as places in pixels. */
static cr_tensor *unnormalise(cr_tensor *at, int64_t size, bool align_corners)
{
    at = cr_add_scalar(at, 1);
    return align_corners ? cr_mul_scalar(at, (double)(size - 1) / 2)
                         : cr_sub_scalar(cr_mul_scalar(at, (double)size / 2), 0.5);
}

/* Reflected about low and high, given doubled, then kept inside. */
static cr_tensor *reflect(cr_tensor *at, int64_t twice_low, int64_t twice_high)
{
    if (twice_low == twice_high)
        return cr_mul_scalar(at, 0);
    double low = (double)twice_low / 2, span = (double)(twice_high - twice_low) / 2;
    cr_tensor *away = cr_abs(cr_sub_scalar(at, low));
    cr_tensor *rest = cr_fmod_scalar(away, span), *turns = cr_floor(cr_div_scalar(away, span));
    cr_tensor *even = cr_eq_scalar(cr_remainder_scalar(turns, 2), 0);
    return cr_where(even, cr_add_scalar(rest, low), cr_add_scalar(cr_rsub_scalar(rest, span), low));
}

enum { ZEROS, BORDER, REFLECTION };

static cr_tensor *bring_inside(cr_tensor *at, int64_t size, int64_t padding, bool align_corners)
{
    if (padding == REFLECTION)
        at = align_corners ? reflect(at, 0, 2 * (size - 1)) : reflect(at, -1, 2 * size - 1);
    return padding == ZEROS ? at : cr_clamp(at, .min = CR_S(0), .max = CR_S((double)(size - 1)));
}

/* x [n, c, h, w] at whole places y, x [n, oh, ow]: [n, c, oh, ow], 0 outside. */
static cr_tensor *pixels(cr_tensor *x, cr_tensor *row, cr_tensor *column)
{
    int64_t n = x->size[0], c = x->size[1], h = x->size[2], w = x->size[3], oh = row->size[1],
            ow = row->size[2];
    cr_tensor *inside =
        cr_logical_and(cr_logical_and(cr_ge_scalar(row, 0), cr_lt_scalar(row, (double)h)),
                       cr_logical_and(cr_ge_scalar(column, 0), cr_lt_scalar(column, (double)w)));
    cr_tensor *i = cr_to_dtype(cr_clamp(row, .min = CR_S(0), .max = CR_S((double)(h - 1))), CR_I64);
    cr_tensor *j =
        cr_to_dtype(cr_clamp(column, .min = CR_S(0), .max = CR_S((double)(w - 1))), CR_I64);
    cr_tensor *at = cr_reshape(cr_add(cr_mul_scalar(i, w), j), CR_INTS(n, 1, oh * ow));
    cr_tensor *seen =
        cr_gather(cr_reshape(x, CR_INTS(n, c, h * w)), 2, cr_expand(at, CR_INTS(n, c, oh * ow)));
    seen = cr_reshape(seen, CR_INTS(n, c, oh, ow));
    return cr_where_scalar_other(cr_unsqueeze(inside, 1), seen, 0);
}

COMPOSITE(grid_sampler_2d)
{
    (void)op;
    cr_tensor *x = T(0), *grid = T(1);
    int64_t mode = INT(2), padding = INT(3);
    bool corners = INT(4);
    if (x->dim != 4 || grid->dim != 4 || grid->size[3] != 2 || grid->size[0] != x->size[0])
        return CR_FAIL_INT("grid_sampler(): expected input (N, C, H, W) and grid (N, H_out, W_out, "
                           "2), but got %s and %s",
                           cr_describe(x), cr_describe(grid));
    if (!x->size[2] || !x->size[3])
        return CR_FAIL_INT("grid_sampler(): expected input to have non-empty spatial dimensions, "
                           "but input has sizes %s",
                           cr_sizes_text(x->dim, x->size));
    int64_t h = x->size[2], w = x->size[3];
    cr_tensor *column = unnormalise(cr_select(grid, -1, 0), w, corners),
              *row = unnormalise(cr_select(grid, -1, 1), h, corners);
    if (mode != 2) {
        column = bring_inside(column, w, padding, corners);
        row = bring_inside(row, h, padding, corners);
    }
    if (mode == 1)
        return cr_give(r, pixels(x, cr_round(row), cr_round(column)));
    cr_tensor *left = cr_floor(column), *top = cr_floor(row), *sum = NULL;
    cr_tensor *fx = cr_unsqueeze(cr_sub(column, left), 1), *fy = cr_unsqueeze(cr_sub(row, top), 1);
    if (mode == 0) {
        for (int k = 0; k < 4; k++) {
            cr_tensor *weight =
                cr_mul(k & 1 ? fx : cr_rsub_scalar(fx, 1), k & 2 ? fy : cr_rsub_scalar(fy, 1));
            cr_tensor *seen = pixels(x, k & 2 ? cr_add_scalar(top, 1) : top,
                                     k & 1 ? cr_add_scalar(left, 1) : left);
            sum = sum ? cr_add(sum, cr_mul(seen, weight)) : cr_mul(seen, weight);
        }
        return cr_give(r, sum);
    }
    cr_tensor *across[4], *down[4];
    cubic_weights(fx, across);
    cubic_weights(fy, down);
    for (int k = 0; k < 16; k++) {
        cr_tensor *i = bring_inside(cr_add_scalar(top, k / 4 - 1), h, padding, corners);
        cr_tensor *j = bring_inside(cr_add_scalar(left, k % 4 - 1), w, padding, corners);
        cr_tensor *term = cr_mul(pixels(x, i, j), cr_mul(down[k / 4], across[k % 4]));
        sum = sum ? cr_add(sum, term) : term;
    }
    return cr_give(r, sum);
}

/* theta (N, 2, 3) to a grid (N, H, W, 2) for grid_sampler_2d. */
COMPOSITE(affine_grid_generator)
{
    (void)op;
    cr_tensor *theta = T(0);
    cr_ints size = L(1);
    if (size.count != 4 || theta->dim != 3 || theta->size[1] != 2 || theta->size[2] != 3)
        return CR_FAIL_INT("affine_grid: expected theta (N, 2, 3) and a size of 4 dimensions, got "
                           "%s and %zu dimensions",
                           cr_describe(theta), size.count);
    int64_t h = size.data[2], w = size.data[3];
    cr_tensor *axis[2];
    for (int k = 0; k < 2; k++) {
        int64_t n = k ? h : w;
        axis[k] =
            cr_linspace(-1, 1, n, .dtype = dtype_of(theta), .device = cr_tensor_device(theta));
        if (!INT(2))
            axis[k] = cr_mul_scalar(axis[k], (double)(n - 1) / (double)n);
        if (n == 1)
            axis[k] = cr_mul_scalar(axis[k], 0);
    }
    cr_tensor *x = cr_expand(cr_unsqueeze(axis[0], 0), CR_INTS(h, w)),
              *y = cr_expand(cr_unsqueeze(axis[1], 1), CR_INTS(h, w));
    cr_tensor *base =
        cr_reshape(cr_stack(CR_TENSORS(x, y, cr_ones_like(x)), .dim = -1), CR_INTS(1, h * w, 3));
    cr_tensor *grid = cr_matmul(base, cr_transpose(theta, 1, 2));
    return cr_give(r, cr_reshape(grid, CR_INTS(theta->size[0], h, w, 2)));
}
