/* Pools said with other operations: windows are a strided look at the padded planes. */
#include <math.h>

#include "core/ops/compose.h"

enum { MOST_DIMS = 3 };

/* The windows of a pool over the last n dimensions. */
typedef struct pool {
    int n;
    int64_t in[MOST_DIMS], out[MOST_DIMS], k[MOST_DIMS], stride[MOST_DIMS], padding[MOST_DIMS],
        dilation[MOST_DIMS];
    int64_t wide[MOST_DIMS]; /* the padded sizes, with what the windows reach beyond */
    int64_t planes, window;  /* how many planes; elements of a window */
} pool;

static int64_t pick(const cr_value *v, int i)
{
    return v->as.ints[v->count == 1 ? 0 : i];
}

/* From arguments kernel_size, stride, padding and, unless null, dilation. */
static pool pool_of(cr_tensor *x, int n, const cr_value *kernel, const cr_value *dilation,
                    bool ceil_mode)
{
    pool p = {.n = n, .planes = 1, .window = 1};
    for (int d = 0; d < x->dim - n; d++)
        p.planes *= x->size[d];
    for (int i = 0; i < n; i++) {
        p.in[i] = x->size[x->dim - n + i];
        p.k[i] = pick(kernel, i);
        p.stride[i] = kernel[1].count ? pick(&kernel[1], i) : p.k[i];
        p.padding[i] = pick(&kernel[2], i);
        p.dilation[i] = dilation ? pick(dilation, i) : 1;
        int64_t room = p.in[i] + 2 * p.padding[i] - p.dilation[i] * (p.k[i] - 1) - 1;
        p.out[i] = (room + (ceil_mode ? p.stride[i] - 1 : 0)) / p.stride[i] + 1;
        if (ceil_mode && (p.out[i] - 1) * p.stride[i] >= p.in[i] + p.padding[i])
            p.out[i]--;
        p.wide[i] = (p.out[i] - 1) * p.stride[i] + p.dilation[i] * (p.k[i] - 1) + 1;
        if (p.wide[i] < p.in[i] + p.padding[i])
            p.wide[i] = p.in[i] + p.padding[i];
        p.window *= p.k[i];
    }
    return p;
}

/* planes [m, in…] padded with value, as their windows [m, out…, window]. */
static cr_tensor *windows(const pool *p, cr_tensor *planes, cr_scalar value)
{
    int64_t pad[2 * MOST_DIMS], sizes[1 + 2 * MOST_DIMS], strides[1 + 2 * MOST_DIMS], step = 1;
    for (int i = 0; i < p->n; i++) {
        int at = 2 * (p->n - 1 - i); /* the last dimension first */
        pad[at] = p->padding[i];
        pad[at + 1] = p->wide[i] - p->in[i] - p->padding[i];
    }
    cr_tensor *wide = cr_contiguous(
        cr_constant_pad_nd(planes, cr_make_ints(pad, 2 * (size_t)p->n), .value = value));
    if (!wide)
        return NULL;
    for (int i = p->n - 1; i >= 0; i--) {
        sizes[1 + i] = p->out[i];
        strides[1 + i] = p->stride[i] * step;
        sizes[1 + p->n + i] = p->k[i];
        strides[1 + p->n + i] = p->dilation[i] * step;
        step *= p->wide[i];
    }
    sizes[0] = wide->size[0];
    strides[0] = step;
    size_t rank = 1 + 2 * (size_t)p->n;
    cr_tensor *view = cr_as_strided(wide, cr_make_ints(sizes, rank), cr_make_ints(strides, rank),
                                    .storage_offset = CR_SOME(wide->offset));
    sizes[1 + p->n] = p->window;
    return cr_reshape(view, cr_make_ints(sizes, 2 + (size_t)p->n));
}

static cr_tensor *planes_of(const pool *p, cr_tensor *x)
{
    int64_t sizes[1 + MOST_DIMS] = {p->planes};
    memcpy(sizes + 1, p->in, sizeof p->in);
    return cr_reshape(x, cr_make_ints(sizes, 1 + (size_t)p->n));
}

/* Where each window's elements lie in their plane, [1, out…, window]; outside of it `beyond`. */
static cr_tensor *places(const pool *p, cr_tensor *x, int64_t beyond)
{
    int64_t sizes[1 + MOST_DIMS] = {1}, count = 1;
    for (int i = 0; i < p->n; i++)
        count *= sizes[1 + i] = p->in[i];
    cr_tensor *number = cr_arange(count, .dtype = CR_I64, .device = cr_tensor_device(x));
    return windows(p, cr_reshape(number, cr_make_ints(sizes, 1 + (size_t)p->n)), CR_S(beyond));
}

/* The sizes of x with the last n replaced by the pool's outputs. */
static cr_ints out_sizes(const pool *p, cr_tensor *x, int64_t *to)
{
    memcpy(to, x->size, sizeof x->size);
    memcpy(to + x->dim - p->n, p->out, (size_t)p->n * sizeof *to);
    return cr_make_ints(to, x->dim);
}

/* ---- maximum ---- */

static int max_pool(cr_results *r, const cr_value *args, int n)
{
    cr_tensor *x = T(0);
    pool p = pool_of(x, n, &args[1], &args[4], INT(5));
    int64_t sizes[CR_MAX_RANK];
    cr_tensor *seen =
        windows(&p, planes_of(&p, x), is_float(x) ? CR_S(-INFINITY) : CR_S(INT64_MIN));
    cr_max_dim_result best = cr_max_dim(seen, -1, .keepdim = true);
    cr_tensor *where =
        cr_squeeze_dim(cr_gather(cr_expand_as(places(&p, x, -1), seen), -1, best.indices), -1);
    cr_ints to = out_sizes(&p, x, sizes);
    return cr_give_two(r, cr_reshape(best.values, to), cr_reshape(where, to));
}

/* Each output's gradient is added at its index in the plane, of n dimensions. */
static cr_tensor *unpool(cr_tensor *g, cr_tensor *like, cr_tensor *indices, int n)
{
    int64_t plane = 1;
    for (int i = 1; i <= n; i++)
        plane *= like->size[like->dim - i];
    int64_t planes = plane ? like->numel / plane : 0, count = planes ? g->numel / planes : 0;
    cr_tensor *zero =
        cr_zeros(CR_INTS(planes, plane), .dtype = dtype_of(g), .device = cr_tensor_device(g));
    cr_tensor *sum = cr_scatter_add(zero, 1, cr_reshape(indices, CR_INTS(planes, count)),
                                    cr_reshape(g, CR_INTS(planes, count)));
    return cr_view_as(sum, like);
}

DECOMPOSE(max_pool2d_with_indices)
{
    (void)op;
    return max_pool(r, args, 2);
}
DECOMPOSE(max_pool3d_with_indices)
{
    (void)op;
    return max_pool(r, args, 3);
}
DECOMPOSE(max_pool2d_with_indices_backward)
GIVE(unpool(T(0), T(1), T(7), 2))
DECOMPOSE(max_pool3d_with_indices_backward)
GIVE(unpool(T(0), T(1), T(7), 3))
DECOMPOSE(adaptive_max_pool2d_backward)
GIVE(unpool(T(0), T(1), T(2), 2))
COMPOSITE(max_pool2d)
GIVE(cr_max_pool2d_with_indices(T(0), L(1), .stride = L(2), .padding = L(3), .dilation = L(4),
                                .ceil_mode = INT(5))
         .output0)
COMPOSITE(max_pool3d)
GIVE(cr_max_pool3d_with_indices(T(0), L(1), .stride = L(2), .padding = L(3), .dilation = L(4),
                                .ceil_mode = INT(5))
         .output0)

/* A list for one dimension as one for two, with `first` for the other. */
static cr_ints with_first(int64_t first, const cr_value *v, int64_t *to)
{
    to[0] = first;
    to[1] = v->count ? v->as.ints[0] : 0;
    return cr_make_ints(to, v->count ? 2 : 0);
}

static cr_max_pool2d_with_indices_result max_pool1d(const cr_value *args)
{
    int64_t k[2], s[2], p[2], d[2];
    return cr_max_pool2d_with_indices(cr_unsqueeze(T(0), -2), with_first(1, &args[1], k),
                                      .stride = with_first(1, &args[2], s),
                                      .padding = with_first(0, &args[3], p),
                                      .dilation = with_first(1, &args[4], d), .ceil_mode = INT(5));
}
COMPOSITE(max_pool1d_with_indices)
{
    (void)op;
    cr_max_pool2d_with_indices_result m = max_pool1d(args);
    return cr_give_two(r, cr_squeeze_dim(m.output0, -2), cr_squeeze_dim(m.output1, -2));
}
COMPOSITE(max_pool1d)
GIVE(cr_squeeze_dim(max_pool1d(args).output0, -2))
COMPOSITE(adaptive_max_pool1d)
{
    (void)op;
    int64_t size[2];
    cr_f_adaptive_max_pool2d_result m =
        cr_f_adaptive_max_pool2d(cr_unsqueeze(T(0), -2), with_first(1, &args[1], size));
    return cr_give_two(r, cr_squeeze_dim(m.output0, -2), cr_squeeze_dim(m.output1, -2));
}

/* ---- adaptive windows ---- */

/* Window i of `out` over size: from floor(i size / out) to ceil((i + 1) size / out). Where its elements lie, [out, longest]; those
 * at its end *to, [out, 1], and later are none of its. */
static cr_tensor *adaptive_places(cr_tensor *x, int64_t size, int64_t out, cr_tensor **to)
{
    int64_t longest =
        size / out + 2 * (size % out != 0); /* the most that lie from a floor to a ceiling */
    const char *device = cr_tensor_device(x);
    cr_tensor *i = cr_unsqueeze(cr_arange(out, .dtype = CR_I64, .device = device), 1);
    cr_tensor *from = cr_div_scalar_mode(cr_mul_scalar(i, size), out, "floor");
    *to = cr_div_scalar_mode(cr_add_scalar(cr_mul_scalar(cr_add_scalar(i, 1), size), out - 1), out,
                             "floor");
    return cr_add(from, cr_arange(longest, .dtype = CR_I64, .device = device));
}

/* Values and places of the greatest in windows over the last n dimensions. A window that is shorter than the longest one has its last
 * element several times. */
int cr_adaptive_maximum(cr_tensor *x, int n, const int64_t *out, cr_results *r)
{
    enum { MOST = 3 };
    int64_t planes = count_of(x, 0, x->dim - n), sizes[CR_MAX_RANK], wide[1 + 2 * MOST] = {planes},
            order[1 + 2 * MOST] = {0}, ends[2 + MOST], window = 1;
    memcpy(sizes, x->size, sizeof sizes);
    memcpy(&sizes[x->dim - n], out, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++)
        if (!out[i]) {
            cr_tensor *none =
                cr_reshape(cr_narrow(cr_flatten(x), 0, 0, 0), cr_make_ints(sizes, x->dim));
            return cr_give_two(r, none, cr_to_dtype(cr_detach(none), CR_I64));
        }
    for (int i = 0; i < n; i++)
        sizes[1 + i] = x->size[x->dim - n + i];
    sizes[0] = planes;
    cr_tensor *seen = cr_reshape(x, cr_make_ints(sizes, (size_t)n + 1));
    sizes[0] = 1;
    cr_tensor *place =
        cr_arange(count_of(x, x->dim - n, x->dim), .dtype = CR_I64, .device = cr_tensor_device(x));
    place = cr_reshape(place, cr_make_ints(sizes, (size_t)n + 1));
    for (int i = 0; i < n; i++) {
        cr_tensor *to, *at = adaptive_places(x, sizes[1 + i], out[i], &to);
        at = cr_minimum(at, cr_sub_scalar(to, 1));
        if (!at)
            return -1;
        cr_tensor *index = cr_reshape(at, CR_INTS(-1));
        seen = cr_index_select(seen, 1 + i, index);
        place = cr_index_select(place, 1 + i, index);
        wide[1 + 2 * i] = ends[1 + i] = out[i];
        window *= wide[2 + 2 * i] = at->size[1];
        order[1 + i] = 1 + 2 * i;
        order[1 + n + i] = 2 + 2 * i;
    }
    cr_ints parts = cr_make_ints(wide, 1 + 2 * (size_t)n),
            together = cr_make_ints(order, parts.count);
    ends[0] = planes;
    ends[1 + n] = window;
    cr_ints windows_of = cr_make_ints(ends, 2 + (size_t)n);
    seen = cr_reshape(cr_permute(cr_reshape(seen, parts), together), windows_of);
    wide[0] = ends[0] = 1;
    place = cr_reshape(cr_permute(cr_reshape(place, cr_make_ints(wide, parts.count)), together),
                       cr_make_ints(ends, windows_of.count));
    cr_max_dim_result best = cr_max_dim(seen, -1, .keepdim = true);
    if (!best.indices || !place)
        return -1;
    cr_tensor *at = cr_gather(cr_expand_as(place, seen), -1, best.indices);
    memcpy(sizes, x->size, sizeof sizes);
    memcpy(&sizes[x->dim - n], out, (size_t)n * sizeof *out);
    cr_ints to = cr_make_ints(sizes, x->dim);
    return cr_give_two(r, cr_reshape(best.values, to), cr_reshape(at, to));
}
DECOMPOSE(adaptive_max_pool2d)
{
    (void)op;
    const int64_t out[2] = {pick(&args[1], 0), pick(&args[1], 1)};
    return cr_adaptive_maximum(T(0), 2, out, r);
}

/* ---- average ---- */

/* What sums are computed in. */
static cr_tensor *summable(cr_tensor *x)
{
    return dtype_of(x) == CR_F64 || dtype_of(x) == CR_I64 ? x : cr_to_dtype(x, CR_F32);
}
/* Integers are cut off, as in C. */
static cr_tensor *shared_by(cr_tensor *sum, int64_t count)
{
    return dtype_of(sum) == CR_I64 ? cr_div_scalar_mode(sum, count, "trunc")
                                   : cr_div_scalar(sum, count);
}
/* What each window's sum is divided by: a number where all are alike, else a tensor [1, out…]. */
static cr_tensor *divided(const pool *p, cr_tensor *sum, cr_tensor *x, bool count_include_pad,
                          const cr_value *divisor)
{
    if (divisor->tag != CR_NONE)
        return shared_by(sum, divisor->as.i);
    bool alike = true;
    for (int i = 0; i < p->n; i++)
        alike = alike && p->wide[i] <= p->in[i] + 2 * p->padding[i] &&
                (count_include_pad || !p->padding[i]);
    if (alike)
        return shared_by(sum, p->window);
    pool counted = *p;
    int64_t sizes[1 + MOST_DIMS] = {1};
    for (int i = 0; i < p->n; i++) {
        if (count_include_pad) { /* the padding counts, what lies beyond it doesn't */
            int64_t most = p->in[i] + 2 * p->padding[i];
            counted.in[i] = most < p->wide[i] ? most : p->wide[i];
            counted.padding[i] = 0;
        }
        sizes[1 + i] = counted.in[i];
    }
    cr_tensor *ones = cr_ones(cr_make_ints(sizes, 1 + (size_t)p->n), .dtype = dtype_of(sum),
                              .device = cr_tensor_device(x));
    cr_tensor *count = cr_sum_dim(windows(&counted, ones, CR_S(0)), -1);
    return dtype_of(sum) == CR_I64 ? cr_div_mode(sum, count, "trunc") : cr_div(sum, count);
}

static int avg_pool(cr_results *r, const cr_value *args, int n)
{
    cr_tensor *x = T(0), *fine = summable(x);
    pool p = pool_of(x, n, &args[1], NULL, INT(4));
    int64_t sizes[CR_MAX_RANK];
    cr_tensor *sum = cr_sum_dim(windows(&p, planes_of(&p, fine), CR_S(0)), -1);
    sum = divided(&p, sum, x, INT(5), &args[6]);
    return cr_give(r, cr_to_dtype(cr_reshape(sum, out_sizes(&p, x, sizes)), dtype_of(x)));
}

/* Arguments: grad_output, self, then as forward. Every element gets the gradients of the windows that it is in; those outside
 * of the plane go to a place that is cut off. */
static int avg_pool_backward(cr_results *r, const cr_value *args, int n)
{
    cr_tensor *g = T(0), *x = T(1);
    pool p = pool_of(x, n, &args[2], NULL, INT(5));
    int64_t plane = 1, sizes[2 + MOST_DIMS] = {p.planes}, count = p.window;
    for (int i = 0; i < n; i++) {
        plane *= p.in[i];
        count *= sizes[1 + i] = p.out[i];
    }
    sizes[1 + n] = 1;
    cr_tensor *each = summable(g);
    each = divided(&p, cr_reshape(each, cr_make_ints(sizes, 1 + (size_t)n)), x, INT(6), &args[7]);
    each = cr_reshape(each, cr_make_ints(sizes, 2 + (size_t)n));
    sizes[1 + n] = p.window;
    each =
        cr_reshape(cr_expand(each, cr_make_ints(sizes, 2 + (size_t)n)), CR_INTS(p.planes, count));
    cr_tensor *at =
        cr_expand(cr_reshape(places(&p, x, plane), CR_INTS(1, count)), CR_INTS(p.planes, count));
    cr_tensor *zero = cr_zeros(CR_INTS(p.planes, plane + 1), .dtype = dtype_of(each),
                               .device = cr_tensor_device(x));
    cr_tensor *dx = cr_narrow(cr_scatter_add(zero, 1, at, each), 1, 0, plane);
    return cr_give(r, cr_to_dtype(cr_reshape(dx, sizes_of_tensor(x)), dtype_of(x)));
}

DECOMPOSE(avg_pool2d)
{
    (void)op;
    return avg_pool(r, args, 2);
}
DECOMPOSE(avg_pool3d)
{
    (void)op;
    return avg_pool(r, args, 3);
}
DECOMPOSE(avg_pool2d_backward)
{
    (void)op;
    return avg_pool_backward(r, args, 2);
}
DECOMPOSE(avg_pool3d_backward)
{
    (void)op;
    return avg_pool_backward(r, args, 3);
}
COMPOSITE(avg_pool1d)
{
    (void)op;
    int64_t k[2], s[2], p[2];
    cr_tensor *y =
        cr_f_avg_pool2d(cr_unsqueeze(T(0), -2), with_first(1, &args[1], k),
                        .stride = with_first(1, &args[2], s), .padding = with_first(0, &args[3], p),
                        .ceil_mode = INT(4), .no_count_include_pad = !INT(5));
    return cr_give(r, cr_squeeze_dim(y, -2));
}

/* ---- adaptive average: along one dimension after the other ---- */

/* Where the elements of all windows lie, [out · longest], and the weight of each, 1 / length or 0, [out, longest]. */
static int64_t adaptive_windows(cr_tensor *x, int dim, int64_t out, cr_tensor **index,
                                cr_tensor **weight)
{
    int64_t size = x->size[dim];
    cr_tensor *to, *at = adaptive_places(x, size, out, &to);
    cr_tensor *inside = cr_to_dtype(cr_lt(at, to), dtype_of(x));
    *weight = cr_div(inside, cr_sum_dim(inside, -1, .keepdim = true));
    *index = cr_reshape(cr_clamp_max(at, size - 1), CR_INTS(-1));
    return at ? at->size[1] : 0;
}

/* weight [out, longest] beside the dimensions behind dim. */
static cr_tensor *beside(cr_tensor *weight, cr_tensor *x, int dim)
{
    int64_t sizes[CR_MAX_RANK + 1];
    int n = 0;
    if (!weight)
        return NULL;
    sizes[n++] = weight->size[0];
    sizes[n++] = weight->size[1];
    for (int d = dim + 1; d < x->dim; d++)
        sizes[n++] = 1;
    return cr_reshape(weight, cr_make_ints(sizes, (size_t)n));
}

static cr_tensor *adaptive_mean(cr_tensor *x, int dim, int64_t out)
{
    cr_tensor *index, *weight;
    if (!x || x->size[dim] == out)
        return x;
    if (!out)
        return cr_narrow(x, dim, 0, 0);
    int64_t longest = adaptive_windows(x, dim, out, &index, &weight);
    cr_tensor *seen = cr_unflatten(cr_index_select(x, dim, index), dim, CR_INTS(out, longest));
    weight = beside(weight, x, dim);
    /* where, so that what a window doesn't hold can't make it NaN */
    seen = cr_where_scalar_other(cr_gt_scalar(weight, 0), cr_mul(seen, weight), 0);
    return cr_sum_dim(seen, dim + 1);
}

static cr_tensor *adaptive_mean_back(cr_tensor *g, int dim, int64_t size)
{
    cr_tensor *index, *weight;
    if (!g || g->size[dim] == size)
        return g;
    int64_t sizes[CR_MAX_RANK], out = g->size[dim];
    memcpy(sizes, g->size, sizeof g->size);
    sizes[dim] = size;
    cr_tensor *zero =
        cr_zeros(cr_make_ints(sizes, g->dim), .dtype = dtype_of(g), .device = cr_tensor_device(g));
    if (!out || !zero)
        return zero;
    adaptive_windows(zero, dim, out, &index, &weight);
    cr_tensor *each = cr_mul(cr_unsqueeze(g, dim + 1), beside(weight, g, dim));
    return cr_index_add(zero, dim, index,
                        cr_flatten(each, .start_dim = dim, .end_dim = CR_SOME(dim + 1)));
}

static cr_tensor *adaptive_avg(cr_tensor *x, const cr_value *size, int n)
{
    cr_tensor *y = dtype_of(x) == CR_F64 ? x : cr_to_dtype(x, CR_F32);
    for (int i = 0; i < n; i++)
        y = adaptive_mean(y, x->dim - n + i, pick(size, i));
    return cr_to_dtype(y, dtype_of(x));
}

static cr_tensor *adaptive_avg_back(cr_tensor *g, cr_tensor *x, int n)
{
    cr_tensor *dx = dtype_of(g) == CR_F64 ? g : cr_to_dtype(g, CR_F32);
    for (int i = n - 1; i >= 0; i--)
        dx = adaptive_mean_back(dx, x->dim - n + i, x->size[x->dim - n + i]);
    return cr_to_dtype(dx, dtype_of(x));
}

DECOMPOSE(adaptive_avg_pool2d)
GIVE(adaptive_avg(T(0), &args[1], 2))
DECOMPOSE(adaptive_avg_pool3d)
GIVE(adaptive_avg(T(0), &args[1], 3))
DECOMPOSE(adaptive_avg_pool2d_backward)
GIVE(adaptive_avg_back(T(0), T(1), 2))
DECOMPOSE(adaptive_avg_pool3d_backward)
GIVE(adaptive_avg_back(T(0), T(1), 3))

/* output_size may say -1 for a dimension that stays. */
static cr_ints adaptive_size(cr_tensor *x, const cr_value *size, int n, int64_t *to)
{
    for (int i = 0; i < n; i++) {
        to[i] = size->count ? pick(size, i) : 0;
        to[i] = to[i] == -1 && x->dim > n ? x->size[x->dim - n + i] : to[i];
    }
    return cr_make_ints(to, (size_t)n);
}
COMPOSITE(adaptive_avg_pool2d)
{
    (void)op;
    int64_t size[2];
    return cr_give(r, cr_adaptive_avg_pool2d_kernel(T(0), adaptive_size(T(0), &args[1], 2, size)));
}
COMPOSITE(adaptive_avg_pool3d)
{
    (void)op;
    int64_t size[3];
    return cr_give(r, cr_adaptive_avg_pool3d_kernel(T(0), adaptive_size(T(0), &args[1], 3, size)));
}
COMPOSITE(adaptive_avg_pool1d)
{
    (void)op;
    int64_t size[2];
    return cr_give(r, cr_squeeze_dim(cr_adaptive_avg_pool2d_kernel(cr_unsqueeze(T(0), -2),
                                                                   with_first(1, &args[1], size)),
                                     -2));
}

/* (Σ xᵖ)^(1/p) over each window, without absolute values, as PyTorch has it for even p; averages times the window's size. */
static cr_tensor *lp_pool(cr_tensor *mean, double p, double window)
{
    cr_tensor *positive = cr_mul(cr_sign(mean), cr_relu(cr_abs(mean)));
    return cr_pow_scalar(cr_mul_scalar(positive, window), 1 / p);
}
COMPOSITE(lp_pool2d)
{
    (void)op;
    double window = args[2].count ? (double)pick(&args[2], 0) * (double)pick(&args[2], 1) : 1;
    cr_tensor *mean =
        cr_f_avg_pool2d(cr_pow_scalar(T(0), F(1)), L(2), .stride = L(3), .ceil_mode = INT(4));
    return cr_give(r, lp_pool(mean, F(1), window));
}
COMPOSITE(lp_pool1d)
{
    (void)op;
    cr_tensor *mean =
        cr_f_avg_pool1d(cr_pow_scalar(T(0), F(1)), L(2), .stride = L(3), .ceil_mode = INT(4));
    return cr_give(r, lp_pool(mean, F(1), args[2].count ? pick(&args[2], 0) : 1));
}
