/* The normal distribution's functions, entropies and logarithms that forgive zeros; derivatives/special.c has their gradients. */
#include <math.h>

#include "core/ops/compose.h"

/* -x log x, 0 at 0, -∞ below. */
DECOMPOSE(special_entr)
{
    (void)op;
    cr_tensor *x = T(0), *above = cr_gt_scalar(x, 0), *nan = cr_isnan(x);
    cr_tensor *y = cr_neg(cr_mul(x, cr_log(cr_where_scalar_other(above, x, 1))));
    y = cr_where_scalar_other(cr_logical_or(above, nan), y, 0);
    return cr_give(r, coarse(cr_masked_fill_scalar(y, cr_lt_scalar(x, 0), -INFINITY), x));
}

/* x f(y), 0 where x is 0 and y is no NaN. */
static cr_tensor *times_log(cr_tensor *x, cr_tensor *y, bool plus_one)
{
    cr_tensor *none = cr_logical_and(cr_eq_scalar(x, 0), cr_logical_not(cr_isnan(y)));
    return cr_masked_fill_scalar(cr_mul(x, plus_one ? cr_log1p(y) : cr_log(y)), none, 0);
}
DECOMPOSE(xlogy)
GIVE(times_log(T(0), T(1), false))
DECOMPOSE(special_xlog1py)
GIVE(times_log(T(0), T(1), true))

/* e^(x²) erfc(x), from 10 on by its asymptotic series Σ (-1)ᵏ (2k-1)!! / (2x²)ᵏ / (x √π) (DLMF 7.12.1). */
static cr_tensor *scaled_erfc(cr_tensor *x)
{
    enum { TERMS = 9, LIMIT = 10 };
    cr_tensor *far = cr_gt_scalar(x, LIMIT), *near = cr_where_scalar_self(far, 0, x),
              *big = cr_where_scalar_other(far, x, LIMIT);
    cr_tensor *low = cr_mul(cr_exp(cr_square(near)), cr_erfc(near));
    cr_tensor *step = cr_mul_scalar(cr_reciprocal(cr_square(big)), -0.5), *sum = cr_ones_like(big);
    for (int k = TERMS; k >= 1; k--)
        sum = cr_add_scalar(cr_mul(cr_mul_scalar(step, 2 * k - 1), sum), 1);
    return cr_where(far, cr_div(sum, cr_mul_scalar(big, sqrt(M_PI))), low);
}
DECOMPOSE(special_erfcx)
GIVE(coarse(scaled_erfc(cr_to_dtype(T(0), CR_F64)), T(0)))

COMPOSITE(special_ndtr)
{
    (void)op;
    cr_tensor *x = is_float(T(0)) ? T(0) : cr_to_dtype(T(0), CR_F32);
    cr_tensor *y = cr_mul_scalar(cr_erfc(cr_mul_scalar(fine(x), -M_SQRT1_2)), 0.5);
    return cr_give(r, coarse(y, x));
}

/* log Φ(x): through erfcx where Φ is small. */
static cr_tensor *log_normal(cr_tensor *x)
{
    cr_tensor *low = cr_lt_scalar(x, -1), *down = cr_where_scalar_other(low, x, -1),
              *up = cr_where_scalar_self(low, 0, x);
    cr_tensor *tail = cr_log(cr_mul_scalar(scaled_erfc(cr_mul_scalar(down, -M_SQRT1_2)), 0.5));
    tail = cr_sub(tail, cr_mul_scalar(cr_square(down), 0.5));
    cr_tensor *body = cr_log1p(cr_mul_scalar(cr_erfc(cr_mul_scalar(up, M_SQRT1_2)), -0.5));
    return cr_where(low, tail, body);
}
DECOMPOSE(special_log_ndtr)
GIVE(coarse(log_normal(cr_to_dtype(T(0), CR_F64)), T(0)))

/* Φ⁻¹(p): a guess (Abramowitz and Stegun 26.2.22), then Newton's method on log Φ, which is concave, in the lower half; the upper
 * half is its mirror image. */
DECOMPOSE(special_ndtri)
{
    (void)op;
    enum { STEPS = 5 };
    cr_tensor *p = cr_to_dtype(T(0), CR_F64), *upper = cr_gt_scalar(p, 0.5);
    cr_tensor *tail = cr_where(upper, cr_rsub_scalar(p, 1), p);
    cr_tensor *inside = cr_gt_scalar(tail, 0), *safe = cr_where_scalar_other(inside, tail, 0.5);
    cr_tensor *goal = cr_log(safe), *t = cr_sqrt(cr_mul_scalar(goal, -2));
    cr_tensor *over = cr_add_scalar(cr_mul_scalar(t, 0.27061), 2.30753);
    cr_tensor *under =
        cr_add_scalar(cr_mul(cr_add_scalar(cr_mul_scalar(t, 0.04481), 0.99229), t), 1);
    cr_tensor *x = cr_sub(cr_div(over, under), t);
    for (int i = 0; i < STEPS; i++) { /* (log Φ)' = √(2/π) / erfcx(-x/√2) */
        cr_tensor *slope = cr_reciprocal(scaled_erfc(cr_mul_scalar(x, -M_SQRT1_2)));
        cr_tensor *miss = cr_sub(log_normal(x), goal);
        x = cr_sub(x, cr_div(miss, cr_mul_scalar(slope, sqrt(2 / M_PI))));
    }
    x = cr_where(upper, cr_neg(x), x);
    x = cr_masked_fill_scalar(x, cr_eq_scalar(p, 0), -INFINITY);
    x = cr_masked_fill_scalar(x, cr_eq_scalar(p, 1), INFINITY);
    cr_tensor *within = cr_logical_and(cr_ge_scalar(p, 0), cr_le_scalar(p, 1));
    return cr_give(r, coarse(cr_masked_fill_scalar(x, cr_logical_not(within), NAN), T(0)));
}
