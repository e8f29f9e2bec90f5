/* See special.h. */
#include "special.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

double cpu_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* Reflection to x > 0, recurrence to x >= 10, and there the asymptotic series. */
double cpu_digamma(double x)
{
    if (x == 0)
        return copysign(INFINITY, -x);
    double rest = 0;
    if (x < 0) {
        double whole;
        if (modf(x, &whole) == 0)
            return NAN;
        rest = -pi / tan(pi * (x - whole));
        x = 1 - x;
    }
    for (; x < 10; x += 1)
        rest -= 1 / x;
    double z = 1 / (x * x);
    double p = 1.0 / 12;
    p = p * z - 691.0 / 32760;
    p = p * z + 1.0 / 132;
    p = p * z - 1.0 / 240;
    p = p * z + 1.0 / 252;
    p = p * z - 1.0 / 120;
    p = p * z + 1.0 / 12;
    return rest + log(x) - 0.5 / x - p * z;
}

/* A rational start and two steps of Newton's method on erf. */
double cpu_erfinv(double x)
{
    double a = fabs(x), y;
    if (!(a < 1))
        return a == 1 ? copysign(INFINITY, x) : NAN;
    if (a <= 0.7) {
        double z = x * x;
        y = x * (((-0.140543331 * z + 0.914624893) * z - 1.645349621) * z + 0.886226899) /
            ((((0.012229801 * z - 0.329097515) * z + 1.442710462) * z - 2.118377725) * z + 1.0);
    } else {
        double z = sqrt(-log((1.0 - a) / 2.0));
        y = copysign((((1.641345311 * z + 3.429567803) * z - 1.624906493) * z - 1.970840454) /
                         ((1.637067800 * z + 3.543889200) * z + 1.0),
                     x);
    }
    for (int i = 0; i < 2; i++) {
        double off = a <= 0.7 ? erf(y) - x : copysign((1.0 - a) - erfc(fabs(y)), x);
        y -= off * (sqrt(pi) / 2) * exp(y * y);
    }
    return y;
}
