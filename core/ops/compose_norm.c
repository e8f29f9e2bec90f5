/* Softmax and normalisation said with other operations. */
#include "core/ops/compose.h"

/* ---- softmax ---- */

DECOMPOSE(softmax)
{
    (void)op;
    cr_tensor *x = INT(2) ? cr_to_dtype(T(0), CR_F32) : T(0);
    if (!x || !x->dim || !x->numel)
        return cr_give(r, x && !x->dim ? cr_exp(cr_sub(x, x)) : cr_clone(x));
    cr_tensor *e = cr_exp(cr_sub(x, cr_amax(x, .dim = CR_INTS(INT(1)), .keepdim = true)));
    return cr_give(r, cr_div(e, cr_sum_dim(e, INT(1), .keepdim = true)));
}
DECOMPOSE(log_softmax)
{
    (void)op;
    cr_tensor *x = INT(2) ? cr_to_dtype(T(0), CR_F32) : T(0);
    if (!x || !x->dim || !x->numel)
        return cr_give(r, x && !x->dim ? cr_sub(x, x) : cr_clone(x));
    cr_tensor *shifted = cr_sub(x, cr_amax(x, .dim = CR_INTS(INT(1)), .keepdim = true));
    return cr_give(r,
                   cr_sub(shifted, cr_log(cr_sum_dim(cr_exp(shifted), INT(1), .keepdim = true))));
}
DECOMPOSE(softmax_backward_data)
{
    (void)op;
    cr_tensor *gy = cr_mul(T(0), T(1));
    cr_tensor *dx = cr_sub(gy, cr_mul(T(1), cr_sum_dim(gy, INT(2), .keepdim = true)));
    return cr_give(r, cr_to_dtype(dx, cr_value_dtype(&args[3])));
}
DECOMPOSE(log_softmax_backward_data)
{
    (void)op;
    cr_tensor *dx = cr_sub(T(0), cr_mul(cr_exp(T(1)), cr_sum_dim(T(0), INT(2), .keepdim = true)));
    return cr_give(r, cr_to_dtype(dx, cr_value_dtype(&args[3])));
}
static cr_tensor *of_dtype(cr_tensor *x, const cr_value *dtype)
{
    return dtype->tag == CR_DTYPE ? cr_to_dtype(x, cr_value_dtype(dtype)) : x;
}
COMPOSITE(softmax_int)
GIVE(cr_softmax_forward(of_dtype(T(0), &args[2]), INT(1), false))
COMPOSITE(log_softmax_int)
GIVE(cr_log_softmax_forward(of_dtype(T(0), &args[2]), INT(1), false))

/* ---- normalisation ---- */

/* All dims but the channels', and the shape that spreads a vector over the channels. */
static cr_ints not_channels(cr_tensor *x, int64_t *dims, int64_t *shape)
{
    int n = 0;
    for (int d = 0; d < x->dim; d++) {
        shape[d] = d == 1 ? -1 : 1;
        if (d != 1)
            dims[n++] = d;
    }
    return cr_make_ints(dims, (size_t)n);
}

DECOMPOSE(native_batch_norm)
{
    (void)op;
    cr_tensor *input = T(0), *weight = T(1), *bias = T(2), *running_mean = T(3),
              *running_var = T(4);
    double momentum = F(6), eps = F(7);
    int64_t dims[CR_MAX_RANK], wide[CR_MAX_RANK];
    cr_ints over = not_channels(input, dims, wide), shape = cr_make_ints(wide, input->dim);
    cr_tensor *x = fine(input), *mean, *rstd;
    if (INT(5)) {
        mean = cr_mean_dim(x, over, .keepdim = true);
        cr_tensor *centred = cr_sub(x, mean), *var = cr_mean_dim(cr_mul(centred, centred), over);
        mean = cr_reshape(mean, CR_INTS(-1));
        rstd = cr_rsqrt(cr_add_scalar(var, eps));
        if (running_mean && running_var) {
            double n = (double)input->numel / (double)input->size[1];
            cr_tensor *unbiased = cr_mul_scalar(var, n / (n - 1));
            if (!cr_copy_(running_mean, cr_add(cr_mul_scalar(running_mean, 1 - momentum),
                                               cr_mul_scalar(mean, momentum))) ||
                !cr_copy_(running_var, cr_add(cr_mul_scalar(running_var, 1 - momentum),
                                              cr_mul_scalar(unbiased, momentum))))
                return -1;
        }
    } else {
        mean = running_mean;
        rstd = cr_rsqrt(cr_add_scalar(running_var, eps));
    }
    cr_tensor *y = cr_mul(cr_sub(x, cr_reshape(mean, shape)), cr_reshape(rstd, shape));
    if (weight)
        y = cr_mul(y, cr_reshape(weight, shape));
    if (bias)
        y = cr_add(y, cr_reshape(bias, shape));
    y = cr_to_dtype(y, dtype_of(input));
    if (INT(5))
        return cr_give_three(r, y, mean, rstd, true);
    cr_tensor *none = cr_empty(0, .dtype = dtype_of(x), .device = cr_tensor_device(x));
    return cr_give_three(r, y, none, none, true);
}

/* rstd·(h - mean(h) - xh·mean(h·xh)), h = g·weight. */
static cr_tensor *normalised_back(cr_tensor *h, cr_tensor *xh, cr_tensor *rstd, cr_ints dims)
{
    cr_tensor *a = cr_mean_dim(h, dims, .keepdim = true),
              *b = cr_mean_dim(cr_mul(h, xh), dims, .keepdim = true);
    return cr_mul(rstd, cr_sub(cr_sub(h, a), cr_mul(xh, b)));
}

DECOMPOSE(native_batch_norm_backward)
{
    (void)op;
    cr_tensor *input = T(1), *weight = T(2);
    cr_tensor *g = fine(T(0)), *x = fine(input);
    bool training = INT(7);
    const uint8_t *mask = args[9].as.bools;
    int64_t dims[CR_MAX_RANK], wide[CR_MAX_RANK];
    cr_ints over = not_channels(input, dims, wide), shape = cr_make_ints(wide, input->dim);
    cr_tensor *mean = cr_reshape(training ? T(5) : T(3), shape);
    cr_tensor *rstd = cr_reshape(training ? T(6) : cr_rsqrt(cr_add_scalar(T(4), F(8))), shape);
    cr_tensor *xh = cr_mul(cr_sub(x, mean), rstd), *dx = NULL, *dw = NULL, *db = NULL;
    cr_tensor *h = weight ? cr_mul(g, cr_reshape(weight, shape)) : g;
    cr_dtype wd = weight ? dtype_of(weight) : dtype_of(input);
    if (mask[0])
        dx = cr_to_dtype(training ? normalised_back(h, xh, rstd, over) : cr_mul(h, rstd),
                         dtype_of(input));
    if (mask[1])
        dw = cr_to_dtype(cr_sum_dim(cr_mul(g, xh), over), wd);
    if (mask[2])
        db = cr_to_dtype(cr_sum_dim(g, over), wd);
    if ((mask[0] && !dx) || (mask[1] && !dw) || (mask[2] && !db))
        return -1;
    return cr_give_three(r, dx, dw, db, false);
}
COMPOSITE(batch_norm)
GIVE(cr_native_batch_norm(T(0), T(1), T(2), T(3), T(4), INT(5), F(6), F(7)).output0)

static cr_ints inner_dims(int64_t count, int64_t *dims)
{
    for (int64_t d = 0; d < count; d++)
        dims[d] = d - count;
    return cr_make_ints(dims, (size_t)count);
}
DECOMPOSE(native_layer_norm)
{
    (void)op;
    cr_tensor *input = T(0), *x = fine(input);
    int64_t dims[CR_MAX_RANK];
    cr_ints over = inner_dims(args[1].count, dims);
    cr_tensor *mean = cr_mean_dim(x, over, .keepdim = true), *centred = cr_sub(x, mean);
    cr_tensor *rstd =
        cr_rsqrt(cr_add_scalar(cr_mean_dim(cr_mul(centred, centred), over, .keepdim = true), F(4)));
    cr_tensor *y = cr_mul(centred, rstd);
    if (T(2))
        y = cr_mul(y, T(2));
    if (T(3))
        y = cr_add(y, T(3));
    return cr_give_three(r, cr_to_dtype(y, dtype_of(input)), mean, rstd, true);
}
DECOMPOSE(native_layer_norm_backward)
{
    (void)op;
    cr_tensor *input = T(1), *g = fine(T(0)), *x = fine(input), *weight = T(5);
    const uint8_t *mask = args[7].as.bools;
    int64_t dims[CR_MAX_RANK];
    cr_ints over = inner_dims(args[2].count, dims), shape = L(2);
    cr_tensor *rstd = T(4), *xh = cr_mul(cr_sub(x, T(3)), rstd), *dx = NULL, *dw = NULL, *db = NULL;
    cr_dtype wd = weight ? dtype_of(weight) : dtype_of(input);
    if (mask[0])
        dx = cr_to_dtype(normalised_back(weight ? cr_mul(g, weight) : g, xh, rstd, over),
                         dtype_of(input));
    if (mask[1])
        dw = cr_to_dtype(cr_sum_to_size(cr_mul(g, xh), shape), wd);
    if (mask[2])
        db = cr_to_dtype(cr_sum_to_size(g, shape), wd);
    if ((mask[0] && !dx) || (mask[1] && !dw) || (mask[2] && !db))
        return -1;
    return cr_give_three(r, dx, dw, db, false);
}
COMPOSITE(layer_norm)
GIVE(cr_native_layer_norm(T(0), L(1), T(2), T(3), F(4)).output0)
