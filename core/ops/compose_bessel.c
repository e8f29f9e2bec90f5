/* Bessel functions over whole tensors: series and integrals near 0, asymptotic expansions far from it. They compute in float64
 * whatever the dtype, and round once. */
#include <math.h>

#include "core/ops/compose.h"

/* Σ c[i] tⁱ, Horner's scheme. */
static cr_tensor *polynomial(cr_tensor *t, const double *c, int count)
{
    cr_tensor *sum = cr_full_like(t, c[count - 1]);
    for (int i = count - 2; i >= 0; i--)
        sum = cr_add_scalar(cr_mul(sum, t), c[i]);
    return sum;
}

/* ---- modified, of the first kind: I₀ and I₁ ---- */

/* Iᵥ(|x|) for v 0 or 1, times e^-|x| where scaled: its series up to 20, the asymptotic expansion beyond (DLMF 10.25.2 and 10.40.1);
 * all terms of the series have one sign. */
static cr_tensor *modified(cr_tensor *x, int v, bool scaled)
{
    enum { TERMS = 52, ASYMPTOTIC = 24, LIMIT = 20 };
    x = cr_abs(cr_to_dtype(x, CR_F64));
    double series[TERMS] = {1}, far[ASYMPTOTIC] = {1};
    for (int k = 1; k < TERMS; k++)
        series[k] = series[k - 1] / ((double)k * (k + v));
    for (int k = 1; k < ASYMPTOTIC; k++)
        far[k] = far[k - 1] * ((2.0 * k - 1) * (2.0 * k - 1) - 4 * v) / (8.0 * k);
    cr_tensor *small = cr_le_scalar(x, LIMIT), *near = cr_where_scalar_other(small, x, 0),
              *big = cr_where_scalar_self(small, LIMIT, x);
    cr_tensor *low = polynomial(cr_div_scalar(cr_square(near), 4), series, TERMS);
    if (v)
        low = cr_mul(low, cr_div_scalar(near, 2));
    cr_tensor *high = cr_div(polynomial(cr_reciprocal(big), far, ASYMPTOTIC),
                             cr_sqrt(cr_mul_scalar(big, 2 * M_PI)));
    if (scaled)
        low = cr_mul(low, cr_exp(cr_neg(near)));
    else
        high = cr_mul(high, cr_exp(big));
    cr_tensor *y = cr_where(small, low, high);
    return cr_masked_fill_scalar(y, cr_isnan(x), NAN);
}
/* I₁ is odd. */
static cr_tensor *odd(cr_tensor *y, cr_tensor *x)
{
    return cr_mul(y, cr_where_scalar(cr_lt_scalar(x, 0), -1.0, 1.0));
}
DECOMPOSE(i0)
GIVE(coarse(modified(T(0), 0, false), T(0)))
DECOMPOSE(special_i0e)
GIVE(coarse(modified(T(0), 0, true), T(0)))
DECOMPOSE(special_i1)
GIVE(coarse(odd(modified(T(0), 1, false), T(0)), T(0)))
DECOMPOSE(special_i1e)
GIVE(coarse(odd(modified(T(0), 1, true), T(0)), T(0)))

/* ---- of the first kind: J₀ and J₁ ---- */

/* Hankel's expansion for large x (DLMF 10.17.3): √(2/(πx)) (cos(w) P - sin(w) Q), and with sin(w) P + cos(w) Q for Y, where
 * w = x - (2v + 1)π/4. NaN at infinity, as in PyTorch. */
static cr_tensor *hankel(cr_tensor *x, int v, bool second)
{
    enum { TERMS = 12 };
    double p[TERMS], q[TERMS], a = 1;
    for (int k = 0; k < 2 * TERMS; k++) {
        (k % 2 ? q : p)[k / 2] = k % 4 < 2 ? a : -a;
        a *= (4.0 * v - (2.0 * k + 1) * (2.0 * k + 1)) / (8.0 * (k + 1));
    }
    cr_tensor *inverse = cr_reciprocal(x), *square = cr_square(inverse);
    cr_tensor *w = cr_sub_scalar(x, (2 * v + 1) * M_PI / 4);
    cr_tensor *even = polynomial(square, p, TERMS),
              *uneven = cr_mul(polynomial(square, q, TERMS), inverse), *wave;
    if (second)
        wave = cr_add(cr_mul(cr_sin(w), even), cr_mul(cr_cos(w), uneven));
    else
        wave = cr_sub(cr_mul(cr_cos(w), even), cr_mul(cr_sin(w), uneven));
    return cr_mul(wave, cr_sqrt(cr_mul_scalar(inverse, 2 / M_PI)));
}

/* J₀(x) = 1/π ∫ cos(x sin t) dt and J₁(x) = 1/π ∫ sin(x sin t) sin t dt over half a turn (DLMF 10.9.1), by the trapezoid rule,
 * which is exact to rounding up to 25 with 64 points; they fall on 32 sines. */
static cr_tensor *near_first(cr_tensor *x, int v)
{
    enum { POINTS = 64 };
    cr_tensor *sum = NULL;
    for (int k = 0; k <= POINTS / 2; k++) {
        double sine = sin(M_PI * k / POINTS), weight = (k && k < POINTS / 2 ? 2.0 : 1.0) / POINTS;
        cr_tensor *angle = cr_mul_scalar(x, sine);
        cr_tensor *term =
            v ? cr_mul_scalar(cr_sin(angle), weight * sine) : cr_mul_scalar(cr_cos(angle), weight);
        sum = sum ? cr_add(sum, term) : term;
    }
    return sum;
}
static cr_tensor *first_kind(cr_tensor *x, int v)
{
    enum { LIMIT = 25 };
    cr_tensor *wide = cr_to_dtype(x, CR_F64), *size = cr_abs(wide);
    cr_tensor *small = cr_le_scalar(size, LIMIT), *big = cr_where_scalar_self(small, LIMIT, size);
    cr_tensor *y = cr_where(small, near_first(cr_where_scalar_other(small, size, 0), v),
                            hankel(big, v, false));
    return coarse(v ? odd(y, wide) : y, x);
}
DECOMPOSE(special_bessel_j0)
GIVE(first_kind(T(0), 0))
DECOMPOSE(special_bessel_j1)
GIVE(first_kind(T(0), 1))

/* ---- of the second kind: Y₀ and Y₁ ---- */

/* By their series up to 12 (DLMF 10.8.1 and 10.8.2) and Hankel's expansion beyond; both are within 1e-10 there. */
static cr_tensor *second_kind(cr_tensor *x, int v)
{
    enum { TERMS = 44, LIMIT = 12 };
    const double euler = 0.57721566490153286061;
    double c[TERMS], factor = 1,
                     harmonic = 0; /* of (-x²/4)ᵏ / (k! (k + v)!), ψ(k + 1) + ψ(k + v + 1) */
    for (int k = 0; k < TERMS; k++) {
        c[k] = factor * (2 * (harmonic - euler) + (v ? 1.0 / (k + 1) : 0));
        factor /= -(k + 1.0) * (k + 1 + v);
        harmonic += 1.0 / (k + 1);
    }
    cr_tensor *wide = cr_to_dtype(x, CR_F64), *far = cr_gt_scalar(wide, LIMIT);
    cr_tensor *small = cr_logical_and(cr_gt_scalar(wide, 0), cr_le_scalar(wide, LIMIT));
    cr_tensor *near = cr_where_scalar_other(small, wide, 1),
              *big = cr_where_scalar_other(far, wide, LIMIT), *half = cr_div_scalar(near, 2);
    cr_tensor *sum = polynomial(cr_square(half), c, TERMS), *low;
    low = cr_mul(cr_mul_scalar(cr_log(half), 2 / M_PI), near_first(near, v));
    if (v)
        low = cr_sub(low, cr_add(cr_div_scalar(cr_mul(sum, half), M_PI),
                                 cr_div_scalar(cr_reciprocal(half), M_PI)));
    else
        low = cr_sub(low, cr_div_scalar(sum, M_PI));
    cr_tensor *y = cr_where(small, low, hankel(big, v, true));
    y = cr_masked_fill_scalar(y, cr_eq_scalar(wide, 0), -INFINITY);
    cr_tensor *none = cr_logical_or(cr_lt_scalar(wide, 0), cr_isnan(wide));
    return coarse(cr_masked_fill_scalar(y, none, NAN), x);
}
DECOMPOSE(special_bessel_y0)
GIVE(second_kind(T(0), 0))
DECOMPOSE(special_bessel_y1)
GIVE(second_kind(T(0), 1))
