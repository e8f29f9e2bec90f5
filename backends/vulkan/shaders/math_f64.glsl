// Elementary functions in f64, for f64 elements and inside those f32 functions that need more than
// f32's digits on the way. Series with as many terms as f64 takes; each is within a few ulp.
#define LN2_HIGH 6.93147180369123816490e-01lf // 33 bits, so that its multiples are exact
#define LN2_LOW 1.90821492927058770002e-10lf
#define PI_F64 3.141592653589793238lf

double from_bits(uint high, uint low)
{
    return packDouble2x32(uvec2(low, high));
}

uint high_bits(double x)
{
    return unpackDouble2x32(x).y;
}

double infinity_f64()
{
    return from_bits(0x7ff00000u, 0u);
}

double nan_f64()
{
    return from_bits(0x7ff80000u, 0u);
}

bool is_infinite(double x)
{
    return abs(x) == infinity_f64();
}

bool is_negative(double x)
{
    return high_bits(x) >> 31 != 0u;
}

double with_sign(double x, double s)
{
    uvec2 u = unpackDouble2x32(x);
    return from_bits((u.y & 0x7fffffffu) | (high_bits(s) & 0x80000000u), u.x);
}

// 2^n, n in -1022..1023.
double power_of_two(int n)
{
    return from_bits(uint(n + 1023) << 20, 0u);
}

// x 2^n for |n| up to 2044.
double scale(double x, int n)
{
    int h = n / 2;
    return x * power_of_two(h) * power_of_two(n - h);
}

// The product of a and b: the rounded one, and what it lacks (Dekker).
dvec2 exact_product(double a, double b)
{
    precise double ca = a * 134217729.0lf, cb = b * 134217729.0lf;
    precise double ah = ca - (ca - a), bh = cb - (cb - b), al = a - ah, bl = b - bh;
    precise double p = a * b;
    precise double e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    return dvec2(p, e);
}

// ---- exponentials ----

// exp(r) - 1 for |r| <= ln 2 / 2.
double expm1_core(double r)
{
    precise double p = 1.0lf / 87178291200.0lf;
    p = p * r + 1.0lf / 6227020800.0lf;
    p = p * r + 1.0lf / 479001600.0lf;
    p = p * r + 1.0lf / 39916800.0lf;
    p = p * r + 1.0lf / 3628800.0lf;
    p = p * r + 1.0lf / 362880.0lf;
    p = p * r + 1.0lf / 40320.0lf;
    p = p * r + 1.0lf / 5040.0lf;
    p = p * r + 1.0lf / 720.0lf;
    p = p * r + 1.0lf / 120.0lf;
    p = p * r + 1.0lf / 24.0lf;
    p = p * r + 1.0lf / 6.0lf;
    p = p * r + 0.5lf;
    p = p * (r * r) + r;
    return p;
}

// exp(x + low) for a low much smaller than x.
double exp_sum(double x, double low)
{
    if (is_nan(x))
        return x;
    double c = clamp(x, -800.0lf, 800.0lf);
    double n = roundEven(c * 1.4426950408889634lf);
    precise double r = (c - n * LN2_HIGH) - n * LN2_LOW + low;
    precise double e = expm1_core(r) + 1.0lf;
    return scale(e, int(n));
}

double exp_(double x)
{
    return exp_sum(x, 0.0lf);
}

double exp2_(double x)
{
    if (is_nan(x))
        return x;
    double c = clamp(x, -1200.0lf, 1200.0lf);
    double n = roundEven(c);
    dvec2 r = exact_product(c - n, 0.6931471805599453094lf);
    precise double e = expm1_core(r.x + r.y) + 1.0lf;
    return scale(e, int(n));
}

double expm1_(double x)
{
    if (is_nan(x) || x == 0.0lf)
        return x;
    if (x > 45.0lf)
        return exp_(x);
    double c = max(x, -45.0lf);
    double n = roundEven(c * 1.4426950408889634lf);
    precise double r = (c - n * LN2_HIGH) - n * LN2_LOW;
    double s = power_of_two(int(n));
    precise double y = expm1_core(r) * s + (s - 1.0lf);
    return y;
}

// ---- logarithms ----

// x = 2^e m with m in sqrt(1/2)..sqrt(2); for finite x > 0.
double split_exponent(double x, out double e)
{
    bool small = x < 2.2250738585072014e-308lf;
    double y = small ? x * 18014398509481984.0lf : x;
    uvec2 u = unpackDouble2x32(y);
    uint h = u.y - 0x3fe6a09eu;
    int n = int(h) >> 20;
    e = double(small ? n - 54 : n);
    return from_bits((h & 0x000fffffu) + 0x3fe6a09eu, u.x);
}

// log(m) less its first term 2 s, s = (m - 1) / (m + 1).
double log_rest(double s)
{
    double z = s * s;
    precise double p = 2.0lf / 23.0lf;
    p = p * z + 2.0lf / 21.0lf;
    p = p * z + 2.0lf / 19.0lf;
    p = p * z + 2.0lf / 17.0lf;
    p = p * z + 2.0lf / 15.0lf;
    p = p * z + 2.0lf / 13.0lf;
    p = p * z + 2.0lf / 11.0lf;
    p = p * z + 2.0lf / 9.0lf;
    p = p * z + 2.0lf / 7.0lf;
    p = p * z + 2.0lf / 5.0lf;
    p = p * z + 2.0lf / 3.0lf;
    p = p * z * s;
    return p;
}

// log(m) as a sum of two.
dvec2 log_sum(double m)
{
    precise double f = m - 1.0lf, g = m + 1.0lf, gl = (1.0lf - (g - m)), s = f / g;
    dvec2 back = exact_product(s, g);
    precise double sl = ((f - back.x) - back.y - s * gl) / g;
    precise double rest = log_rest(s) + 2.0lf * sl;
    precise double high = 2.0lf * s + rest, low = rest - (high - 2.0lf * s);
    return dvec2(high, low);
}

bool log_is_special(double x, out double y)
{
    y = is_nan(x) || x == infinity_f64() ? x : x == 0.0lf ? -infinity_f64() : nan_f64();
    return !(x > 0.0lf) || is_infinite(x);
}

double log_(double x)
{
    double y, e;
    if (log_is_special(x, y))
        return y;
    dvec2 l = log_sum(split_exponent(x, e));
    precise double low = e * LN2_LOW + l.y, high = e * LN2_HIGH;
    precise double r = high + (l.x + low);
    return r;
}

double log2_(double x)
{
    double y, e;
    if (log_is_special(x, y))
        return y;
    dvec2 l = log_sum(split_exponent(x, e)), p = exact_product(l.x, 1.4426950408889634lf);
    precise double low = p.y + l.x * 2.0355273740931033e-17lf + l.y * 1.4426950408889634lf;
    precise double r = e + (p.x + low);
    return r;
}

double log10_(double x)
{
    double y, e;
    if (log_is_special(x, y))
        return y;
    dvec2 l = log_sum(split_exponent(x, e)), p = exact_product(l.x, 0.4342944819032518lf);
    precise double low = e * 3.69423907715893078616e-13lf + p.y + l.x * 1.098319650216765e-17lf +
                         l.y * 0.4342944819032518lf;
    precise double r = e * 3.01029995663611771306e-01lf + (p.x + low);
    return r;
}

double log1p_(double x)
{
    if (x == 0.0lf || is_nan(x) || is_infinite(x) || x <= -1.0lf)
        return x == 0.0lf ? x : log_(1.0lf + x);
    precise double u = 1.0lf + x;
    precise double lost = abs(x) < 1.0lf ? x - (u - 1.0lf) : 1.0lf - (u - x);
    double e;
    dvec2 l = log_sum(split_exponent(u, e));
    precise double low = e * LN2_LOW + l.y + lost / u, high = e * LN2_HIGH;
    precise double r = high + (l.x + low);
    return r;
}

// ---- hyperbolic functions ----

double sinh_(double x)
{
    double a = abs(x), y;
    if (a > 40.0lf) {
        double t = exp_(a * 0.5lf);
        y = (0.5lf * t) * t;
    } else {
        precise double m = expm1_(a), s = m / (m + 1.0lf);
        y = (m + s) * 0.5lf;
    }
    return is_nan(x) ? x : with_sign(y, x);
}

double cosh_(double x)
{
    double a = abs(x);
    if (a > 40.0lf) {
        double t = exp_(a * 0.5lf);
        return is_nan(x) ? x : (0.5lf * t) * t;
    }
    double t = exp_(a);
    return (t + 1.0lf / t) * 0.5lf;
}

// From 1 - 2 / (exp(2a) + 1) where that rounds less than expm1's quotient.
double tanh_(double x)
{
    double a = abs(x), y;
    if (a > 22.0lf) {
        y = 1.0lf;
    } else if (a > 0.5lf) {
        y = 1.0lf - 2.0lf / (exp_(2.0lf * a) + 1.0lf);
    } else {
        double m = expm1_(2.0lf * a);
        y = m / (m + 2.0lf);
    }
    return is_nan(x) || x == 0.0lf ? x : with_sign(y, x);
}

double asinh_(double x)
{
    double a = abs(x), y;
    if (a > 1.0e9lf)
        y = log_(a) + 0.6931471805599453094lf;
    else
        y = log1p_(a + a * a / (1.0lf + sqrt(1.0lf + a * a)));
    return is_nan(x) || x == 0.0lf || is_infinite(x) ? x : with_sign(y, x);
}

double acosh_(double x)
{
    double t = x - 1.0lf;
    if (is_nan(x) || t < 0.0lf)
        return nan_f64();
    return x > 1.0e9lf ? log_(x) + 0.6931471805599453094lf : log1p_(t + sqrt(t * (x + 1.0lf)));
}

double atanh_(double x)
{
    double a = abs(x);
    if (is_nan(x) || a > 1.0lf)
        return nan_f64();
    return x == 0.0lf ? x : with_sign(0.5lf * log1p_(2.0lf * a / (1.0lf - a)), x);
}

double sigmoid_(double x)
{
    double e = exp_(-abs(x));
    return is_nan(x) ? x : (x < 0.0lf ? e : 1.0lf) / (1.0lf + e);
}
