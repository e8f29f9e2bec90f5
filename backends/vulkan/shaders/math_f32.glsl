// Elementary functions in f32 that need nothing wider: GLSL's own may be off by thousands of ulp.
// The formulas are the cpu backend's (cpu_math.h), and every step rounds as there.
float exp_(float x)
{
    if (is_nan(x))
        return x;
    float c = clamp(x, -104.0, 89.0), n = roundEven(c * 1.44269504);
    precise float r = c - n * 0.693145752;
    r = r - n * 1.42860677e-6;
    precise float p = 1.98756915e-4;
    p = p * r + 1.39819995e-3;
    p = p * r + 8.33345186e-3;
    p = p * r + 4.16657962e-2;
    p = p * r + 1.66666657e-1;
    p = p * r + 5.00000000e-1;
    p = p * (r * r) + r + 1.0;
    int e = int(n), half_e = e >> 1;
    return p * uintBitsToFloat(uint(half_e + 127) << 23) *
           uintBitsToFloat(uint(e - half_e + 127) << 23);
}

float log_(float x)
{
    bool small = x < 1.17549435e-38;
    uint u = floatBitsToUint(small ? x * 8388608.0 : x) - 0x3f3504f3u;
    float e = float(int(u) >> 23) - (small ? 23.0 : 0.0);
    float f = uintBitsToFloat((u & 0x7fffffu) + 0x3f3504f3u) - 1.0, z = f * f;
    precise float p = 7.0376836292e-2;
    p = p * f - 1.1514610310e-1;
    p = p * f + 1.1676998740e-1;
    p = p * f - 1.2420140846e-1;
    p = p * f + 1.4249322787e-1;
    p = p * f - 1.6668057665e-1;
    p = p * f + 2.0000714765e-1;
    p = p * f - 2.4999993993e-1;
    p = p * f + 3.3333331174e-1;
    precise float y = p * f * z + e * -2.12194440e-4 - 0.5 * z + f + e * 0.693359375;
    const float infinity = uintBitsToFloat(0x7f800000u);
    if (is_nan(x) || x == infinity)
        return x;
    return x == 0.0 ? -infinity : x < 0.0 ? uintBitsToFloat(0x7fc00000u) : y;
}

float with_sign(float x, float s)
{
    return uintBitsToFloat((floatBitsToUint(x) & 0x7fffffffu) | (floatBitsToUint(s) & 0x80000000u));
}

float tanh_(float x)
{
    float a = abs(x), s = x * x;
    if (is_nan(x))
        return x;
    precise float p = -5.70498872745e-3;
    p = p * s + 2.06390887954e-2;
    p = p * s - 5.37397155531e-2;
    p = p * s + 1.33314422036e-1;
    p = p * s - 3.33332819422e-1;
    precise float near = p * s * x + x;
    float far = 1.0 - 2.0 / (exp_(2.0 * a) + 1.0);
    return a < 0.625 ? near : with_sign(far, x);
}

float sigmoid_(float x)
{
    float e = exp_(-abs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

// Norbert Juffa's two polynomials.
float erf_(float x)
{
    float t = abs(x), s = x * x;
    if (is_nan(x))
        return x;
    precise float r = 3.83197126e-4 - 1.72853470e-5 * t, u = 2.42546219e-2 - 3.88396438e-3 * t;
    r = r * s + u;
    r = r * t - 1.06777877e-1;
    r = r * t - 6.34846687e-1;
    r = r * t - 1.28717512e-1;
    r = r * t - t;
    float far = 1.0 - exp_(t > 10.0 ? -104.0 : r);
    precise float q = -5.96761703e-4;
    q = q * s + 4.99119423e-3;
    q = q * s - 2.67681349e-2;
    q = q * s + 1.12819925e-1;
    q = q * s - 3.76125336e-1;
    q = q * s + 1.28379166e-1;
    q = q * x + x;
    return t > 0.927734375 ? with_sign(far, x) : q;
}

// From exp by Kahan's correction.
float expm1_(float x)
{
    float u = exp_(x);
    if (u == 1.0)
        return x;
    float v = u - 1.0;
    if (v == -1.0 || u > 1.0e30)
        return v;
    return v * x / log_(u);
}

float log1p_(float x)
{
    precise float u = 1.0 + x;
    if (u == 1.0)
        return x;
    precise float v = u - 1.0;
    return u > 1.0e30 ? log_(u) : log_(u) * x / v;
}
