// Elementwise operations on two inputs that take loops or f64, a function each; see unary.glsl. Floats want math_f64.glsl,
// math_circle.glsl and math_pow.glsl before where there is f64, whole numbers integer.glsl.
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
