// Elementwise operations on two inputs that take loops or f64, a function each; see unary.glsl. Floats want math_f64.glsl,
// math_circle.glsl and math_pow.glsl before where there is f64, whole numbers integer.glsl.
#if defined CLASS_FLOAT || defined CLASS_DOUBLE
// A float's bits as a whole number, by which remainders are computed; AT_ONCE more fit into it beside a mantissa.
#if defined CLASS_FLOAT
#define WHOLE uint
#define WHOLE_OF(x) floatBitsToUint(x)
#define REAL_OF(u) uintBitsToFloat(u)
#define SIGN 0x80000000u
#define MANTISSA 23
#define AT_ONCE 8
#else
#define WHOLE uint64_t
#define WHOLE_OF(x) doubleBitsToUint64(x)
#define REAL_OF(u) uint64BitsToDouble(u)
#define SIGN 0x8000000000000000ul
#define MANTISSA 52
#define AT_ONCE 11
#endif

// Without a sign: the exponent (1 for subnormals, too), and the mantissa with its leading one.
void split(WHOLE u, out int e, out WHOLE m)
{
    const WHOLE leading = WHOLE(1) << MANTISSA;
    e = max(int(u >> MANTISSA), 1);
    m = (u & (leading - WHOLE(1))) | (u >= leading ? leading : WHOLE(0));
}

// The exact remainder of finite numbers, by long division in pieces of AT_ONCE bits.
T mod_(T x, T y)
{
    const WHOLE leading = WHOLE(1) << MANTISSA, infinite = SIGN - leading;
    WHOLE sign = WHOLE_OF(x) & SIGN, a = WHOLE_OF(x) & ~SIGN, b = WHOLE_OF(y) & ~SIGN;
    if (a >= infinite || b > infinite || b == WHOLE(0))
        return REAL_OF(infinite | leading >> 1); // NaN
    if (a < b)
        return x;
    int ex, ey;
    WHOLE mx, my;
    split(a, ex, mx);
    split(b, ey, my);
    WHOLE r = mx % my;
    for (int n = ex - ey; n > 0; n -= AT_ONCE)
        r = (r << min(n, AT_ONCE)) % my;
    if (r == WHOLE(0))
        return REAL_OF(sign);
    int e = ey;
    while (r < leading && e > 1) {
        r <<= 1;
        e--;
    }
    WHOLE bits = r < leading ? r : WHOLE(e) << MANTISSA | (r & (leading - WHOLE(1)));
    return REAL_OF(bits | sign);
}
#undef WHOLE
#undef WHOLE_OF
#undef REAL_OF
#undef SIGN
#undef MANTISSA
#undef AT_ONCE

T signed_zero(T like)
{
    return like < T(0) || (like == T(0) && T(1) / like < T(0)) ? -T(0) : T(0);
}

T op_fmod(const T a, const T b)
{
    return mod_(a, b);
}

T op_remainder(const T a, const T b)
{
    T m = mod_(a, b);
    precise T y = m != T(0) && (b < T(0)) != (m < T(0)) ? m + b : m;
    return y;
}

// As PyTorch defines it: the floor agrees with the remainder.
T op_div_floor(const T a, const T b)
{
    if (b == T(0))
        return a / b;
    T m = mod_(a, b);
    precise T q = (a - m) / b;
    q = m != T(0) && (b < T(0)) != (m < T(0)) ? q - T(1) : q;
    if (q == T(0))
        return signed_zero(a / b);
    T whole = floor(q);
    return q - whole > T(0.5) ? whole + T(1) : whole;
}

#ifdef HAS_F64
T op_pow(const T a, const T b)
{
    return T(pow_(double(a), double(b)));
}

T op_atan2(const T a, const T b)
{
    return T(atan2_(double(a), double(b)));
}
#endif
#else
// By squaring; the inverse of a whole number is 0 but for 1 and -1.
T op_pow(const T base, const T exponent)
{
    T x = base, y = exponent;
    if (y < T(0))
        return x == T(1) ? T(1) : x == T(-1) ? ((y & T(1)) != T(0) ? x : T(1)) : T(0);
    T r = T(1);
    for (; y != T(0); y >>= 1, x *= x)
        if ((y & T(1)) != T(0))
            r *= x;
    return r;
}

// Whether the remainder has the other sign than the divisor, and the floor is one less than the quotient.
bool across(T a, T b)
{
    return rest(a, b) != T(0) && (a < T(0)) != (b < T(0));
}

T op_fmod(const T a, const T b)
{
    return rest(a, b);
}

T op_remainder(const T a, const T b)
{
    return across(a, b) ? rest(a, b) + b : rest(a, b);
}

T op_div_floor(const T a, const T b)
{
    return quotient(a, b) - T(across(a, b) ? 1 : 0);
}
#endif
