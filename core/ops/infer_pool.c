/* Sizes of pools' results. Names that end in 1d, 2d and 3d share a function; the number of dimensions is read from the name. */
#include <string.h>

#include "core/ops/frame.h"
#include "core/ops/functions.h"

bool cr_frame_spread(cr_frame *f, int arg, int n, int64_t least, int64_t *into)
{
    const cr_value *v = &f->args[arg];
    const char *name = f->op->schema->args[arg].name;
    if (v->count != n && v->count != 1)
        return cr_frame_fail(f, "%s has %lld elements; expected 1 or %d", name, (long long)v->count,
                             n);
    for (int i = 0; i < n; i++) {
        into[i] = v->as.ints[v->count == 1 ? 0 : i];
        if (into[i] < least)
            return cr_frame_fail(f, "%s %s is not supported: at least %lld is expected", name,
                                 cr_sizes_text(n, into), (long long)least);
        if (into[i] > INT32_MAX)
            return cr_frame_fail(f, "%s %s is not supported: at most %d is expected", name,
                                 cr_sizes_text(v->count == 1 ? 1 : i + 1, into), INT32_MAX);
    }
    cr_frame_attr_ints(f, name, into, n);
    return true;
}

/* 3 of "max_pool3d_with_indices". */
static int dims_of(const cr_frame *f)
{
    return strstr(f->op->name, "3d") ? 3 : 2;
}

/* (C, …) or (N, C, …) with n dimensions to pool over, none of them empty from the first one named on. */
static bool is_pooled(cr_frame *f, const cr_tensor *x, int n, int first)
{
    bool fits = x->dim == n + 1 || x->dim == n + 2;
    for (int d = first; fits && d < x->dim; d++)
        fits = x->size[d] != 0;
    if (!fits)
        return cr_frame_fail(f,
                             "Expected %dD or %dD (batch mode) tensor with optional 0 dim batch "
                             "size for input, but got %s",
                             n + 1, n + 2, cr_sizes_text(x->dim, x->size));
    return true;
}

/* How many windows fit. */
static int64_t windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                       int64_t dilation, bool ceil_mode)
{
    int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1;
    int64_t out = room < 0 ? 0 : (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && out && (out - 1) * stride >= in + padding)
        out--; /* the last window must start inside of the input or its left padding */
    return out;
}

/* From x. kernel_size, stride and padding are arguments `at` and on; dilation the fourth of maximum pools. */
static bool pooled_sizes(cr_frame *f, const cr_tensor *x, int at, int n, bool dilated,
                         bool ceil_mode, int64_t *sizes)
{
    int64_t kernel[6], stride[6], padding[6], dilation[6] = {1, 1, 1};
    if (!is_pooled(f, x, n, x->dim - n - 1) || !cr_frame_spread(f, at, n, 1, kernel))
        return false;
    if (!f->args[at + 1].count) { /* stride defaults to the kernel */
        memcpy(stride, kernel, sizeof kernel);
        cr_frame_attr_ints(f, "stride", kernel, n);
    } else if (!cr_frame_spread(f, at + 1, n, 1, stride)) {
        return false;
    }
    if (!cr_frame_spread(f, at + 2, n, 0, padding) ||
        (dilated && !cr_frame_spread(f, at + 3, n, 1, dilation)))
        return false;
    memcpy(sizes, x->size, sizeof x->size);
    for (int i = 0; i < n; i++) {
        if (padding[i] > kernel[i] / 2)
            return cr_frame_fail(f,
                                 "pad should be at most half of effective kernel size, but got "
                                 "pad=%lld, kernel_size=%lld and "
                                 "dilation=%lld",
                                 (long long)padding[i], (long long)kernel[i],
                                 (long long)dilation[i]);
        int64_t *size = &sizes[x->dim - n + i];
        *size = windows(*size, kernel[i], stride[i], padding[i], dilation[i], ceil_mode);
        if (*size < 1)
            return cr_frame_fail(f,
                                 "Given input size: %s. Calculated output size is too small: "
                                 "dimension %d of the output would have "
                                 "size %lld",
                                 cr_sizes_text(n + 1, x->size + x->dim - n - 1), i,
                                 (long long)*size);
    }
    return true;
}

/* A maximum pool: values and where they lie. */
bool cr_infer_max_pool(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    int64_t sizes[CR_MAX_RANK];
    return pooled_sizes(f, x, 1, dims_of(f), true, f->args[5].as.i, sizes) &&
           cr_frame_out(f, 0, (cr_dtype)x->dtype, x->dim, sizes) &&
           cr_frame_out(f, 1, CR_I64, x->dim, sizes);
}

bool cr_infer_avg_pool(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    int64_t sizes[CR_MAX_RANK];
    if (!cr_dtype_is_floating((cr_dtype)x->dtype) && x->dtype != CR_I64)
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    if (f->args[6].tag != CR_NONE && !f->args[6].as.i)
        return cr_frame_fail(f, "divisor must be not zero");
    return pooled_sizes(f, x, 1, dims_of(f), false, f->args[4].as.i, sizes) &&
           cr_frame_out(f, 0, (cr_dtype)x->dtype, x->dim, sizes);
}

static bool adaptive_sizes(cr_frame *f, int n, int first, int64_t *sizes)
{
    const cr_tensor *x = f->in[0];
    int64_t out[6];
    if (!is_pooled(f, x, n, first < 0 ? 0 : first) || !cr_frame_spread(f, 1, n, 0, out))
        return false;
    memcpy(sizes, x->size, sizeof x->size);
    memcpy(sizes + x->dim - n, out, (size_t)n * sizeof *out);
    return true;
}

bool cr_infer_adaptive_max_pool(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    int64_t sizes[CR_MAX_RANK];
    return adaptive_sizes(f, dims_of(f), 1, sizes) &&
           cr_frame_out(f, 0, (cr_dtype)x->dtype, x->dim, sizes) &&
           cr_frame_out(f, 1, CR_I64, x->dim, sizes);
}

bool cr_infer_adaptive_avg_pool(cr_frame *f)
{
    const cr_tensor *x = f->in[0];
    int64_t sizes[CR_MAX_RANK];
    int n = dims_of(f);
    if (!cr_dtype_is_floating((cr_dtype)x->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    return adaptive_sizes(f, n, n == 3 ? 1 : x->dim - n, sizes) && /* as PyTorch's two do */
           cr_frame_out(f, 0, (cr_dtype)x->dtype, x->dim, sizes);
}

/* ---- backwards: grad_output and self, then as forward; maximum pools end with the indices ---- */

static bool is_of_output(cr_frame *f, int i, int rank, const int64_t *sizes)
{
    const cr_tensor *t = f->in[i];
    if (!cr_frame_has_sizes(f, i, rank, sizes))
        return false;
    if (!i && t->dtype != f->in[1]->dtype)
        return cr_frame_fail(f, "expected grad_output of the input's dtype %s, but got %s",
                             cr_dtype_name((cr_dtype)f->in[1]->dtype), cr_describe(t));
    if (i && t->dtype != CR_I64)
        return cr_frame_fail(f, "expected indices of dtype int64, but got %s", cr_describe(t));
    return true;
}
static bool pool_backward(cr_frame *f, bool maximum, const int64_t *sizes)
{
    const cr_tensor *x = f->in[1];
    return is_of_output(f, 0, x->dim, sizes) && (!maximum || is_of_output(f, 2, x->dim, sizes)) &&
           cr_frame_out_like(f, 0, x, (cr_dtype)x->dtype);
}
bool cr_infer_max_pool_backward(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    return pooled_sizes(f, f->in[1], 2, dims_of(f), true, f->args[6].as.i, sizes) &&
           pool_backward(f, true, sizes);
}
bool cr_infer_avg_pool_backward(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    if (f->args[7].tag != CR_NONE && !f->args[7].as.i)
        return cr_frame_fail(f, "divisor must be not zero");
    return pooled_sizes(f, f->in[1], 2, dims_of(f), false, f->args[5].as.i, sizes) &&
           pool_backward(f, false, sizes);
}
/* The output's sizes are the gradient's own. */
bool cr_infer_adaptive_pool_backward(cr_frame *f)
{
    const cr_tensor *g = f->in[0], *x = f->in[1];
    int n = dims_of(f);
    bool maximum = f->op->schema->nargs > 2;
    if (!is_pooled(f, x, n, x->dim - n))
        return false;
    if (g->dim != x->dim || memcmp(g->size, x->size, (size_t)(x->dim - n) * sizeof *g->size))
        return cr_frame_fail(f, "grad_output %s does not belong to the input %s", cr_describe(g),
                             cr_describe(x));
    for (int d = 1; n == 2 && d < g->dim; d++) /* PyTorch's, too, in two dimensions alone */
        if (!g->size[d])
            return cr_frame_fail(f,
                                 "Expected grad_output to have non-zero size for non-batch "
                                 "dimensions, but grad_output has sizes %s with dimension %d being "
                                 "empty",
                                 cr_sizes_text(g->dim, g->size), d);
    return pool_backward(f, maximum, g->size);
}

/* ---- resampling ---- */

/* (N, C, …) with one size for each dimension behind these. */
static bool resampled(cr_frame *f, const char *what, int64_t *sizes)
{
    const cr_tensor *x = f->in[0];
    const cr_value *size = &f->args[1];
    const char *mode = f->args[2].as.s;
    if (!cr_dtype_is_floating((cr_dtype)x->dtype))
        return cr_frame_fail(f, "not implemented for '%s'", cr_dtype_name((cr_dtype)x->dtype));
    if (strcmp(mode, "nearest") && strcmp(mode, "nearest-exact") && strcmp(mode, "linear"))
        return cr_frame_fail(f, "mode must be nearest, nearest-exact or linear, got %s", mode);
    if (x->dim < 3 || x->dim > 5 || size->count != x->dim - 2)
        return cr_frame_fail(f,
                             "%s %s does not fit a tensor of batch, channels and 1 to 3 more: %s",
                             what, cr_sizes_text((int)size->count, size->as.ints), cr_describe(x));
    for (int d = 0; d < x->dim; d++) {
        sizes[d] = d < 2 ? x->size[d] : size->as.ints[d - 2];
        if (d >= 2 && (sizes[d] < 1 || sizes[d] > INT32_MAX || x->size[d] < 1))
            return cr_frame_fail(f, "sizes must be greater than 0, got %s and %s %lld",
                                 cr_describe(x), what, (long long)sizes[d]);
    }
    return true;
}

bool cr_infer_resample(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    return resampled(f, "size", sizes) &&
           cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, f->in[0]->dim, sizes);
}

bool cr_infer_resample_backward(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    return resampled(f, "input_size", sizes) &&
           cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, f->in[0]->dim, sizes);
}
