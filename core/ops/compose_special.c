/* Elementwise functions said with simpler ones; their derivatives follow from those. */
#include <math.h>

#include "core/ops/compose.h"

COMPOSITE(logit)
{
    (void)op;
    cr_tensor *x = is_float(T(0)) ? T(0) : cr_to_dtype(T(0), cr_default_dtype());
    if (args[1].tag != CR_NONE)
        x = cr_clamp(x, .min = CR_S(F(1)), .max = CR_S(1 - F(1)));
    return cr_give(r, cr_log(cr_div(x, cr_rsub_scalar(x, 1))));
}

/* ---- more of two tensors ---- */

/* Infinities of one sign stay what they are: their difference isn't looked at. */
static cr_tensor *log_add(cr_tensor *a, cr_tensor *b, bool base2)
{
    cr_tensor *most = cr_maximum(a, b), *away = cr_neg(cr_abs(cr_sub(a, b)));
    away = cr_masked_fill_scalar(away, cr_eq(a, b), 0);
    cr_tensor *more =
        base2 ? cr_div_scalar(cr_log1p(cr_exp2(away)), M_LN2) : cr_log1p(cr_exp(away));
    return cr_where(cr_logical_and(cr_isinf(most), cr_eq(a, b)), most, cr_add(most, more));
}
COMPOSITE(logaddexp)
GIVE(log_add(T(0), T(1), false))
COMPOSITE(logaddexp2)
GIVE(log_add(T(0), T(1), true))
COMPOSITE(hypot)
GIVE(cr_sqrt(cr_add(cr_square(T(0)), cr_square(T(1)))))
COMPOSITE(fmax)
GIVE(cr_where(cr_isnan(T(0)), T(1), cr_where(cr_isnan(T(1)), T(0), cr_maximum(T(0), T(1)))))
COMPOSITE(fmin)
GIVE(cr_where(cr_isnan(T(0)), T(1), cr_where(cr_isnan(T(1)), T(0), cr_minimum(T(0), T(1)))))
COMPOSITE(heaviside)
{
    (void)op;
    cr_tensor *x = T(0), *at_zero = T(1);
    if (dtype_of(x) != dtype_of(at_zero))
        return CR_FAIL_INT("heaviside is not yet implemented for tensors with different dtypes.");
    cr_tensor *step = cr_to_dtype(cr_gt_scalar(x, 0), dtype_of(x));
    return cr_give(r, cr_where(cr_eq_scalar(x, 0), at_zero, step));
}

/* ---- more of one ---- */

COMPOSITE(sinc)
{
    (void)op;
    cr_tensor *x = cr_mul_scalar(T(0), M_PI), *zero = cr_eq_scalar(x, 0);
    return cr_give(
        r, cr_where_scalar_self(zero, 1, cr_div(cr_sin(x), cr_masked_fill_scalar(x, zero, 1))));
}
/* Of real numbers: π below 0. */
DECOMPOSE(angle)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_tensor *y = cr_masked_fill_scalar(cr_zeros_like(x), cr_lt_scalar(x, 0), M_PI);
    return cr_give(r, cr_masked_fill_scalar(y, cr_isnan(x), NAN));
}
COMPOSITE(deg2rad)
GIVE(cr_mul_scalar(T(0), M_PI / 180))
COMPOSITE(rad2deg)
GIVE(cr_mul_scalar(T(0), 180 / M_PI))
COMPOSITE(signbit)
GIVE(is_float(T(0)) ? cr_lt_scalar(cr_copysign(cr_ones_like(T(0)), T(0)), 0)
                    : cr_lt_scalar(T(0), 0))
COMPOSITE(sgn)
GIVE(cr_sign(T(0)))

/* The greatest finite number of a dtype. */
static double greatest(cr_dtype dtype)
{
    return dtype == CR_F64   ? 0x1.fffffffffffffp1023
           : dtype == CR_F32 ? 0x1.fffffep127
           : dtype == CR_F16 ? 65504
                             : 0x1.fep127;
}
COMPOSITE(nan_to_num)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!is_float(x))
        return cr_give(r, cr_clone(x));
    double most = greatest(dtype_of(x));
    cr_tensor *y = cr_masked_fill_scalar(x, cr_isnan(x), args[1].tag == CR_NONE ? 0 : F(1));
    y = cr_masked_fill_scalar(y, cr_eq_scalar(x, INFINITY), args[2].tag == CR_NONE ? most : F(2));
    return cr_give(r, cr_masked_fill_scalar(y, cr_eq_scalar(x, -INFINITY),
                                            args[3].tag == CR_NONE ? -most : F(3)));
}
