/* Elementwise operations said with others. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- a number as the second operand: a 0-d tensor in its place ---- */

DECOMPOSE(binary_scalar)
{
    /* The number takes part in the computation's dtype, which inference has cast self to. */
    cr_tensor *x = T(0), *other = number_like(x, S(1), dtype_of(x));
    const char *name = op->name;
    if (other)
        other->flags |= CR_FLAG_WRAPPED;
    switch (name[0]) {
    case 'a': return cr_give(r, cr_add(x, other, .alpha = S(2)));
    case 's': return cr_give(r, cr_sub(x, other, .alpha = S(2)));
    case 'm': return cr_give(r, cr_mul(x, other));
    case 'd': return cr_give(r, cr_div(x, other));
    case 'f': return cr_give(r, cr_fmod(x, other));
    case 'r': return cr_give(r, cr_remainder(x, other));
    case 'e': return cr_give(r, cr_eq(x, other));
    case 'n': return cr_give(r, cr_ne(x, other));
    case 'l': return cr_give(r, name[1] == 't' ? cr_lt(x, other) : cr_le(x, other));
    case 'g': return cr_give(r, name[1] == 't' ? cr_gt(x, other) : cr_ge(x, other));
    default: /* bitwise_and, bitwise_or, bitwise_xor */
        return cr_give(r, name[8] == 'a'   ? cr_bitwise_and(x, other)
                          : name[8] == 'o' ? cr_bitwise_or(x, other)
                                           : cr_bitwise_xor(x, other));
    }
}

DECOMPOSE(rsub_scalar)
GIVE(cr_sub(number_like(T(0), S(1), dtype_of(T(0))), T(0), .alpha = S(2)))
COMPOSITE(rsub)
GIVE(cr_sub(T(1), T(0), .alpha = S(2)))

DECOMPOSE(pow_scalar)
{
    cr_tensor *x = T(0);
    double y = F(1);
    (void)op;
    if (y == 2)
        return cr_give(r, cr_mul(x, x));
    if (y == 3)
        return cr_give(r, cr_mul(cr_mul(x, x), x));
    if (is_float(x) && y == 0.5)
        return cr_give(r, cr_sqrt(x));
    if (is_float(x) && y == -1)
        return cr_give(r, cr_reciprocal(x));
    return cr_give(r, cr_pow(x, number_like(x, S(1), dtype_of(x))));
}
DECOMPOSE(pow_base)
GIVE(cr_pow(number_like(T(1), S(0), dtype_of(T(1))), T(1)))

/* div with a rounding mode: without one it is div; floats round the quotient. */
DECOMPOSE(div_mode)
{
    (void)op;
    const char *mode = args[2].tag == CR_NONE ? NULL : args[2].as.s;
    cr_tensor *a = T(0), *b = T(1);
    if (!mode)
        return cr_give(r, cr_div(a, b));
    if (is_float(a) || is_float(b)) {
        if (mode[0] == 't')
            return cr_give(r, cr_trunc(cr_div(a, b)));
        /* floor as Python's //: (a - a mod b) / b, rounded, so that 1 // 0.1 is 9 */
        cr_tensor *quotient = cr_div(cr_sub(a, cr_remainder(a, b)), b);
        cr_tensor *plain = cr_floor(cr_div(a, b));
        return cr_give(r, cr_where(cr_isfinite(quotient), cr_round(quotient), plain));
    }
    return CR_FAIL_INT("div: no plan for integer division");
}
COMPOSITE(div_scalar_mode)
{
    (void)op;
    cr_tensor *other = number_like(
        T(0), S(1), args[1].tag == CR_FLOAT && is_float(T(0)) ? dtype_of(T(0)) : CR_DTYPE_NONE);
    if (other)
        other->flags |= CR_FLAG_WRAPPED;
    return cr_give(r, cr_div_mode(T(0), other, args[2].tag == CR_NONE ? NULL : args[2].as.s));
}
COMPOSITE(floor_divide)
GIVE(cr_div_mode(T(0), T(1), "floor"))

COMPOSITE(square)
GIVE(cr_pow_scalar(T(0), 2))
COMPOSITE(positive)
GIVE(cr_alias(T(0)))
COMPOSITE(frac)
GIVE(cr_sub(T(0), cr_trunc(T(0))))
COMPOSITE(isnan)
GIVE(cr_ne(T(0), T(0)))
COMPOSITE(isinf)
{
    (void)op;
    if (!is_float(T(0)))
        return cr_give(r, cr_zeros_like(T(0), .dtype = CR_B8));
    return cr_give(r, cr_eq_scalar(cr_abs(T(0)), INFINITY));
}
COMPOSITE(isfinite)
{
    (void)op;
    if (!is_float(T(0)))
        return cr_give(r, cr_ones_like(T(0), .dtype = CR_B8));
    return cr_give(r, cr_logical_and(cr_eq(T(0), T(0)), cr_ne_scalar(cr_abs(T(0)), INFINITY)));
}

/* Rounding of integers, the sign of bools. */
DECOMPOSE(identity)
GIVE(cr_clone(T(0)))

/* ---- where, clamp and their like ---- */

COMPOSITE(where_scalar_other)
GIVE(cr_where(T(0), T(1), wrapped(T(0), S(2))))
COMPOSITE(where_scalar_self)
GIVE(cr_where(T(0), wrapped(T(0), S(1)), T(2)))
COMPOSITE(where_scalar)
GIVE(cr_where(T(0), wrapped(T(0), S(1)), wrapped(T(0), S(2))))

DECOMPOSE(clamp_min)
GIVE(cr_maximum(T(0), number_like(T(0), S(1), dtype_of(T(0)))))
DECOMPOSE(clamp_max)
GIVE(cr_minimum(T(0), number_like(T(0), S(1), dtype_of(T(0)))))
DECOMPOSE(clamp)
{
    (void)op;
    cr_tensor *x = T(0);
    if (args[1].tag)
        x = cr_maximum(x, number_like(x, S(1), dtype_of(x)));
    if (args[2].tag)
        x = cr_minimum(x, number_like(x, S(2), dtype_of(x)));
    return cr_give(r, x);
}
COMPOSITE(clamp_tensor)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!T(1) && !T(2))
        return CR_FAIL_INT("clamp: At least one of 'min' or 'max' must not be None");
    if (T(1))
        x = cr_maximum(x, T(1));
    if (T(2))
        x = cr_minimum(x, T(2));
    return cr_give(r, x);
}

DECOMPOSE(addcmul)
GIVE(cr_add(T(0), cr_mul(T(1), T(2)), .alpha = S(3)))
DECOMPOSE(addcdiv)
GIVE(cr_add(T(0), cr_div(T(1), T(2)), .alpha = S(3)))

/* Exact at both ends: from the nearer one. */
DECOMPOSE(lerp_scalar)
{
    (void)op;
    double w = F(2);
    cr_tensor *gap = cr_sub(T(1), T(0));
    return cr_give(r, fabs(w) < 0.5 ? cr_add(T(0), gap, .alpha = CR_S(w))
                                    : cr_sub(T(1), gap, .alpha = CR_S(1 - w)));
}
COMPOSITE(lerp)
GIVE(cr_add(T(0), cr_mul(T(2), cr_sub(T(1), T(0)))))

DECOMPOSE(masked_fill_scalar)
GIVE(cr_where(T(1), number_like(T(0), S(2), dtype_of(T(0))), T(0)))
COMPOSITE(masked_fill)
{
    (void)op;
    if (T(2)->dim)
        return CR_FAIL_INT("masked_fill: only supports a 0-dimensional value tensor, but got "
                           "tensor with %d dimension(s).",
                           T(2)->dim);
    return cr_give(r, cr_where(T(1), cr_to_dtype(T(2), dtype_of(T(0))), T(0)));
}
COMPOSITE(isclose)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    double rtol = F(2), atol = F(3);
    if (dtype_of(a) != dtype_of(b))
        return CR_FAIL_INT("isclose: %s did not match %s", cr_dtype_name(dtype_of(a)),
                           cr_dtype_name(dtype_of(b)));
    cr_tensor *close = cr_eq(a, b);
    if (INT(4) && is_float(a))
        close = cr_logical_or(close, cr_logical_and(cr_isnan(a), cr_isnan(b)));
    if (rtol == 0 && atol == 0)
        return cr_give(r, close);
    if (!is_float(a)) {
        a = cr_to_dtype(a, CR_F64);
        b = cr_to_dtype(b, CR_F64);
    }
    cr_tensor *allowed = cr_add_scalar(cr_abs(cr_mul_scalar(b, rtol)), atol),
              *error = cr_abs(cr_sub(a, b));
    return cr_give(r,
                   cr_logical_or(close, cr_logical_and(cr_isfinite(error), cr_le(error, allowed))));
}

/* ---- activations ---- */

DECOMPOSE(relu)
GIVE(cr_maximum(T(0), number_like(T(0), cr_int_scalar(0), dtype_of(T(0)))))
DECOMPOSE(threshold_backward)
GIVE(cr_where(cr_le_scalar(T(1), S(2)), number_like(T(0), cr_int_scalar(0), dtype_of(T(0))), T(0)))
DECOMPOSE(sigmoid_backward)
GIVE(cr_mul(T(0), cr_mul(cr_rsub_scalar(T(1), 1), T(1))))
DECOMPOSE(tanh_backward)
GIVE(cr_mul(T(0), cr_rsub_scalar(cr_mul(T(1), T(1)), 1)))

static const double half_sqrt_2 = 0.70710678118654752440, gelu_k = 0.79788456080286535588,
                    gelu_a = 0.044715;

/* k·(x + a·x³) */
static cr_tensor *gelu_inner(cr_tensor *x)
{
    return cr_mul_scalar(cr_mul(x, cr_add_scalar(cr_mul_scalar(cr_mul(x, x), gelu_a), 1)), gelu_k);
}
DECOMPOSE(gelu)
{
    (void)op;
    cr_tensor *x = T(0), *half = cr_mul_scalar(x, 0.5);
    cr_tensor *s =
        args[1].as.s[0] == 't' ? cr_tanh(gelu_inner(x)) : cr_erf(cr_mul_scalar(x, half_sqrt_2));
    return cr_give(r, cr_mul(half, cr_add_scalar(s, 1)));
}
DECOMPOSE(gelu_backward)
{
    (void)op;
    cr_tensor *g = T(0), *x = T(1);
    if (args[2].as.s[0] == 't') {
        cr_tensor *t = cr_tanh(gelu_inner(x)), *x2 = cr_mul(x, x);
        cr_tensor *inner = cr_mul_scalar(cr_add_scalar(cr_mul_scalar(x2, 3 * gelu_a), 1), gelu_k);
        cr_tensor *left = cr_mul_scalar(cr_add_scalar(t, 1), 0.5);
        cr_tensor *right =
            cr_mul(cr_mul_scalar(x, 0.5), cr_mul(cr_rsub_scalar(cr_mul(t, t), 1), inner));
        return cr_give(r, cr_mul(g, cr_add(left, right)));
    }
    cr_tensor *cdf = cr_mul_scalar(cr_add_scalar(cr_erf(cr_mul_scalar(x, half_sqrt_2)), 1), 0.5);
    cr_tensor *pdf =
        cr_mul_scalar(cr_exp(cr_mul_scalar(cr_mul(x, x), -0.5)), 0.39894228040143267794);
    return cr_give(r, cr_mul(g, cr_add(cdf, cr_mul(x, pdf))));
}
DECOMPOSE(silu)
GIVE(cr_mul(T(0), cr_sigmoid(T(0))))
DECOMPOSE(silu_backward)
{
    (void)op;
    cr_tensor *s = cr_sigmoid(T(1));
    cr_tensor *bend = cr_add_scalar(cr_mul(T(1), cr_rsub_scalar(s, 1)), 1);
    return cr_give(r, cr_mul(T(0), cr_mul(s, bend)));
}
DECOMPOSE(leaky_relu)
GIVE(cr_where(cr_gt_scalar(T(0), 0), T(0), cr_mul_scalar(T(0), S(1))))
DECOMPOSE(elu)
{
    (void)op;
    double alpha = F(1), scale = F(2), input_scale = F(3);
    cr_tensor *x = T(0),
              *below = cr_mul_scalar(cr_expm1(cr_mul_scalar(x, input_scale)), alpha * scale);
    return cr_give(r, cr_where(cr_gt_scalar(x, 0), cr_mul_scalar(x, scale), below));
}
DECOMPOSE(softplus)
{
    (void)op;
    cr_tensor *x = T(0), *scaled = cr_mul_scalar(x, S(1));
    cr_tensor *soft = cr_div_scalar(
        cr_log1p(cr_exp(cr_minimum(scaled, number_like(x, S(2), dtype_of(x))))), S(1));
    return cr_give(r, cr_where(cr_gt_scalar(scaled, S(2)), x, soft));
}
static cr_tensor *hardtanh(cr_tensor *x, cr_scalar low, cr_scalar high)
{
    if (dtype_of(x) == CR_B8)
        return cr_fail("Bool inputs not supported for hardtanh");
    if (dtype_of(x) == CR_U8 && (low.tag == CR_FLOAT ? low.as.f < 0 : low.as.i < 0))
        return cr_fail("cannot do hardtanh on an unsigned type with negative limits");
    return cr_clamp(x, .min = low, .max = high);
}
COMPOSITE(hardtanh)
GIVE(hardtanh(T(0), S(1), S(2)))
COMPOSITE(relu6)
GIVE(hardtanh(T(0), CR_S(0), CR_S(6)))
