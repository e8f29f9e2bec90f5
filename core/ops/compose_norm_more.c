/* Normalisation by groups, instances and neighbours; other forms of batch norm; bags of embeddings. */
#include <stdlib.h>

#include "core/ops/compose.h"
#include "core/ops/schema.h"

/* ---- group norm: Wu and He, 2018. Groups are normalised as rows, then each channel has its scale. ---- */

static cr_tensor *channel_wise(cr_tensor *t, cr_tensor *x)
{
    int64_t sizes[CR_MAX_RANK];
    if (!t)
        return NULL;
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d == 1 ? t->numel : 1;
    return cr_reshape(t, cr_make_ints(sizes, x->dim));
}

static cr_native_layer_norm_result by_groups(cr_tensor *x, int64_t groups, double eps)
{
    int64_t n = x->size[0], width = groups && n ? x->numel / (n * groups) : 0;
    return cr_native_layer_norm(cr_reshape(x, CR_INTS(n * groups, width)), CR_INTS(width), NULL,
                                NULL, eps);
}

static cr_tensor *scaled(cr_tensor *rows, cr_tensor *x, cr_tensor *weight, cr_tensor *bias)
{
    cr_tensor *y = cr_reshape(rows, sizes_of_tensor(x));
    y = weight ? cr_mul(y, channel_wise(weight, x)) : y;
    return bias ? cr_add(y, channel_wise(bias, x)) : y;
}

static bool check_groups(cr_tensor *x, int64_t groups, cr_tensor *weight, cr_tensor *bias)
{
    if (x->dim < 2 || groups < 1 || groups > INT32_MAX || x->size[1] % groups)
        return cr_fail("Expected number of channels in input to be divisible by num_groups, but "
                       "got input of shape %s and num_groups=%lld",
                       cr_sizes_text(x->dim, x->size), (long long)groups),
               false;
    if ((weight && weight->numel != x->size[1]) || (bias && bias->numel != x->size[1]))
        return cr_fail("Expected weight and bias to be vectors of size equal to the number of "
                       "channels in input, %lld",
                       (long long)x->size[1]),
               false;
    return true;
}

COMPOSITE(group_norm)
GIVE(check_groups(T(0), INT(1), T(2), T(3))
         ? scaled(by_groups(T(0), INT(1), F(4)).output0, T(0), T(2), T(3))
         : NULL)

/* Arguments N, C, HxW and group are in the schema for kernels; only the last is needed. */
COMPOSITE(native_group_norm)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t groups = INT(6);
    if (!check_groups(x, groups, T(1), T(2)))
        return -1;
    cr_native_layer_norm_result l = by_groups(x, groups, F(7));
    cr_ints shape = CR_INTS(x->size[0], groups);
    return cr_give_three(r, scaled(l.output0, x, T(1), T(2)), cr_reshape(l.output1, shape),
                         cr_reshape(l.output2, shape), true);
}
COMPOSITE(native_group_norm_backward)
{
    (void)op;
    cr_tensor *g = T(0), *x = T(1), *weight = T(4), *dx = NULL, *dw = NULL, *db = NULL;
    int64_t groups = INT(8), dims[CR_MAX_RANK];
    const uint8_t *mask = args[9].as.bools;
    if (!check_groups(x, groups, weight, NULL))
        return -1;
    int64_t n = x->size[0], width = n ? x->numel / (n * groups) : 0;
    size_t count = 0;
    for (int d = 0; d < x->dim; d++)
        if (d != 1)
            dims[count++] = d;
    cr_ints rows = CR_INTS(n * groups, width), over = cr_make_ints(dims, count);
    cr_tensor *mean = cr_reshape(T(2), CR_INTS(-1, 1)), *rstd = cr_reshape(T(3), CR_INTS(-1, 1));
    cr_tensor *normalised = cr_view_as(cr_mul(cr_sub(cr_reshape(x, rows), mean), rstd), x);
    cr_tensor *h = weight ? cr_mul(g, channel_wise(weight, x)) : g;
    const uint8_t only_input[3] = {1, 0, 0};
    if (mask[0])
        dx = cr_view_as(cr_native_layer_norm_backward(cr_reshape(h, rows), cr_reshape(x, rows),
                                                      CR_INTS(width), mean, rstd, NULL, NULL,
                                                      only_input)
                            .output0,
                        x);
    if (mask[1])
        dw = cr_sum_dim(cr_mul(g, normalised), over);
    if (mask[2])
        db = cr_sum_dim(g, over);
    if ((mask[0] && !dx) || (mask[1] && !dw) || (mask[2] && !db))
        return -1;
    return cr_give_three(r, dx, dw, db, false);
}

/* ---- instance norm: Ulyanov et al., 2016: batch norm of every sample by itself ---- */

COMPOSITE(instance_norm)
{
    cr_tensor *x = T(0), *mean = T(3), *var = T(4);
    bool by_input = INT(5);
    if (x->dim < 2)
        return CR_FAIL_INT("instance_norm: expected an input of at least 2 dimensions, got %s",
                           cr_describe(x));
    if (!by_input && (!mean || !var))
        return CR_FAIL_INT(
            "Expected running_mean and running_var to be defined when use_input_stats is false");
    int64_t n = x->size[0], c = x->size[1], sizes[CR_MAX_RANK], repeats[1] = {n};
    for (int i = 1; i <= 4; i++)
        if (T(i) && (T(i)->dim != 1 || T(i)->size[0] != c))
            return CR_FAIL_INT(
                "instance_norm: expected %s of %lld elements, one for each channel of "
                "the input, got %s",
                op->schema->args[i].name, (long long)c, cr_describe(T(i)));
    memcpy(sizes, x->size, sizeof x->size);
    sizes[0] = 1;
    sizes[1] = n * c;
    cr_ints times = cr_make_ints(repeats, 1);
    cr_tensor *weight = T(1) ? cr_repeat(T(1), times) : NULL,
              *bias = T(2) ? cr_repeat(T(2), times) : NULL;
    cr_tensor *wide_mean = mean ? cr_repeat(mean, times) : NULL,
              *wide_var = var ? cr_repeat(var, times) : NULL;
    cr_tensor *flat = cr_reshape(x, cr_make_ints(sizes, x->dim));
    cr_tensor *y =
        cr_native_batch_norm(flat, weight, bias, wide_mean, wide_var, by_input, F(6), F(7)).output0;
    if (by_input && mean && var) { /* each sample moved a copy of its own: their mean counts */
        cr_tensor *m = cr_mean_dim(cr_reshape(wide_mean, CR_INTS(n, c)), 0),
                  *v = cr_mean_dim(cr_reshape(wide_var, CR_INTS(n, c)), 0);
        if (!cr_copy_(mean, m) || !cr_copy_(var, v))
            return -1;
    }
    return cr_give(r, y ? cr_reshape(y, sizes_of_tensor(x)) : NULL);
}

/* ---- local response norm: Krizhevsky et al., 2012 ---- */

COMPOSITE(local_response_norm)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t size = INT(1);
    if (x->dim < 3 || size < 1)
        return CR_FAIL_INT(
            "Expected 3D or higher dimensionality input (got %s) and a size of at least 1",
            cr_describe(x));
    if (!x->numel)
        return cr_give(r, cr_clone(x));
    cr_tensor *square = cr_movedim(cr_square(x), 1, -1);
    square = cr_constant_pad_nd(square, CR_INTS(size / 2, (size - 1) / 2));
    cr_tensor *mean = cr_movedim(cr_mean_dim(cr_unfold(square, -1, size, 1), -1), -1, 1);
    return cr_give(r,
                   cr_div(x, cr_pow_scalar(cr_add_scalar(cr_mul_scalar(mean, F(2)), F(4)), F(3))));
}

/* ---- batch norm's other names ---- */

COMPOSITE(native_batch_norm_legit)
{
    (void)op;
    cr_native_batch_norm_result b =
        cr_native_batch_norm(T(0), T(1), T(2), T(3), T(4), INT(5), F(6), F(7));
    return cr_give_three(r, b.output0, b.output1, b.output2, true);
}
COMPOSITE(native_batch_norm_legit_no_stats)
{
    (void)op;
    cr_native_batch_norm_result b =
        cr_native_batch_norm(T(0), T(1), T(2), NULL, NULL, INT(3), F(4), F(5));
    return cr_give_three(r, b.output0, b.output1, b.output2, true);
}
COMPOSITE(native_batch_norm_legit_no_training)
{
    (void)op;
    cr_native_batch_norm_result b =
        cr_native_batch_norm(T(0), T(1), T(2), T(3), T(4), false, F(5), F(6));
    return cr_give_three(r, b.output0, b.output1, b.output2, true);
}

/* ---- bags of embeddings ---- */

enum { BAG_SUM, BAG_MEAN, BAG_MAX };

/* The bag of each index, from where bags begin. */
static cr_tensor *bag_of(cr_tensor *offsets, int64_t count, cr_tensor *like)
{
    cr_tensor *place = cr_arange(count, .dtype = CR_I64, .device = cr_tensor_device(like));
    cr_tensor *begun = cr_sum_dim(cr_le(cr_unsqueeze(offsets, 0), cr_unsqueeze(place, 1)), 1);
    return cr_sub_scalar(begun, 1);
}

/* False, with the error set, unless offsets begin with 0, don't fall, and end within the indices. */
static bool are_offsets(cr_tensor *offsets, int64_t count)
{
    size_t n = (size_t)offsets->numel;
    int64_t *at = malloc((n + 1) * sizeof *at);
    if (!at) {
        cr_fail_memory("embedding_bag's offsets", (n + 1) * sizeof *at);
        return false;
    }
    bool good = !cr_tensor_read(offsets, at, n * sizeof *at);
    if (good && n && at[0]) {
        cr_fail("embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch "
                "has to start from position 0. However, got %lld",
                (long long)at[0]);
        good = false;
    }
    for (size_t i = 1; good && i < n; i++)
        if (at[i] < at[i - 1] || at[i] > count) {
            cr_fail("embedding_bag: offsets must not fall and can not be greater than input's "
                    "length %lld, but offsets[%zu] is %lld after %lld",
                    (long long)count, i, (long long)at[i], (long long)at[i - 1]);
            good = false;
        }
    free(at);
    return good;
}

/* weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding_idx */
COMPOSITE_OF_INDICES(embedding_bag, "embedding_bag: index out of range")
{
    (void)op;
    cr_tensor *weight = T(0), *indices = T(1), *offsets = T(2), *scale = T(6);
    int64_t mode = INT(4), padding = args[8].tag == CR_NONE ? -1 : INT(8);
    if (indices->dim != 1 || offsets->dim != 1 || weight->dim != 2)
        return CR_FAIL_INT(
            "embedding_bag: expected a matrix, and indices and offsets in a row; got %s, %s and %s",
            cr_sizes_text(weight->dim, weight->size), cr_describe(indices), cr_describe(offsets));
    if (scale && (mode != BAG_SUM || scale->numel != indices->numel))
        return CR_FAIL_INT(
            "embedding_bag: per_sample_weights need mode 'sum' and one weight for each index");
    if (mode < BAG_SUM || mode > BAG_MAX)
        return CR_FAIL_INT("embedding_bag: mode must be 0 (sum), 1 (mean) or 2 (max), not %lld",
                           (long long)mode);
    indices = cr_to_dtype(indices, CR_I64);
    offsets = cr_to_dtype(offsets, CR_I64);
    if (!indices || !offsets || !are_offsets(offsets, indices->numel))
        return -1;
    if (INT(7)) {
        if (!offsets->numel)
            return CR_FAIL_INT("embedding_bag: include_last_offset needs an offset at least");
        offsets = cr_narrow(offsets, 0, 0, offsets->numel - 1);
    }
    int64_t bags = offsets->numel, width = weight->size[1];
    cr_tensor *bag = bag_of(offsets, indices->numel, weight), *counts = cr_ones_like(indices);
    if (padding >= 0)
        counts = cr_to_dtype(cr_ne_scalar(indices, padding), CR_I64);
    cr_tensor *zero = cr_zeros(bags, .dtype = CR_I64, .device = cr_tensor_device(weight));
    cr_tensor *size = cr_scatter_add(zero, 0, bag, counts);
    cr_tensor *rows = cr_f_embedding(weight, indices, .padding_idx = CR_SOME(padding),
                                     .scale_grad_by_freq = INT(3));
    cr_tensor *at = cr_expand(cr_unsqueeze(bag, 1), CR_INTS(indices->numel, width));
    cr_tensor *y = cr_zeros(CR_INTS(bags, width), .dtype = dtype_of(weight),
                            .device = cr_tensor_device(weight));
    if (scale)
        rows = cr_mul(rows, cr_unsqueeze(scale, 1));
    if (mode == BAG_MAX) {
        if (padding >= 0)
            rows =
                cr_masked_fill_scalar(rows, cr_unsqueeze(cr_eq_scalar(counts, 0), 1), -1.0 / 0.0);
        y = cr_scatter_reduce(y, 0, at, rows, "amax", .no_include_self = true);
        y = cr_masked_fill_scalar(y, cr_unsqueeze(cr_eq_scalar(size, 0), 1), 0);
    } else {
        if (padding >= 0)
            rows = cr_mul(rows, cr_unsqueeze(cr_to_dtype(counts, dtype_of(weight)), 1));
        y = cr_scatter_add(y, 0, at, rows);
        if (mode == BAG_MEAN)
            y = cr_div(y, cr_unsqueeze(cr_to_dtype(cr_clamp_min(size, 1), dtype_of(weight)), 1));
    }
    r->count = 4;
    r->t[0] = y;
    r->t[1] = bag;
    r->t[2] = size;
    r->t[3] =
        cr_clone(offsets); /* max_indices: only the derivative of PyTorch's kernel reads them */
    return y && bag && size && r->t[3] ? 0 : -1;
}
