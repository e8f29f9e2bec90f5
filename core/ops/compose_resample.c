/* Resampling to other sizes: neighbours chosen by index, with weights. */
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

void cr_cubic_weights(cr_tensor *t, cr_tensor *weight[4])
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
    cr_cubic_weights(cr_sub(at, low), weight);
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
    for (int i = 0; i < n && y; i++) {
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
