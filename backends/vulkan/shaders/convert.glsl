// Casts between dtypes, on the way to memory: floats to integers saturate at the ends of 32 or 64
// bits and NaN is 0, integers wrap.
int saturate32(float x)
{
    return is_nan(x) ? 0 : x >= 2147483648.0 ? 0x7fffffff : x <= -2147483648.0 ? int(0x80000000u) : int(x);
}

int64_t saturate64(float x)
{
    return is_nan(x)                       ? 0l
           : x >= 9223372036854775808.0  ? 0x7fffffffffffffffl
           : x <= -9223372036854775808.0 ? int64_t(0x8000000000000000ul)
                                         : int64_t(x);
}

void put_float(uint64_t at, uint i, int to, float x)
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

void put_int(uint64_t at, uint i, int to, int x)
{
    if (to == F32 || to == F16 || to == BF16)
        store_float(at, i, to, float(x));
#ifdef HAS_F64
    else if (to == F64)
        store_double(at, i, to, double(x));
#endif
    else if (to == I64)
        store_long(at, i, to, int64_t(x));
    else
        store_int(at, i, to, x);
}

void put_long(uint64_t at, uint i, int to, int64_t x)
{
    if (to == F32 || to == F16 || to == BF16)
        store_float(at, i, to, float(x));
#ifdef HAS_F64
    else if (to == F64)
        store_double(at, i, to, double(x));
#endif
    else if (to == I64 || to == B8)
        store_long(at, i, to, x);
    else
        store_int(at, i, to, int(x));
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

void put_double(uint64_t at, uint i, int to, double x)
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
