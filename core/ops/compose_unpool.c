/* Unpooling: maxima put back where they came from; and pools of three dimensions that adapt. */
#include "core/ops/compose.h"

/* The last n dimensions of x at indices of a plane of `size`. */
static cr_tensor *unpooled(cr_tensor *x, cr_tensor *indices, cr_ints size, int n)
{
    int64_t plane = 1, sizes[CR_MAX_RANK];
    if ((x->dim != n + 1 && x->dim != n + 2) || (int)size.count != n)
        return cr_fail("max_unpool%dd: expected an input of %d or %d dimensions and an output size "
                       "of %d, got %s and %lld",
                       n, n + 1, n + 2, n, cr_describe(x), (long long)size.count);
    if (indices->dim != x->dim || memcmp(indices->size, x->size, (size_t)x->dim * sizeof *x->size))
        return cr_fail("Expected shape of indices to be same as that of the input tensor (%s) but "
                       "got indices tensor with shape: %s",
                       cr_sizes_text(x->dim, x->size), cr_sizes_text(indices->dim, indices->size));
    memcpy(sizes, x->size, sizeof x->size);
    for (int i = 0; i < n; i++)
        plane *= sizes[x->dim - n + i] = size.data[i];
    if (indices->numel &&
        (cr_item_int(cr_min(indices)) < 0 || cr_item_int(cr_max(indices)) >= plane))
        return cr_fail("max_unpool%dd: found an invalid max index (output of %lld elements)", n,
                       (long long)plane);
    cr_tensor *values = cr_flatten(x, .start_dim = -n), *at = cr_flatten(indices, .start_dim = -n);
    int64_t flat[CR_MAX_RANK];
    memcpy(flat, x->size, sizeof x->size);
    flat[x->dim - n] = plane;
    cr_tensor *zero = cr_zeros(cr_make_ints(flat, (size_t)(x->dim - n) + 1), .dtype = dtype_of(x),
                               .device = cr_tensor_device(x));
    return cr_reshape(cr_scatter(zero, -1, at, values), cr_make_ints(sizes, x->dim));
}
COMPOSITE(max_unpool2d)
GIVE(unpooled(T(0), T(1), L(2), 2))
COMPOSITE(max_unpool3d)
GIVE(unpooled(T(0), T(1), L(2), 3))
COMPOSITE(max_unpool1d)
GIVE(unpooled(T(0), T(1), L(2), 1))

COMPOSITE(adaptive_max_pool3d)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t out[3];
    if (x->dim != 4 && x->dim != 5)
        return CR_FAIL_INT("adaptive_max_pool3d: Expected 4D or 5D tensor, but got %s",
                           cr_describe(x));
    if (args[1].count != 1 && args[1].count != 3)
        return CR_FAIL_INT("adaptive_max_pool3d: output_size must be 1 or 3 numbers, got %lld",
                           (long long)args[1].count);
    for (int i = 0; i < 3; i++) {
        out[i] = args[1].as.ints[args[1].count == 1 ? 0 : i];
        if (out[i] < 0)
            return CR_FAIL_INT("adaptive_max_pool3d: output_size must be at least 0, got %lld",
                               (long long)out[i]);
    }
    for (int d = 1; d < x->dim; d++)
        if (x->size[d] < 1)
            return CR_FAIL_INT("adaptive_max_pool3d: Expected input to have non-zero size for "
                               "non-batch dimensions, but input has sizes %s",
                               cr_sizes_text(x->dim, x->size));
    return cr_adaptive_maximum(x, 3, out, r);
}

/* ---- fractional pools: Graham, 2014. Windows of one size begin at places that random_samples spread. ---- */

/* Where the windows begin along one dimension, for every plane: [planes, out]. */
static cr_tensor *beginnings(cr_tensor *sample, int64_t in, int64_t out, int64_t kernel)
{
    double alpha = out > 1 ? (double)(in - kernel) / (double)(out - 1) : 0;
    cr_tensor *i = cr_arange(out, .dtype = CR_I64, .device = cr_tensor_device(sample));
    cr_tensor *u = cr_unsqueeze(sample, 1), *step = cr_to_dtype(i, dtype_of(sample));
    cr_tensor *at =
        cr_sub(cr_trunc(cr_mul_scalar(cr_add(u, step), alpha)), cr_trunc(cr_mul_scalar(u, alpha)));
    cr_tensor *last = cr_eq_scalar(i, out - 1);
    return cr_where_scalar_self(cr_expand_as(last, at), in - kernel, cr_to_dtype(at, CR_I64));
}

static int fractional_pool(cr_results *r, const cr_value *args, int n)
{
    cr_tensor *x = T(0), *samples = T(3), *place = NULL;
    int64_t planes = 1, plane = 1, sizes[CR_MAX_RANK], wide[1 + 2 * 3], outs = 1, window = 1;
    if (x->dim != n + 1 && x->dim != n + 2)
        return CR_FAIL_INT("fractional_max_pool%dd(): Expected %dD or %dD tensor, but got: %s", n,
                           n + 1, n + 2, cr_describe(x));
    for (int k = 1; k <= 2; k++)
        if (args[k].count != 1 && args[k].count != n)
            return CR_FAIL_INT(
                "fractional_max_pool%dd(): kernel_size and output_size must be 1 or %d "
                "numbers, got %lld",
                n, n, (long long)args[k].count);
    for (int d = 0; d < x->dim - n; d++)
        planes *= x->size[d];
    if (planes && samples->numel != planes * n)
        return CR_FAIL_INT("fractional_max_pool%dd(): expected %d random samples for each of %lld "
                           "planes, but got %s",
                           n, n, (long long)planes, cr_describe(samples));
    samples =
        planes ? cr_reshape(samples, CR_INTS(planes, n)) : cr_new_zeros(samples, CR_INTS(0, n));
    memcpy(sizes, x->size, sizeof x->size);
    for (int i = 0; i < n; i++) {
        int64_t in = x->size[x->dim - n + i], kernel = args[1].as.ints[args[1].count == 1 ? 0 : i];
        int64_t out = args[2].as.ints[args[2].count == 1 ? 0 : i];
        if (kernel < 1 || out < 1 || kernel > in || out > in - kernel + 1)
            return CR_FAIL_INT("fractional_max_pool%dd(): pool size %lld and output size %lld are "
                               "too large for input size %lld",
                               n, (long long)kernel, (long long)out, (long long)in);
        /* of two dimensions the samples come width first */
        cr_tensor *begin = beginnings(cr_select(samples, 1, n == 2 ? 1 - i : i), in, out, kernel);
        for (int d = 0; d < 1 + 2 * n; d++)
            wide[d] = 1;
        wide[0] = planes;
        wide[1 + i] = out;
        cr_tensor *at = cr_reshape(begin, cr_make_ints(wide, 1 + 2 * (size_t)n));
        wide[0] = wide[1 + i] = 1;
        wide[1 + n + i] = kernel;
        cr_tensor *tap = cr_arange(kernel, .dtype = CR_I64, .device = cr_tensor_device(x));
        at = cr_add(at, cr_reshape(tap, cr_make_ints(wide, 1 + 2 * (size_t)n)));
        place = place ? cr_add(cr_mul_scalar(place, in), at) : at;
        plane *= in;
        outs *= sizes[x->dim - n + i] = out;
        window *= kernel;
    }
    cr_tensor *flat = cr_reshape(x, CR_INTS(planes, plane));
    place = cr_reshape(place, CR_INTS(planes, outs * window));
    cr_tensor *seen = cr_reshape(cr_gather(flat, 1, place), CR_INTS(planes, outs, window));
    cr_max_dim_result best = cr_max_dim(seen, 2, .keepdim = true);
    cr_tensor *index = cr_gather(cr_reshape(place, CR_INTS(planes, outs, window)), 2, best.indices);
    cr_ints to = cr_make_ints(sizes, x->dim);
    return cr_give_two(r, cr_reshape(best.values, to), cr_reshape(index, to));
}
COMPOSITE(fractional_max_pool2d)
{
    (void)op;
    return fractional_pool(r, args, 2);
}
COMPOSITE(fractional_max_pool3d)
{
    (void)op;
    return fractional_pool(r, args, 3);
}
