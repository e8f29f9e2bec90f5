/* Relatives of the gamma function: series and recurrences over whole tensors, differentiable as they stand. */
#include <math.h>

#include "core/ops/compose.h"

/* Hurwitz's zeta ζ(s, x) = Σ (x + k)^-s for s > 1, after Euler and Maclaurin (NIST DLMF 25.11.28), which begins at x + terms:
 * that has to be 10 or more. */
static cr_tensor *hurwitz(cr_tensor *s, cr_tensor *x, int terms)
{
    static const double bernoulli[] = {1. / 6,  -1. / 30,     1. / 42, -1. / 30,
                                       5. / 66, -691. / 2730, 7. / 6,  -3617. / 510};
    cr_tensor *down = cr_neg(s), *sum = cr_pow(x, down), *y = cr_add_scalar(x, terms);
    for (int k = 1; k < terms; k++)
        sum = cr_add(sum, cr_pow(cr_add_scalar(x, k), down));
    cr_tensor *power = cr_pow(y, down), *square = cr_square(y), *factor = s;
    cr_tensor *rest = cr_div(cr_mul(power, y), cr_sub_scalar(s, 1));
    sum = cr_add(sum, cr_add(rest, cr_mul_scalar(power, 0.5)));
    power = cr_div(power, y);
    for (int j = 0; j < (int)(sizeof bernoulli / sizeof *bernoulli);
         j++) { /* B₂ⱼ/(2j)! s(s+1)…(s+2j-2) y^-(s+2j-1) */
        double twice = 2.0 * (j + 1);
        sum = cr_add(sum, cr_mul_scalar(cr_mul(power, factor), bernoulli[j] / tgamma(twice + 1)));
        factor = cr_mul(factor, cr_mul(cr_add_scalar(s, twice - 1), cr_add_scalar(s, twice)));
        power = cr_div(power, square);
    }
    return sum;
}
static cr_tensor *zeta(double s, cr_tensor *x)
{
    return hurwitz(number_like(x, cr_float_scalar(s), dtype_of(x)), x, 10);
}

/* ζ(self, other) for all arguments: ∞ at the poles, NaN where self < 1, for fractional powers of what is negative and, as in
 * PyTorch, at infinity. */
DECOMPOSE(special_zeta)
{
    (void)op;
    enum { DEEPEST = 10000 }; /* other is at least -DEEPEST, or the result is NaN */
    cr_tensor *s = cr_to_dtype(T(0), CR_F64), *x = cr_to_dtype(T(1), CR_F64);
    if (!s || !x)
        return -1;
    cr_tensor *whole = cr_eq(cr_floor(x), x), *low = cr_le_scalar(x, 0),
              *pole = cr_logical_or(cr_eq_scalar(s, 1), cr_logical_and(low, whole));
    cr_tensor *none = cr_logical_or(cr_lt_scalar(s, 1), cr_lt_scalar(x, -DEEPEST));
    none = cr_logical_or(none, cr_logical_or(cr_isnan(s), cr_isinf(x)));
    none = cr_logical_or(none, cr_isnan(x));
    none = cr_logical_or(none, cr_logical_and(low, cr_ne(cr_floor(s), s)));
    cr_tensor *skip = cr_logical_or(pole, none);
    cr_tensor *safe = cr_masked_fill_scalar(x, skip, 1);
    double least = safe && safe->numel ? cr_item(cr_amin(safe)) : 1;
    cr_tensor *y =
        hurwitz(cr_masked_fill_scalar(s, skip, 2), safe, least < 0 ? 11 - (int)least : 10);
    y = cr_masked_fill_scalar(y, cr_logical_and(pole, cr_ge_scalar(s, 1)), INFINITY);
    return cr_give(
        r, coarse(cr_masked_fill_scalar(y, cr_logical_and(none, cr_ne_scalar(s, 1)), NAN), T(0)));
}

/* ψ⁽ⁿ⁾(x): (-1)ⁿ⁺¹ n! ζ(n + 1, x); of the trigamma function also below 0, by reflection. */
COMPOSITE(polygamma)
{
    (void)op;
    int64_t n = INT(0);
    cr_tensor *x = is_float(T(1)) ? fine(T(1)) : cr_to_dtype(T(1), CR_F32);
    if (n < 0)
        return CR_FAIL_INT("polygamma(n, x) does not support negative n.");
    if (n > 100)
        return CR_FAIL_INT("polygamma: n must be at most 100, got %lld", (long long)n);
    if (!n)
        return cr_give(r, cr_digamma(T(1)));
    cr_tensor *y;
    if (n == 1) {
        cr_tensor *low = cr_lt_scalar(x, 0.5), *safe = cr_where(low, cr_rsub_scalar(x, 1), x);
        cr_tensor *sine = cr_sin(cr_mul_scalar(cr_where_scalar_other(low, x, 0.5), M_PI));
        cr_tensor *up = zeta(2, safe);
        y = cr_where(low, cr_sub(cr_div(cr_full_like(sine, M_PI * M_PI), cr_square(sine)), up), up);
    } else {
        y = cr_mul_scalar(zeta((double)n + 1, x), (n % 2 ? 1 : -1) * tgamma((double)n + 1));
    }
    return cr_give(r, coarse(y, is_float(T(1)) ? T(1) : x));
}

/* log of the multivariate gamma function of dimension p. */
COMPOSITE(mvlgamma)
{
    (void)op;
    cr_tensor *x = is_float(T(0)) ? T(0) : cr_to_dtype(T(0), CR_F32);
    int64_t p = INT(1);
    if (p < 1 || p > 1000)
        return CR_FAIL_INT("mvlgamma: p has to be 1 to 1000, got %lld", (long long)p);
    cr_tensor *sum = cr_lgamma(x);
    for (int64_t j = 1; j < p; j++)
        sum = cr_add(sum, cr_lgamma(cr_sub_scalar(x, (double)j / 2)));
    return cr_give(r, cr_add_scalar(sum, (double)(p * (p - 1)) / 4 * log(M_PI)));
}

/* ---- the incomplete gamma functions P(a, x) and Q = 1 - P ---- */

/* Both by series below x = a + 1 and continued fraction above (Gautschi, 1979; DLMF 8.11.4 and 8.9.2), all elements through as
 * many steps as the slowest may need. */
static cr_tensor *incomplete(const char *name, cr_tensor *a, cr_tensor *x, bool upper)
{
    enum { STEPS = 2000 };
    if (!is_float(a) || !is_float(x))
        return cr_fail("%s: needs floating-point tensors, not %s and %s", name,
                       cr_dtype_name(dtype_of(a)), cr_dtype_name(dtype_of(x)));
    cr_tensor *like = cr_add(a, x);
    if (!like)
        return NULL;
    a = cr_to_dtype(cr_expand_as(a, like), CR_F64);
    x = cr_to_dtype(cr_expand_as(x, like), CR_F64);
    cr_tensor *bad = cr_logical_or(cr_logical_or(cr_lt_scalar(a, 0), cr_lt_scalar(x, 0)),
                                   cr_logical_or(cr_isnan(a), cr_isnan(x)));
    bad = cr_logical_or(bad, cr_logical_and(cr_eq_scalar(a, 0), cr_eq_scalar(x, 0)));
    cr_tensor *none = cr_logical_or(cr_eq_scalar(x, 0), bad),
              *all = cr_logical_and(cr_eq_scalar(a, 0), cr_logical_not(none));
    cr_tensor *far = cr_logical_and(cr_isinf(x), cr_logical_not(cr_isinf(a)));
    cr_tensor *skip = cr_logical_or(cr_logical_or(none, all), cr_logical_or(far, cr_isinf(a)));
    cr_tensor *p = cr_masked_fill_scalar(a, skip, 1), *z = cr_masked_fill_scalar(x, skip, 1);
    cr_tensor *front = cr_exp(cr_sub(cr_sub(cr_mul(p, cr_log(z)), z), cr_lgamma(p)));
    cr_tensor *below = cr_lt(z, cr_add_scalar(p, 1));
    cr_tensor *zs = cr_where(below, z, p), *zc = cr_where(below, cr_add_scalar(p, 1), z);
    cr_tensor *term = cr_reciprocal(p), *sum = cr_clone(term);
    cr_tensor *b = cr_rsub_scalar(cr_sub(p, zc), 1), *c = cr_full_like(b, 1e300),
              *d = cr_reciprocal(b), *h = cr_clone(d);
    bool moving = true;
    for (int n = 1; n <= STEPS && moving; n++) {
        CR_SCOPE {
            cr_tensor *an = cr_mul_scalar(cr_rsub_scalar(p, n), -n), *change = NULL;
            cr_copy_(term, cr_div(cr_mul(term, zs), cr_add_scalar(p, n)));
            cr_add_(sum, term);
            cr_add_scalar_(b, 2);
            cr_copy_(d, cr_reciprocal(cr_add(cr_mul(an, d), b)));
            cr_copy_(c, cr_add(b, cr_div(an, c)));
            if ((change = cr_mul(d, c)))
                cr_mul_(h, change);
            if (n % 16 == 0) {
                cr_tensor *open = cr_gt(term, cr_mul_scalar(sum, 1e-16));
                open = cr_any(
                    cr_logical_or(open, cr_gt_scalar(cr_abs(cr_sub_scalar(change, 1)), 1e-15)));
                moving = open && cr_item(open) != 0;
            }
        }
    }
    cr_tensor *lower = cr_mul(front, sum), *over = cr_mul(front, h);
    cr_tensor *y = upper ? cr_where(below, cr_rsub_scalar(lower, 1), over)
                         : cr_where(below, lower, cr_rsub_scalar(over, 1));
    y = cr_masked_fill_scalar(y, none, upper);
    y = cr_masked_fill_scalar(y, cr_logical_or(all, far), !upper);
    y = cr_masked_fill_scalar(y, cr_logical_and(cr_isinf(a), cr_logical_not(cr_isinf(x))), upper);
    y = cr_masked_fill_scalar(y, cr_logical_or(bad, cr_logical_and(cr_isinf(a), cr_isinf(x))), NAN);
    return cr_to_dtype(y, dtype_of(like));
}
DECOMPOSE(igamma)
GIVE(incomplete("igamma", T(0), T(1), false))
DECOMPOSE(igammac)
GIVE(incomplete("igammac", T(0), T(1), true))
