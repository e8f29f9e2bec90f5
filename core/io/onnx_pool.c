/* ONNX's pooling, and its inverse. */
#include <math.h>

#include "core/io/onnx_window.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define OUT(value) return onnx_out(run, 0, value)

static cr_tensor *max_pool(const onnx_window *w, cr_tensor *x, bool ceil, cr_tensor **at)
{
    cr_ints kernel = onnx_window_ints(w, w->kernel), stride = onnx_window_ints(w, w->stride),
            pads = onnx_window_ints(w, w->pads);
    cr_ints dilation = onnx_window_ints(w, w->dilation);
#define POOL(d_)                                                                          \
    if (w->n == d_) {                                                                     \
        cr_max_pool##d_##d_with_indices_result r =                                        \
            cr_max_pool##d_##d_with_indices(x, kernel, .stride = stride, .padding = pads, \
                                            .dilation = dilation, .ceil_mode = ceil);     \
        *at = r.output1;                                                                  \
        return r.output0;                                                                 \
    }
    POOL(1)
    POOL(2)
    POOL(3)
#undef POOL
    return NULL;
}

static cr_tensor *avg_pool(const onnx_window *w, cr_tensor *x, bool ceil, bool count_pad)
{
    cr_ints kernel = onnx_window_ints(w, w->kernel), stride = onnx_window_ints(w, w->stride),
            pads = onnx_window_ints(w, w->pads);
#define POOL(d_)                                                                  \
    if (w->n == d_)                                                               \
        return cr_f_avg_pool##d_##d(x, kernel, .stride = stride, .padding = pads, \
                                    .ceil_mode = ceil, .no_count_include_pad = !count_pad);
    POOL(1)
    POOL(2)
    POOL(3)
#undef POOL
    return NULL;
}

/* Whether the operations take the padding: the same on both sides, and at most half of the kernel. */
static bool fits(const onnx_window *w)
{
    bool good = w->symmetric;
    for (size_t i = 0; i < w->n; i++)
        good &= w->pads[i] <= w->kernel[i] / 2;
    return good;
}

static bool op_max_pool(onnx_run *run)
{
    cr_tensor *x = X, *at = NULL;
    onnx_window w;
    if (!x || !onnx_read_window(run, x, NULL, &w))
        return false;
    bool padded = !fits(&w), wanted = run->node->noutputs > 1;
    bool by_columns = onnx_int(run, "storage_order", 0);
    if (wanted && (padded || (by_columns && w.n != 2)))
        return onnx_fail(run, "indices of such a window are not supported");
    cr_dtype dtype = cr_tensor_dtype(x);
    if (!cr_is_floating_point(x))
        x = cr_to_dtype(x, CR_F32); /* exact for 8 bits, the integers that ONNX has here */
    if (padded)
        x = onnx_pad_window(&w, x, -INFINITY);
    cr_tensor *y = max_pool(&w, x, onnx_int(run, "ceil_mode", 0), &at);
    if (wanted && at) {
        /* ONNX counts over the whole tensor, not over each plane */
        int64_t plane = 1, planes = cr_tensor_size(x, 0) * cr_tensor_size(x, 1);
        int64_t sizes[CR_MAX_RANK] = {cr_tensor_size(x, 0), cr_tensor_size(x, 1), 1, 1, 1};
        for (int i = 2; i < cr_tensor_dim(x); i++)
            plane *= cr_tensor_size(x, i);
        if (by_columns) {
            int64_t width = cr_tensor_size(x, 3);
            cr_tensor *row = cr_div_scalar_mode(at, width, "floor");
            at = cr_add(cr_mul_scalar(cr_remainder_scalar(at, width), cr_tensor_size(x, 2)), row);
        }
        cr_tensor *base =
            cr_mul_scalar(cr_arange(planes, .dtype = CR_I64, .device = cr_tensor_device(x)), plane);
        onnx_out(run, 1, cr_add(at, cr_reshape(base, cr_make_ints(sizes, w.n + 2))));
    }
    OUT(cr_to_dtype(y, dtype));
}

/* Puts each element where its index says, in a tensor of zeros that is as large as pooling would have had it. */
static bool op_max_unpool(onnx_run *run)
{
    cr_tensor *x = X, *at = Y;
    onnx_window w;
    int64_t sizes[CR_MAX_RANK], asked[ONNX_INTS], behind[2 * ONNX_SPACE] = {0}, total = 1;
    if (!x || !at || !onnx_read_window(run, x, NULL, &w))
        return false;
    int count = onnx_ints(run, 2, NULL, asked), rank = cr_tensor_dim(x);
    if (count < -1 || (count >= 0 && count != rank))
        return count < -1 ? false : onnx_fail(run, "output_shape has %d numbers", count);
    bool larger = false;
    for (int i = 0; i < rank; i++) {
        int64_t size = cr_tensor_size(x, i), k = i - 2;
        if (k >= 0)
            size = (size - 1) * w.stride[k] + w.kernel[k] - w.pads[k] - w.pads[(int64_t)w.n + k];
        sizes[i] = size;
        if (size < 0 || (size && total > ((int64_t)1 << 40) / size) ||
            (count >= 0 && (asked[i] < size || asked[i] > (int64_t)1 << 40)) ||
            (count >= 0 && k < 0 && asked[i] != size))
            return onnx_fail(run, "dimension %d of its output is out of range", i);
        total *= size;
        if (count >= 0 && k >= 0) {
            behind[2 * ((int64_t)w.n - 1 - k) + 1] = asked[i] - size;
            larger |= asked[i] > size;
        }
    }
    cr_tensor *y =
        cr_zeros(CR_INTS(total), .dtype = cr_tensor_dtype(x), .device = cr_tensor_device(x));
    y = cr_scatter(y, 0, cr_reshape(cr_tensor_to(at, cr_tensor_device(x)), CR_INTS(-1)),
                   cr_reshape(x, CR_INTS(-1)));
    y = cr_reshape(y, cr_make_ints(sizes, (size_t)rank));
    OUT(larger ? cr_constant_pad_nd(y, cr_make_ints(behind, 2 * w.n)) : y);
}

static bool op_average_pool(onnx_run *run)
{
    cr_tensor *x = X;
    onnx_window w;
    if (!x || !onnx_read_window(run, x, NULL, &w))
        return false;
    bool ceil = onnx_int(run, "ceil_mode", 0), count = onnx_int(run, "count_include_pad", 0);
    if (fits(&w))
        OUT(avg_pool(&w, x, ceil, count));
    /* the mean over what isn't padding: the mean with zeros over the mean of ones */
    onnx_window again = w;
    cr_tensor *sum = avg_pool(&w, onnx_pad_window(&w, x, 0), ceil, true);
    if (count)
        OUT(sum);
    cr_tensor *ones = onnx_pad_window(&again, cr_ones_like(x), 0);
    OUT(cr_div(sum, avg_pool(&again, ones, ceil, true)));
}

/* All dimensions behind the second. */
static cr_ints space_of(const cr_tensor *x, int64_t *dims)
{
    int rank = cr_tensor_dim(x);
    for (int i = 2; i < rank; i++)
        dims[i - 2] = i;
    return cr_make_ints(dims, rank > 2 ? (size_t)rank - 2 : 0);
}

static bool op_global_average_pool(onnx_run *run)
{
    int64_t dims[CR_MAX_RANK];
    OUT(cr_tensor_dim(X) > 2 ? cr_mean_dim(X, space_of(X, dims), .keepdim = true) : cr_alias(X));
}

static bool op_global_max_pool(onnx_run *run)
{
    int64_t dims[CR_MAX_RANK];
    OUT(cr_tensor_dim(X) > 2 ? cr_amax(X, .dim = space_of(X, dims), .keepdim = true) : cr_alias(X));
}

const onnx_entry onnx_pool_operators[] = {
    {"AveragePool", op_average_pool},      {"GlobalAveragePool", op_global_average_pool},
    {"GlobalMaxPool", op_global_max_pool}, {"MaxPool", op_max_pool},
    {"MaxUnpool", op_max_unpool},          {NULL, NULL}};
