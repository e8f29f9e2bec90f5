// A copy that casts: from class CLASS to class TO. Of one dtype the elements are only moved, as integers of their size.
#if TO == CLASS_FLOAT
#define Y float
#elif TO == CLASS_DOUBLE
#define Y double
#elif TO == CLASS_INT
#define Y int
#else
#define Y long
#endif

#if IS_FLOAT
// Truncated; NaN and what is too large become the least and the nearest.
long whole(T x)
{
    return !(x >= (T)-0x1p63) ? LONG_MIN : x >= (T)0x1p63 ? LONG_MAX : (long)x;
}
#endif

Y convert(T x, int to)
{
#if TO == CLASS_INT && IS_FLOAT
    return to == B8 ? x != 0 : (int)whole(x);
#elif TO == CLASS_LONG && IS_FLOAT
    return whole(x);
#elif TO == CLASS_INT && CLASS == CLASS_LONG
    return to == B8 ? x != 0 : (int)x;
#elif TO == CLASS_FLOAT && CLASS == CLASS_DOUBLE
    float f = (float)x;
    if (to != F32 && isfinite(f) && (double)f != x)
        f = as_float(as_uint(convert_float_rtz(x)) | 1u); // to odd: the rounding to 16 bits is then the only one
    return f;
#else
    return (Y)x;
#endif
}

kernel void copy(space s, VALUE(y), VALUE(a), int op, int dtype)
{
    START(y);
    START(a);
    FOR_PLACES(s, 2) {
        // op is the dtype to come to
        PASTE(store_, Y)(y, at[0], convert(load(a, at[1], CHOSEN_DTYPE), CHOSEN_OP), CHOSEN_OP);
    }
}
