/* Resize: each axis that changes is gathered (nearest) or multiplied by a matrix of weights (linear, cubic). So every way of
 * counting coordinates is a few lines, whatever the number of dimensions. */
#include "core/io/onnx_resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct resize {
    const char *mode, *coordinates, *nearest;
    double cubic, scale, begin, end; /* begin and end: the part to crop, for tf_crop_and_resize */
    bool exclude_outside;
    int64_t in, out;
} resize;

/* Where an output element lies in the input. */
static double coordinate(const resize *r, int64_t i)
{
    double x = (double)i, in = (double)r->in, out = (double)r->out;
    if (!strcmp(r->coordinates, "asymmetric"))
        return x / r->scale;
    if (!strcmp(r->coordinates, "align_corners"))
        return r->out == 1 ? 0 : x * (in - 1) / (in * r->scale - 1); /* by the size not rounded */
    if (!strcmp(r->coordinates, "pytorch_half_pixel"))
        return r->out > 1 ? (x + 0.5) / r->scale - 0.5 : 0;
    if (!strcmp(r->coordinates, "tf_half_pixel_for_nn"))
        return (x + 0.5) / r->scale;
    if (!strcmp(r->coordinates, "tf_crop_and_resize"))
        return r->out > 1 ? r->begin * (in - 1) + x * (r->end - r->begin) * (in - 1) / (out - 1)
                          : 0.5 * (r->begin + r->end) * (in - 1);
    return (x + 0.5) / r->scale - 0.5;
}

static int64_t clamp(double at, int64_t size)
{
    return !(at > 0) ? 0 : at > (double)(size - 1) ? size - 1 : (int64_t)at;
}

static int64_t nearest(const resize *r, double at)
{
    if (!strcmp(r->nearest, "floor"))
        at = floor(at);
    else if (!strcmp(r->nearest, "ceil"))
        at = ceil(at);
    else if (!strcmp(r->nearest, "round_prefer_ceil"))
        at = floor(at + 0.5);
    else
        at = ceil(at - 0.5);
    return clamp(at, r->in);
}

static double cubic(double a, double distance)
{
    double d = fabs(distance);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* One row of the matrix. */
static void weigh(const resize *r, double at, float *row)
{
    bool is_cubic = !strcmp(r->mode, "cubic");
    double first = floor(at), sum = 0, weights[4];
    int count = is_cubic ? 4 : 2;
    int64_t from = (int64_t)first - (is_cubic ? 1 : 0);
    for (int k = 0; k < count; k++) {
        double distance = at - (double)(from + k);
        weights[k] = is_cubic ? cubic(r->cubic, distance) : 1 - fabs(distance);
        if (r->exclude_outside && (from + k < 0 || from + k >= r->in))
            weights[k] = 0;
        sum += weights[k];
    }
    for (int k = 0; k < count; k++)
        row[clamp((double)(from + k), r->in)] +=
            (float)(weights[k] / (r->exclude_outside ? sum : 1));
}

static cr_tensor *gather_axis(const resize *r, cr_tensor *x, int axis)
{
    cr_tensor *index = cr_empty(CR_INTS(r->out), .dtype = CR_I64, .device = "cpu");
    int64_t *at = cr_data_ptr(index);
    for (int64_t i = 0; at && i < r->out; i++)
        at[i] = nearest(r, coordinate(r, i));
    return cr_index_select(x, axis, cr_tensor_to(index, cr_tensor_device(x)));
}

static cr_tensor *multiply_axis(const resize *r, cr_tensor *x, int axis)
{
    if (r->out && r->in > ((int64_t)1 << 28) / r->out)
        return cr_fail("ONNX's Resize from %lld to %lld is too large", (long long)r->in,
                       (long long)r->out);
    cr_tensor *matrix = cr_zeros(CR_INTS(r->out, r->in), .dtype = CR_F32, .device = "cpu");
    float *row = cr_data_ptr(matrix);
    for (int64_t i = 0; row && i < r->out; i++)
        weigh(r, coordinate(r, i), row + i * r->in);
    matrix = cr_to_dtype(cr_tensor_to(matrix, cr_tensor_device(x)), cr_tensor_dtype(x));
    return cr_transpose(cr_matmul(cr_transpose(x, axis, -1), cr_t(matrix)), axis, -1);
}

/* tf_crop_and_resize: what lies outside of the input has a value of its own. */
static cr_tensor *extrapolate(const resize *r, cr_tensor *y, int axis, double value)
{
    int64_t sizes[CR_MAX_RANK];
    for (int i = 0; i < cr_tensor_dim(y); i++)
        sizes[i] = i == axis ? r->out : 1;
    cr_tensor *outside = cr_zeros(CR_INTS(r->out), .dtype = CR_B8, .device = "cpu");
    unsigned char *at = cr_data_ptr(outside);
    for (int64_t i = 0; at && i < r->out; i++)
        at[i] = coordinate(r, i) < 0 || coordinate(r, i) > (double)(r->in - 1);
    outside = cr_reshape(cr_tensor_to(outside, cr_tensor_device(y)),
                         cr_make_ints(sizes, (size_t)cr_tensor_dim(y)));
    return cr_masked_fill_scalar(y, outside, CR_S(value));
}

static bool numbers(const onnx_run *run, cr_tensor *t, const onnx_attribute *a, int rank,
                    double *list)
{
    int64_t count = t ? cr_tensor_numel(t) : a ? (int64_t)a->nfloats : 0;
    if (count != rank)
        return onnx_fail(run, "%lld scales or sizes for %d dimensions", (long long)count, rank);
    t = t ? cr_to_dtype(t, CR_F64) : NULL;
    for (int i = 0; i < rank && !t && a; i++)
        list[i] = (double)a->floats[i];
    return t ? !cr_tensor_read(t, list, (size_t)rank * sizeof *list) : a != NULL;
}

bool onnx_resize(onnx_run *run)
{
    cr_tensor *x = onnx_in(run, 0), *roi = NULL, *scales, *sizes = NULL;
    bool upsample = !strcmp(run->node->type, "Upsample") || run->node->ninputs == 2;
    scales = onnx_in(run, upsample ? 1 : 2);
    if (!upsample) {
        roi = onnx_in(run, 1);
        sizes = onnx_in(run, 3);
    }
    if (!x)
        return false;
    int rank = cr_tensor_dim(x);
    double list[CR_MAX_RANK], part[2 * CR_MAX_RANK] = {0};
    bool by_size = sizes && cr_tensor_numel(sizes);
    resize r = {.mode = onnx_text(run, "mode", "nearest"),
                .coordinates = onnx_text(run, "coordinate_transformation_mode",
                                         upsample ? "asymmetric" : "half_pixel"),
                .nearest =
                    onnx_text(run, "nearest_mode", upsample ? "floor" : "round_prefer_floor"),
                .cubic = onnx_float(run, "cubic_coeff_a", -0.75),
                .exclude_outside = onnx_int(run, "exclude_outside", 0)};
    bool crop = !strcmp(r.coordinates, "tf_crop_and_resize");
    if (!numbers(run, by_size ? sizes : scales, onnx_find(run, "scales"), rank, list) ||
        (crop && !numbers(run, roi, NULL, 2 * rank, part)))
        return false;
    for (int i = 0; i < rank && x; i++) {
        r.in = cr_tensor_size(x, i);
        double out = by_size ? list[i] : floor((double)r.in * list[i]);
        if (!(out >= 0 && out < 1e9) || (!r.in && out > 0))
            return onnx_fail(run, "dimension %d can't become %g", i, out);
        r.out = (int64_t)out;
        r.scale = by_size ? (r.in ? out / (double)r.in : 1) : list[i];
        r.begin = part[i];
        r.end = part[rank + i];
        bool whole = !crop || (r.begin == 0 && r.end == 1);
        if (r.out == r.in && r.scale == 1 && whole)
            continue;
        x = !strcmp(r.mode, "nearest") ? gather_axis(&r, x, i) : multiply_axis(&r, x, i);
        if (crop && x)
            x = extrapolate(&r, x, i, onnx_float(run, "extrapolation_value", 0));
    }
    return onnx_out(run, 0, x ? cr_contiguous(x) : NULL);
}
