#version 450
// Elementwise operations on two inputs that take loops or f64.
#include "kernel.glsl"
#include "space.glsl"
#include "pointwise.glsl"
#include "binary_ops.def"
#ifdef HAS_F64
#include "math_f64.glsl"
#include "math_circle.glsl"
#endif

#if defined CLASS_FLOAT
// Bits of the sign, the exponent (0 for subnormals too), and the mantissa with its leading one.
void split(float x, out int e, out uint m)
{
    uint u = floatBitsToUint(x) & 0x7fffffffu;
    e = max(int(u >> 23), 1);
    m = (u & 0x7fffffu) | (u >> 23 != 0u ? 0x800000u : 0u);
}

// The exact remainder of finite numbers, by long division in pieces of 8 bits.
float mod_(float x, float y)
{
    const uint infinite = 0x7f800000u;
    uint ux = floatBitsToUint(x), a = ux & 0x7fffffffu, b = floatBitsToUint(y) & 0x7fffffffu;
    if (a >= infinite || b > infinite || b == 0u)
        return uintBitsToFloat(0x7fc00000u);
    if (a < b)
        return x;
    int ex, ey;
    uint mx, my;
    split(x, ex, mx);
    split(y, ey, my);
    uint r = mx % my;
    for (int n = ex - ey; n > 0; n -= 8)
        r = (r << min(n, 8)) % my;
    if (r == 0u)
        return uintBitsToFloat(ux & 0x80000000u);
    int e = ey;
    while (r < 0x800000u && e > 1) {
        r <<= 1;
        e--;
    }
    uint bits = r < 0x800000u ? r : uint(e) << 23 | (r & 0x7fffffu);
    return uintBitsToFloat(bits | (ux & 0x80000000u));
}
#elif defined CLASS_DOUBLE
uint64_t bits_of(double x)
{
    return doubleBitsToUint64(x);
}

void split(double x, out int e, out uint64_t m)
{
    uint64_t u = bits_of(x) & 0x7ffffffffffffffful;
    e = max(int(u >> 52), 1);
    m = (u & 0xffffffffffffful) | (u >> 52 != 0ul ? 0x10000000000000ul : 0ul);
}

double mod_(double x, double y)
{
    const uint64_t infinite = 0x7ff0000000000000ul;
    uint64_t ux = bits_of(x), a = ux & 0x7ffffffffffffffful, b = bits_of(y) & 0x7ffffffffffffffful;
    if (a >= infinite || b > infinite || b == 0ul)
        return nan_f64();
    if (a < b)
        return x;
    int ex, ey;
    uint64_t mx, my;
    split(x, ex, mx);
    split(y, ey, my);
    uint64_t r = mx % my;
    for (int n = ex - ey; n > 0; n -= 11)
        r = (r << min(n, 11)) % my;
    if (r == 0ul)
        return uint64BitsToDouble(ux & 0x8000000000000000ul);
    int e = ey;
    while (r < 0x10000000000000ul && e > 1) {
        r <<= 1;
        e--;
    }
    uint64_t bits = r < 0x10000000000000ul ? r : uint64_t(e) << 52 | (r & 0xffffffffffffful);
    return uint64BitsToDouble(bits | (ux & 0x8000000000000000ul));
}
#endif

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T signed_zero(T like)
{
    return like < T(0) || (like == T(0) && T(1) / like < T(0)) ? -T(0) : T(0);
}

T remainder(T a, T b)
{
    T m = mod_(a, b);
    return m != T(0) && (b < T(0)) != (m < T(0)) ? m + b : m;
}

// As PyTorch defines it: the floor agrees with the remainder.
T div_floor(T a, T b)
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
// x^y = exp(y log x), with the logarithm and the product in two parts; then C's rules for signs,
// zeros and infinities.
double pow_(double x, double y)
{
    double a = abs(x), b = abs(y);
    if (y == 0.0lf || x == 1.0lf)
        return 1.0lf;
    if (is_nan(x) || is_nan(y))
        return nan_f64();
    if (is_infinite(b))
        return a == 1.0lf ? 1.0lf : (a > 1.0lf) == (y > 0.0lf) ? infinity_f64() : 0.0lf;
    bool whole = b >= 9007199254740992.0lf || floor(y) == y;
    bool odd = whole && b < 9007199254740992.0lf && floor(y * 0.5lf) != y * 0.5lf;
    double r;
    if (a == 0.0lf || is_infinite(a)) {
        r = (a == 0.0lf) == (y < 0.0lf) ? infinity_f64() : 0.0lf;
    } else {
        if (x < 0.0lf && !whole)
            return nan_f64();
        double e;
        dvec2 l = log_sum(split_exponent(a, e));
        precise double high = e * LN2_HIGH, h = high + l.x;
        precise double low = (l.x - (h - high)) + (l.y + e * LN2_LOW);
        if (abs(h) * b > 1.0e4lf) {
            r = (h > 0.0lf) == (y > 0.0lf) ? infinity_f64() : 0.0lf;
        } else {
            dvec2 p = exact_product(h, y);
            precise double rest = p.y + low * y;
            r = exp_sum(p.x, rest);
        }
    }
    return odd && is_negative(x) ? -r : r;
}
#endif

// The next number towards b: a step of the bits, for each dtype.
#if defined CLASS_FLOAT
T after(T a, T b)
{
    if (is_nan(a) || is_nan(b))
        return uintBitsToFloat(0x7fc00000u);
    if (a == b)
        return b;
    uint u = TO == F32 ? floatBitsToUint(a) : TO == F16 ? float_to_half(a) : float_to_bf16(a);
    uint sign = TO == F32 ? 0x80000000u : 0x8000u;
    u = a == 0.0 ? (b < 0.0 ? sign | 1u : 1u) : (a < b) == (a > 0.0) ? u + 1u : u - 1u;
    return TO == F32 ? uintBitsToFloat(u) : TO == F16 ? half_to_float(u) : bf16_to_float(u);
}
#else
T after(T a, T b)
{
    if (is_nan(a) || is_nan(b))
        return nan_f64();
    if (a == b)
        return b;
    uint64_t u = bits_of(a);
    u = a == 0.0lf ? (b < 0.0lf ? 0x8000000000000001ul : 1ul) : (a < b) == (a > 0.0lf) ? u + 1ul : u - 1ul;
    return uint64BitsToDouble(u);
}
#endif

T apply(T a, T b)
{
    switch (OP) {
    case OP_fmod: return mod_(a, b);
    case OP_remainder: return remainder(a, b);
    case OP_div_floor: return div_floor(a, b);
#ifdef HAS_F64
    case OP_pow: return T(pow_(double(a), double(b)));
    case OP_atan2: return T(atan2_(double(a), double(b)));
#endif
    default: return after(a, b);
    }
}
#else
T rest(T a, T b)
{
    return b == T(0) || b == T(-1) ? T(0) : a - a / b * b;
}

T quotient(T a, T b)
{
    return b == T(0) ? T(0) : b == T(-1) ? -a : a / b;
}

// By squaring; the inverse of a whole number is 0 but for 1 and -1.
T power(T x, T y)
{
    if (y < T(0))
        return x == T(1) ? T(1) : x == T(-1) ? ((y & T(1)) != T(0) ? x : T(1)) : T(0);
    T r = T(1);
    for (; y != T(0); y >>= 1, x *= x)
        if ((y & T(1)) != T(0))
            r *= x;
    return r;
}

T apply(T a, T b)
{
    T m = rest(a, b);
    bool across = m != T(0) && (a < T(0)) != (b < T(0));
    switch (OP) {
    case OP_fmod: return m;
    case OP_remainder: return across ? m + b : m;
    case OP_div_floor: return quotient(a, b) - T(across ? 1 : 0);
    default: return power(a, b);
    }
}
#endif

void main()
{
    EACH_ELEMENT(i)
    {
        uvec4 at = place(i, RANK);
        store(args.at[0], at.x, TO, apply(INPUT(0, FROM_0, at.y), INPUT(1, FROM_1, at.z)));
    }
}
