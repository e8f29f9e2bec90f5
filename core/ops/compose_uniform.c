/* Random bits made into uniform, normal and whole numbers, and what a uniform number decides: Bernoulli and the dropouts. */
#include <math.h>

#include "core/ops/compose.h"
#include "op_index.h"

/* (word >> 8)·2^-24 of 32-bit words; f64: 53 bits of 64-bit words. */
DECOMPOSE(uniform)
{
    (void)op;
    cr_tensor *t = T(0);
    double from = F(1), to = F(2);
    bool wide = dtype_of(t) == CR_F64;
    cr_tensor *bits = cr_random_bits(sizes_of_tensor(t), .dtype = wide ? CR_I64 : CR_I32,
                                     .device = cr_tensor_device(t));
    bits = cr_bitwise_right_shift(bits,
                                  number_like(bits, cr_int_scalar(wide ? 11 : 8), dtype_of(bits)));
    bits = cr_bitwise_and_scalar(bits, wide ? ((int64_t)1 << 53) - 1 : (1 << 24) - 1);
    cr_tensor *u =
        cr_mul_scalar(cr_to_dtype(bits, wide ? CR_F64 : CR_F32), wide ? 0x1p-53 : 0x1p-24);
    if (from != 0 || to != 1)
        u = cr_add_scalar(cr_mul_scalar(u, to - from), from);
    return cr_give(r, cr_to_dtype(u, dtype_of(t)));
}

/* Box and Muller (1958): √(-2 ln u)·cos 2πv. */
static cr_tensor *normal(cr_tensor *t, double mean, double std)
{
    if (!(std >= 0))
        return cr_fail("normal expects std >= 0.0, but found std %g", std);
    cr_dtype dtype = dtype_of(t) == CR_F64 ? CR_F64 : CR_F32;
    if (!is_float(t))
        return cr_fail("normal: needs a floating-point tensor, not %s", cr_dtype_name(dtype_of(t)));
    cr_tensor *like = cr_empty(sizes_of_tensor(t), .dtype = dtype, .device = cr_tensor_device(t));
    cr_tensor *u = cr_rsub_scalar(cr_uniform(like), 1); /* in (0, 1] */
    cr_tensor *v = cr_uniform(like);
    cr_tensor *z = cr_mul(cr_sqrt(cr_mul_scalar(cr_log(u), -2)),
                          cr_cos(cr_mul_scalar(v, 6.28318530717958647692)));
    if (std != 1)
        z = cr_mul_scalar(z, std);
    if (mean != 0)
        z = cr_add_scalar(z, mean);
    return cr_to_dtype(z, dtype_of(t));
}
COMPOSITE(normal_functional)
GIVE(normal(T(0), F(1), F(2)))
COMPOSITE(normal_)
GIVE(cr_copy_(T(0), normal(T(0), F(1), F(2))))
COMPOSITE(bernoulli)
{
    (void)op;
    cr_tensor *p = T(0);
    if (!is_float(p))
        return CR_FAIL_INT("bernoulli: needs a floating-point tensor of probabilities, not %s",
                           cr_dtype_name(dtype_of(p)));
    cr_tensor *u = cr_uniform(cr_empty_like(p, .dtype = dtype_of(p) == CR_F64 ? CR_F64 : CR_F32));
    return cr_give(r, cr_detach(cr_to_dtype(cr_lt(u, p), dtype_of(p))));
}
COMPOSITE(bernoulli_float_)
{
    (void)op;
    double p = F(1);
    if (!(p >= 0 && p <= 1))
        return CR_FAIL_INT("bernoulli_ expects p to be in [0, 1], but got p=%g", p);
    cr_tensor *u = cr_uniform(
        cr_empty(sizes_of_tensor(T(0)), .dtype = CR_F32, .device = cr_tensor_device(T(0))));
    return cr_give(r, cr_copy_(T(0), cr_lt_scalar(u, p)));
}
COMPOSITE(rand)
GIVE(cr_uniform_(cr_empty(L(0), .dtype = or_default(FACTORY_DTYPE(1)),
                          .device = FACTORY_DEVICE(1))))
COMPOSITE(randn)
GIVE(normal(cr_empty(L(0), .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)), 0,
            1))
COMPOSITE(rand_like)
GIVE(cr_uniform_(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1))))
COMPOSITE(randn_like)
GIVE(normal(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1)), 0, 1))

/* 63 random bits modulo the range. */
static cr_tensor *randint(int64_t low, int64_t high, cr_ints size, cr_dtype dtype,
                          const char *device)
{
    if (low >= high)
        return cr_fail("random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
                       (long long)low, (long long)high);
    uint64_t range = (uint64_t)high - (uint64_t)low;
    if (range > INT64_MAX)
        return cr_fail("randint: the range from %lld to %lld is too large", (long long)low,
                       (long long)high);
    cr_tensor *bits = cr_random_bits(size, .dtype = CR_I64, .device = device);
    bits = cr_bitwise_and_scalar(bits, INT64_MAX);
    return cr_to_dtype(cr_add_scalar(cr_remainder_scalar(bits, (int64_t)range), low),
                       dtype ? dtype : CR_I64);
}
COMPOSITE(randint)
GIVE(randint(0, INT(0), L(1), FACTORY_DTYPE(2), FACTORY_DEVICE(2)))
COMPOSITE(randint_low)
GIVE(randint(INT(0), INT(1), L(2), FACTORY_DTYPE(3), FACTORY_DEVICE(3)))
COMPOSITE(randperm)
{
    (void)op;
    int64_t n = INT(0);
    if (n < 0)
        return CR_FAIL_INT("randperm: n must be non-negative, got %lld", (long long)n);
    cr_tensor *keys = cr_random_bits(n, .dtype = CR_I64, .device = FACTORY_DEVICE(1));
    cr_dtype dtype = FACTORY_DTYPE(1);
    return cr_give(r, cr_to_dtype(cr_sort(keys).indices, dtype ? dtype : CR_I64));
}

/* Kept where a uniform number reaches p, and scaled up. */
DECOMPOSE(native_dropout)
{
    (void)op;
    cr_tensor *x = T(0);
    double p = F(1);
    if (args[2].tag != CR_NONE && !INT(2))
        return cr_give_two(r, cr_clone(x), cr_ones_like(x, .dtype = CR_B8));
    cr_tensor *u =
        cr_uniform(cr_empty(sizes_of_tensor(x), .dtype = CR_F32, .device = cr_tensor_device(x)));
    cr_tensor *mask = cr_ge_scalar(u, p);
    if (p == 1)
        return cr_give_two(r, cr_zeros_like(x), cr_zeros_like(x, .dtype = CR_B8));
    return cr_give_two(r, cr_mul_scalar(cr_mul(x, mask), 1 / (1 - p)), mask);
}
static bool probability(const char *name, double p)
{
    if (!(p >= 0 && p <= 1))
        cr_fail("%s probability has to be between 0 and 1, but got %g", name, p);
    return p >= 0 && p <= 1;
}
COMPOSITE(dropout)
{
    (void)op;
    if (!probability("dropout", F(1)))
        return -1;
    if (!INT(2) || F(1) == 0 || !T(0)->numel)
        return cr_give(r, T(0));
    return cr_give(r, cr_native_dropout(T(0), F(1), true).output0);
}
/* Whole channels: the mask has the first two dimensions. */
COMPOSITE(feature_dropout)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!probability("dropout", F(1)))
        return -1;
    if (x->dim < 2)
        return CR_FAIL_INT("Feature dropout requires at least 2 dimensions in the input, got %s",
                           cr_describe(x));
    if (!INT(2) || F(1) == 0 || !x->numel)
        return cr_give(r, x);
    if (F(1) == 1)
        return cr_give(r, cr_mul_scalar(x, 0));
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d < 2 ? x->size[d] : 1;
    cr_tensor *noise =
        cr_empty(cr_make_ints(sizes, x->dim), .dtype = dtype_of(x), .device = cr_tensor_device(x));
    noise = cr_div_scalar(cr_bernoulli_float_(noise, .p = {1 - F(1), true}), 1 - F(1));
    return cr_give(r, cr_mul(x, noise));
}
