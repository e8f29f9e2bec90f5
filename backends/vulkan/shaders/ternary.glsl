// Elementwise operations on three inputs, a function each; see unary.glsl.
T op_where(const int condition, const T b, const T c)
{
    return condition != 0 ? b : c;
}

T op_clamp(const T a, const T b, const T c)
{
    return a < b || is_nan(b) ? (b > c || is_nan(c) ? c : b) : a > c || is_nan(c) ? c : a;
}

T op_addcmul(const T a, const T b, const T c, const T value)
{
    precise T y = a + value * b * c;
    return y;
}

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T op_addcdiv(const T a, const T b, const T c, const T value)
{
    precise T y = a + value * b / c;
    return y;
}

// From the nearer end, so that weights 0 and 1 give the ends themselves.
T op_lerp(const T a, const T b, const T c)
{
    precise T y = c < T(0.5) && c > T(-0.5) ? a + c * (b - a) : b - (b - a) * (T(1) - c);
    return y;
}
#endif
