// Casts between dtypes, on the way to memory: floats to integers saturate at the ends of 32 or 64
// bits and NaN is 0, integers wrap.
int saturate32(float x)
{
    return is_nan(x) ? 0 : x >= 2147483648.0 ? 0x7fffffff : x <= -2147483648.0 ? int(0x80000000u) : int(x);
}

#ifdef LEAN

uvec2 saturate64(float x)
{
    if (is_nan(x))
        return uvec2(0u);
    if (abs(x) >= 9223372036854775808.0)
        return x > 0.0 ? uvec2(0xffffffffu, 0x7fffffffu) : uvec2(0u, 0x80000000u);
    float a = abs(x);
    uint high = uint(a * 2.3283064365386963e-10); // by 2^-32: nothing is rounded
    precise float low = a - float(high) * 4294967296.0;
    uvec2 y = uvec2(uint(low), high);
    return x < 0.0 ? pair_neg(y) : y;
}

// To nearest, ties to even: the upper 32 bits, the last of which stands for all below.
float pair_to_float(uvec2 x)
{
    bool negative = int(x.y) < 0;
    uvec2 a = negative ? pair_neg(x) : x;
    float y = float(a.x);
    if (a.y != 0u) {
        int top = findMSB(a.y), up = 31 - top;
        uint bits = up == 0 ? a.y : a.y << up | a.x >> (32 - up);
        bits |= (up == 0 ? a.x : a.x << up) != 0u ? 1u : 0u;
        y = float(bits) * uintBitsToFloat(uint(128 + top) << 23);
    }
    return negative ? -y : y;
}

#define LONG_OF(x) pair_of(x)
#define LONG_TO_FLOAT(x) pair_to_float(x)
#define LONG_TO_INT(w) int((w)[0])

#else

#define LONG_OF(x) int64_t(x)
#define LONG_TO_FLOAT(x) float(x)
#define LONG_TO_INT(x) int(x)

int64_t saturate64(float x)
{
    return is_nan(x)                       ? 0l
           : x >= 9223372036854775808.0  ? 0x7fffffffffffffffl
           : x <= -9223372036854775808.0 ? int64_t(0x8000000000000000ul)
                                         : int64_t(x);
}

#endif

void put_float(BITS64 at, uint i, int to, float x)
{
    if (to == F32 || to == F16 || to == BF16 || to == B8)
        store_float(at, i, to, x);
#ifdef HAS_F64
    else if (to == F64)
        store_double(at, i, to, double(x));
#endif
    else if (to == I64)
        store_long(at, i, to, saturate64(x));
    else
        store_int(at, i, to, saturate32(x));
}

void put_int(BITS64 at, uint i, int to, int x)
{
    if (to == F32 || to == F16 || to == BF16)
        store_float(at, i, to, float(x));
#ifdef HAS_F64
    else if (to == F64)
        store_double(at, i, to, double(x));
#endif
    else if (to == I64)
        store_long(at, i, to, LONG_OF(x));
    else
        store_int(at, i, to, x);
}

void put_long(BITS64 at, uint i, int to, LONG x)
{
    if (to == F32 || to == F16 || to == BF16)
        store_float(at, i, to, LONG_TO_FLOAT(x));
#ifdef HAS_F64
    else if (to == F64)
        store_double(at, i, to, double(x));
#endif
    else if (to == I64 || to == B8)
        store_long(at, i, to, x);
    else
        store_int(at, i, to, LONG_TO_INT(x));
}

#ifdef HAS_F64
int saturate32(double x)
{
    return is_nan(x)              ? 0
           : x >= 2147483647.0lf  ? 0x7fffffff
           : x <= -2147483648.0lf ? int(0x80000000u)
                                  : int(x);
}

int64_t saturate64(double x)
{
    return is_nan(x)                       ? 0l
           : x >= 9223372036854775808.0lf  ? 0x7fffffffffffffffl
           : x <= -9223372036854775808.0lf ? int64_t(0x8000000000000000ul)
                                           : int64_t(x);
}

void put_double(BITS64 at, uint i, int to, double x)
{
    if (to == F32 || to == F16 || to == BF16)
        store_float(at, i, to, float(x));
    else if (to == F64 || to == B8)
        store_double(at, i, to, x);
    else if (to == I64)
        store_long(at, i, to, saturate64(x));
    else
        store_int(at, i, to, saturate32(x));
}
#endif
