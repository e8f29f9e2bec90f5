// Circular functions and their inverses in f64.

// 2 / pi, bit by bit.
const uint two_over_pi[39] = uint[39](
    0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu,
    0xdebbc561u, 0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu, 0xb129a73eu,
    0xe88235f5u, 0x2ebb4484u, 0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u, 0x9c845f8bu,
    0xbdf9283bu, 0x1ff897ffu, 0xde05980fu, 0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu, 0x27cb09b7u,
    0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu, 0x3d0739f7u, 0x8a5292eau, 0x6bfb5fb1u,
    0x1f8d5d08u, 0x56033046u, 0xfc7b6babu, 0xf0cfbc20u);

// Word k of 2 / pi from bit `from` on (bits are counted from the point; those before it are 0).
uint window(int from, int k)
{
    int bit = from + 32 * k, word = bit >> 5, shift = bit & 31;
    uint a = word >= 0 && word < 39 ? two_over_pi[word] : 0u;
    uint b = word + 1 >= 0 && word + 1 < 39 ? two_over_pi[word + 1] : 0u;
    return shift == 0 ? a : a << shift | b >> (32 - shift);
}

// A large |x| modulo pi / 2 (Payne and Hanek). x is m 2^e with a whole m; of m 2^e (2 / pi) only what
// lies below 2^2 matters, which is m times 160 bits of 2 / pi from number e - 2 on, modulo 2^160: two
// bits of quarters, and the fraction.
double reduce_large(double x, out uint quarter)
{
    uvec2 u = unpackDouble2x32(x);
    int from = int(u.y >> 20 & 0x7ffu) - 1077;
    uint m1 = (u.y & 0xfffffu) | 0x100000u, m0 = u.x, p[5];
    uint64_t carry = 0ul;
    [[dont_unroll]] for (int k = 0; k < 5; k++) { // the lowest word first
        uint64_t a = uint64_t(m0) * uint64_t(window(from, 4 - k));
        uint64_t b = k > 0 ? uint64_t(m1) * uint64_t(window(from, 5 - k)) : 0ul;
        uint64_t low = (a & 0xfffffffful) + (b & 0xfffffffful) + (carry & 0xfffffffful);
        p[k] = uint(low);
        carry = (low >> 32) + (a >> 32) + (b >> 32) + (carry >> 32);
    }
    uint64_t top = uint64_t(p[4]) << 32 | uint64_t(p[3]), next = uint64_t(p[2]) << 32 | uint64_t(p[1]);
    uint64_t f1 = top << 2 | next >> 62, f0 = next << 2;
    quarter = uint(top >> 62);
    bool up = (f1 >> 63) != 0ul; // to the nearest multiple, not the one below
    if (up) {
        quarter++;
        f1 = ~f1;
        f0 = ~f0;
    }
    precise double f = double(f1) * 5.421010862427522170e-20lf +
                       double(f0) * 2.938735877055718770e-39lf;
    double r = f * 1.5707963267948966lf;
    bool turned = is_negative(x);
    quarter = (turned ? 4u - quarter : quarter) & 3u;
    return up != turned ? -r : r;
}

// x less its nearest multiple of pi / 2, and that multiple modulo 4; low is what the result lacks.
double reduce_circle(double x, out uint quarter, out double low)
{
    low = 0.0lf;
    if (abs(x) > 100000.0lf)
        return reduce_large(x, quarter);
    double n = roundEven(x * 0.6366197723675814lf);
    quarter = uint(int(n)) & 3u;
    precise double a = x - n * 1.57079632673412561417e+00lf;
    precise double w = n * 6.07710050630396597660e-11lf, b = a - w;
    precise double t = n * 2.02226624879595063154e-21lf - ((a - b) - w);
    precise double r = b - t;
    precise double l = (b - r) - t;
    low = l;
    return r;
}

double sin_core(double r, double low)
{
    double z = r * r;
    precise double s = 1.0lf / 355687428096000.0lf;
    s = s * z - 1.0lf / 1307674368000.0lf;
    s = s * z + 1.0lf / 6227020800.0lf;
    s = s * z - 1.0lf / 39916800.0lf;
    s = s * z + 1.0lf / 362880.0lf;
    s = s * z - 1.0lf / 5040.0lf;
    s = s * z + 1.0lf / 120.0lf;
    s = s * z - 1.0lf / 6.0lf;
    precise double y = r + (s * z * r + low * (1.0lf - 0.5lf * z));
    return y;
}

double cos_core(double r, double low)
{
    double z = r * r;
    precise double c = 1.0lf / 20922789888000.0lf;
    c = c * z - 1.0lf / 87178291200.0lf;
    c = c * z + 1.0lf / 479001600.0lf;
    c = c * z - 1.0lf / 3628800.0lf;
    c = c * z + 1.0lf / 40320.0lf;
    c = c * z - 1.0lf / 720.0lf;
    c = c * z + 1.0lf / 24.0lf;
    precise double h = 0.5lf * z, w = 1.0lf - h;
    precise double y = w + (((1.0lf - w) - h) + (z * z * c - r * low));
    return y;
}

double sin_(double x)
{
    if (is_nan(x) || is_infinite(x))
        return nan_f64();
    uint q;
    double low, r = reduce_circle(x, q, low);
    double y = (q & 1u) != 0u ? cos_core(r, low) : sin_core(r, low);
    return x == 0.0lf ? x : (q & 2u) != 0u ? -y : y;
}

double cos_(double x)
{
    if (is_nan(x) || is_infinite(x))
        return nan_f64();
    uint q;
    double low, r = reduce_circle(x, q, low);
    double y = (q & 1u) != 0u ? sin_core(r, low) : cos_core(r, low);
    return ((q + 1u) & 2u) != 0u ? -y : y;
}

double tan_(double x)
{
    if (is_nan(x) || is_infinite(x))
        return nan_f64();
    uint q;
    double low, r = reduce_circle(x, q, low), s = sin_core(r, low), c = cos_core(r, low);
    return x == 0.0lf ? x : (q & 1u) != 0u ? -c / s : s / c;
}

// ---- inverses ----

// The angle of (x, y): the quotient of the smaller to the greater, less the nearest k / 4 whose
// arctangent is known, in a series.
double atan2_(double y, double x)
{
    if (is_nan(x) || is_nan(y))
        return nan_f64();
    double ax = abs(x), ay = abs(y);
    if (is_infinite(ax) && is_infinite(ay))
        ax = ay = 1.0lf;
    bool swapped = ay > ax;
    double high = swapped ? ay : ax, low = swapped ? ax : ay;
    if (high > 1.0e300lf) {
        high *= 8.0779356694631609e-28lf;
        low *= 8.0779356694631609e-28lf;
    } else if (high < 1.0e-280lf) {
        high *= 1.2379400392853803e+27lf;
        low *= 1.2379400392853803e+27lf;
    }
    double a = 0.0lf, al = 0.0lf, c = 0.0lf, t = high == 0.0lf || is_infinite(high) ? 0.0lf : low / high;
    if (t > 0.875lf) {
        c = 1.0lf;
        a = 0.7853981633974483lf;
        al = 3.061616997868383e-17lf;
    } else if (t > 0.625lf) {
        c = 0.75lf;
        a = 0.6435011087932844lf;
        al = 1.5834785051444286e-17lf;
    } else if (t > 0.375lf) {
        c = 0.5lf;
        a = 0.4636476090008061lf;
        al = 2.2698777452961687e-17lf;
    } else if (t > 0.125lf) {
        c = 0.25lf;
        a = 0.24497866312686414lf;
        al = 1.0698755618734451e-17lf;
    }
    precise double u = c == 0.0lf ? t : (low - c * high) / (high + c * low), z = u * u;
    precise double p = 1.0lf / 19.0lf;
    p = 1.0lf / 17.0lf - p * z;
    p = 1.0lf / 15.0lf - p * z;
    p = 1.0lf / 13.0lf - p * z;
    p = 1.0lf / 11.0lf - p * z;
    p = 1.0lf / 9.0lf - p * z;
    p = 1.0lf / 7.0lf - p * z;
    p = 1.0lf / 5.0lf - p * z;
    p = 1.0lf / 3.0lf - p * z;
    precise double rest = u - (p * z * u - al);
    precise double r = a + rest;
    if (swapped)
        r = 1.5707963267948966lf - (r - 6.123233995736766e-17lf);
    if (is_negative(x))
        r = 3.141592653589793lf - (r - 1.2246467991473532e-16lf);
    return with_sign(r, y);
}

double atan_(double x)
{
    return x == 0.0lf ? x : atan2_(x, 1.0lf);
}

double asin_(double x)
{
    if (is_nan(x) || abs(x) > 1.0lf)
        return nan_f64();
    return x == 0.0lf ? x : atan2_(x, sqrt((1.0lf - x) * (1.0lf + x)));
}

double acos_(double x)
{
    if (is_nan(x) || abs(x) > 1.0lf)
        return nan_f64();
    return atan2_(sqrt((1.0lf - x) * (1.0lf + x)), x);
}
