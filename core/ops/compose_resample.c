/* Resampling to other sizes: neighbours chosen by index, with weights. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- resampling: one dimension after the other ---- */

/* 0, 1, … n - 1 on x's device, as floats. */
static cr_tensor *counting(cr_tensor *x, int64_t n)
{
    return cr_to_dtype(cr_arange(n, .dtype = CR_I64, .device = cr_tensor_device(x)),
                       dtype_of(x) == CR_F64 ? CR_F64 : CR_F32);
}

/* How far one element of `out` is from the next in the input: from corner to corner, or by the factor, or by the sizes. */
static double step_of(int64_t size, int64_t out, bool align_corners, double scale)
{
    if (align_corners)
        return out > 1 ? (double)(size - 1) / (double)(out - 1) : 0.0;
    return scale > 0 ? 1 / scale : (double)size / (double)out;
}

/* Where place i of `out` lies in the input, as PyTorch counts: by centres, or from corner to corner. */
static cr_tensor *source(cr_tensor *x, int64_t size, int64_t out, bool align_corners, double scale)
{
    double step = step_of(size, out, align_corners, scale);
    cr_tensor *i = counting(x, out);
    if (align_corners)
        return cr_mul_scalar(i, step);
    return cr_sub_scalar(cr_mul_scalar(cr_add_scalar(i, 0.5), step), 0.5);
}

static cr_tensor *shaped(cr_tensor *weight, cr_tensor *x, int dim)
{
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d == dim ? cr_tensor_numel(weight) : 1;
    return cr_reshape(weight, cr_make_ints(sizes, x->dim));
}

/* The neighbour of each of `out` places. */
static cr_tensor *nearest_of(cr_tensor *x, int64_t size, int64_t out, bool exact, double scale)
{
    cr_tensor *i =
        cr_to_dtype(cr_arange(out, .dtype = CR_I64, .device = cr_tensor_device(x)), CR_F32);
    double step = scale > 0 ? 1 / scale : (double)size / (double)out;
    cr_tensor *at = cr_floor(cr_mul_scalar(exact ? cr_add_scalar(i, 0.5) : i, step));
    return cr_clamp_max(cr_to_dtype(at, CR_I64), size - 1);
}

static cr_tensor *nearest(cr_tensor *x, int dim, int64_t out, bool exact, double scale)
{
    return cr_index_select(x, dim, nearest_of(x, x->size[dim], out, exact, scale));
}

/* The two neighbours of each of `out` places, and the weight of the second, shaped for dimension dim. */
typedef struct pair {
    cr_tensor *low, *high, *weight;
} pair;

static pair pair_of(cr_tensor *x, int dim, int64_t size, int64_t out, bool align_corners,
                    double scale)
{
    cr_tensor *at = source(x, size, out, align_corners, scale);
    at = align_corners ? at : cr_clamp_min(at, 0);
    pair p = {.low = cr_clamp_max(cr_to_dtype(cr_floor(at), CR_I64), size - 1)};
    p.high = cr_clamp_max(cr_add_scalar(p.low, 1), size - 1);
    p.weight = shaped(
        cr_clamp(cr_sub(at, cr_to_dtype(p.low, dtype_of(at))), .min = CR_S(0), .max = CR_S(1)), x,
        dim);
    return p;
}

static cr_tensor *linear(cr_tensor *x, int dim, int64_t out, bool align_corners, double scale)
{
    pair p = pair_of(x, dim, x->size[dim], out, align_corners, scale);
    cr_tensor *a = cr_index_select(x, dim, p.low), *b = cr_index_select(x, dim, p.high);
    return cr_add(cr_mul(a, cr_rsub_scalar(p.weight, 1)), cr_mul(b, p.weight));
}

/* ---- the kernels' decompositions ---- */

DECOMPOSE(resample)
{
    (void)op;
    cr_tensor *x = T(0), *y = fine(x);
    cr_ints size = L(1);
    const char *mode = args[2].as.s;
    for (int i = 0; i < (int)size.count && y; i++)
        y = !strcmp(mode, "linear")
                ? linear(y, 2 + i, size.data[i], false, 0)
                : nearest(y, 2 + i, size.data[i], !strcmp(mode, "nearest-exact"), 0);
    return cr_give(r, coarse(y, x));
}

/* What each place of the output took, given back to where it came from, the last dimension first. */
DECOMPOSE(resample_backward)
{
    (void)op;
    cr_tensor *grad = T(0), *g = fine(grad);
    cr_ints size = L(1);
    const char *mode = args[2].as.s;
    for (int i = (int)size.count - 1; i >= 0 && g; i--) {
        int dim = 2 + i;
        int64_t sizes[CR_MAX_RANK], out = g->size[dim];
        memcpy(sizes, g->size, (size_t)g->dim * sizeof *sizes);
        sizes[dim] = size.data[i];
        cr_tensor *sum = cr_zeros(cr_make_ints(sizes, (size_t)g->dim), .dtype = dtype_of(g),
                                  .device = cr_tensor_device(g));
        if (strcmp(mode, "linear")) {
            bool exact = !strcmp(mode, "nearest-exact");
            g = cr_index_add(sum, dim, nearest_of(g, size.data[i], out, exact, 0), g);
            continue;
        }
        pair p = pair_of(g, dim, size.data[i], out, false, 0);
        sum = cr_index_add(sum, dim, p.low, cr_mul(g, cr_rsub_scalar(p.weight, 1)));
        g = cr_index_add(sum, dim, p.high, cr_mul(g, p.weight));
    }
    return cr_give(r, coarse(g, grad));
}

/* Keys, 1981: the weight of a neighbour at distance t, 0 to 1 or 1 to 2. */
static cr_tensor *cubic_near(cr_tensor *t, double a)
{
    return cr_add_scalar(cr_mul(cr_mul(cr_sub_scalar(cr_mul_scalar(t, a + 2), a + 3), t), t), 1);
}
static cr_tensor *cubic_far(cr_tensor *t, double a)
{
    cr_tensor *s = cr_add_scalar(cr_mul(cr_sub_scalar(cr_mul_scalar(t, a), 5 * a), t), 8 * a);
    return cr_sub_scalar(cr_mul(s, t), 4 * a);
}

void cr_cubic_weights(cr_tensor *t, cr_tensor *weight[4])
{
    const double a = -0.75;
    weight[0] = cubic_far(cr_add_scalar(t, 1), a);
    weight[1] = cubic_near(t, a);
    weight[2] = cubic_near(cr_rsub_scalar(t, 1), a);
    weight[3] = cubic_far(cr_rsub_scalar(t, 2), a);
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

/* The filters of antialiasing, by distance: a triangle, and Keys' cubic with a = -0.5. */
static cr_tensor *triangle_filter(cr_tensor *t)
{
    return cr_clamp_min(cr_rsub_scalar(cr_abs(t), 1), 0);
}
static cr_tensor *cubic_filter(cr_tensor *t)
{
    t = cr_abs(t);
    cr_tensor *far = cr_where(cr_lt_scalar(t, 2), cubic_far(t, -0.5), cr_zeros_like(t));
    return cr_where(cr_lt_scalar(t, 1), cubic_near(t, -0.5), far);
}

/* Where the input is larger, the filter is stretched over all of it that falls to an output element; its weights sum to 1. */
static cr_tensor *antialiased(cr_tensor *x, int dim, int64_t out, bool align_corners, double scale,
                              bool is_cubic)
{
    int64_t size = x->size[dim];
    cr_dtype dtype = dtype_of(x);
    double step = step_of(size, out, align_corners, scale), stretch = step > 1 ? step : 1;
    double support = (is_cubic ? 2 : 1) * stretch;
    int64_t taps = 2 * (int64_t)ceil(support) + 1;
    cr_tensor *center = cr_mul_scalar(cr_add_scalar(counting(x, out), 0.5), step);
    cr_tensor *first = cr_clamp_min(cr_floor(cr_add_scalar(center, 0.5 - support)), 0);
    cr_tensor *last = cr_clamp_max(cr_floor(cr_add_scalar(center, 0.5 + support)), size);
    cr_tensor *k = cr_unsqueeze(counting(x, taps), 1), *at = cr_add(first, k);
    cr_tensor *inside = cr_lt(at, last);
    cr_tensor *distance = cr_mul_scalar(cr_add_scalar(cr_sub(at, center), 0.5), 1 / stretch);
    cr_tensor *weight = cr_mul(is_cubic ? cubic_filter(distance) : triangle_filter(distance),
                               cr_to_dtype(inside, dtype));
    weight = cr_div(weight, cr_sum_dim(weight, 0, .keepdim = true));
    /* Taps that are not inside take the first one again, and a share of its weight: so infinities and NaNs reach no further. */
    cr_tensor *shares = cr_rsub_scalar(cr_sub(last, first), (double)taps + 1);
    cr_tensor *own = cr_logical_and(inside, cr_gt_scalar(k, 0));
    weight = cr_where(own, weight, cr_div(cr_narrow(weight, 0, 0, 1), shares));
    at = cr_to_dtype(cr_where(own, at, first), CR_I64);
    cr_tensor *sum = NULL;
    for (int64_t i = 0; i < taps && weight && at; i++) {
        cr_tensor *value = cr_index_select(x, dim, cr_select(at, 0, i));
        cr_tensor *w = shaped(cr_select(weight, 0, i), x, dim);
        sum = i ? cr_addcmul(sum, value, w) : cr_mul(value, w);
    }
    return sum;
}

typedef enum resampling {
    NEAREST,
    NEAREST_EXACT,
    LINEAR,
    CUBIC,
    ANTIALIASED_LINEAR,
    ANTIALIASED_CUBIC
} resampling;

/* Whether _resample says the same: scales that are the sizes' own, and no corners. */
static bool is_kernel(cr_tensor *x, int n, const int64_t *out, const double *scale,
                      bool align_corners, resampling how)
{
    bool same = is_float(x) && !align_corners && how <= LINEAR;
    for (int i = 0; i < n; i++)
        same = same && (scale[i] <= 0 || 1 / scale[i] == (double)x->size[2 + i] / (double)out[i]);
    return same;
}

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
    if (x->size[1] < 1)
        return cr_fail("Non-empty %dD data tensor expected but got a tensor with sizes %s", n + 2,
                       cr_sizes_text(x->dim, x->size));
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
    static const char *const modes[] = {"nearest", "nearest-exact", "linear"};
    if (is_kernel(x, n, out, scale, align_corners, how))
        return cr_resample(x, cr_make_ints(out, (size_t)n), modes[how]);
    cr_dtype dtype = dtype_of(x);
    cr_tensor *y =
        how == NEAREST || how == NEAREST_EXACT || dtype == CR_F64 ? x : cr_to_dtype(x, CR_F32);
    for (int i = 0; i < n && y; i++) {
        if (how == NEAREST || how == NEAREST_EXACT)
            y = nearest(y, 2 + i, out[i], how == NEAREST_EXACT, scale[i]);
        else if (how == LINEAR)
            y = linear(y, 2 + i, out[i], align_corners, scale[i]);
        else if (how == CUBIC)
            y = cubic(y, 2 + i, out[i], align_corners, scale[i]);
        else
            y = antialiased(y, 2 + i, out[i], align_corners, scale[i], how == ANTIALIASED_CUBIC);
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
COMPOSITE(upsample_bilinear2d_aa)
GIVE(resample(T(0), 2, size_of(&args[1]), &args[3], INT(2), ANTIALIASED_LINEAR))
COMPOSITE(upsample_bicubic2d_aa)
GIVE(resample(T(0), 2, size_of(&args[1]), &args[3], INT(2), ANTIALIASED_CUBIC))
