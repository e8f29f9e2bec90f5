// The error function and its inverse, in f64.

// exp(-x^2), the square in two parts.
double exp_of_square(double x)
{
    dvec2 s = exact_product(x, x);
    return exp_sum(-s.x, -s.y);
}

// For 0 <= x <= 1.5: 2 / sqrt(pi) exp(-x^2) times the series of 2^n x^(2n+1) / (2n+1)!!.
double erf_series(double x)
{
    double z = 2.0lf * x * x, s = 0.0lf;
    [[dont_unroll]] for (int n = 35; n > 0; n--)
        s = z / double(2 * n + 1) * (1.0lf + s);
    return 1.1283791670955126lf * exp_of_square(x) * (x + x * s);
}

// For 1 <= x < 2: the Taylor series of erfc around 1.25 or 1.75. Its derivatives are those of
// g = -2 / sqrt(pi) exp(-x^2), for which (n + 1) g[n+1] = -2 c g[n] - 2 g[n-1].
double erfc_near(double x)
{
    bool low = x < 1.5lf;
    double c = low ? 1.25lf : 1.75lf, h = x - c, before = 0.0lf;
    double g = low ? -0.23652112244729079lf : -0.05277499593015037lf, power = h;
    precise double s = 0.0lf;
    [[dont_unroll]] for (int n = 0; n < 24; n++) {
        s += g * power / double(n + 1);
        power *= h;
        double next = (-2.0lf * c * g - 2.0lf * before) / double(n + 1);
        before = g;
        g = next;
    }
    return (low ? 0.07709987174354177lf : 0.013328328780817556lf) + s;
}

// For x >= 2: exp(-x^2) / sqrt(pi) over the continued fraction x + (1/2) / (x + 1 / (x + (3/2) / ...)).
double erfc_far(double x)
{
    double f = x;
    [[dont_unroll]] for (int n = 60; n > 0; n--)
        f = x + 0.5lf * double(n) / f;
    return exp_of_square(x) * 0.5641895835477563lf / f;
}

double erfc_(double x)
{
    double a = abs(x), y;
    if (is_nan(x))
        return x;
    if (a < 1.0lf)
        return 1.0lf - (x < 0.0lf ? -erf_series(a) : erf_series(a));
    y = a < 2.0lf ? erfc_near(a) : a < 28.0lf ? erfc_far(a) : 0.0lf;
    return x < 0.0lf ? 2.0lf - y : y;
}

double erf_(double x)
{
    double a = abs(x);
    if (is_nan(x) || x == 0.0lf)
        return x;
    return with_sign(a < 1.0lf ? erf_series(a) : a < 6.0lf ? 1.0lf - erfc_(a) : 1.0lf, x);
}

// A rational start and two steps of Newton's method.
double erfinv_(double x)
{
    double a = abs(x), y;
    if (is_nan(x) || !(a < 1.0lf))
        return a == 1.0lf ? with_sign(infinity_f64(), x) : nan_f64();
    if (a <= 0.7lf) {
        double z = a * a;
        y = a * (((-0.140543331lf * z + 0.914624893lf) * z - 1.645349621lf) * z + 0.886226899lf) /
            ((((0.012229801lf * z - 0.329097515lf) * z + 1.442710462lf) * z - 2.118377725lf) * z +
             1.0lf);
    } else {
        double z = sqrt(-log_((1.0lf - a) / 2.0lf));
        y = (((1.641345311lf * z + 3.429567803lf) * z - 1.624906493lf) * z - 1.970840454lf) /
            ((1.637067800lf * z + 3.543889200lf) * z + 1.0lf);
    }
    [[dont_unroll]] for (int i = 0; i < 2; i++) {
        double off = a <= 0.7lf ? erf_(y) - a : (1.0lf - a) - erfc_(y);
        y -= off * 0.8862269254527580lf * exp_(y * y);
    }
    return x == 0.0lf ? x : with_sign(y, x);
}
