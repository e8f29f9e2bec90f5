// The logarithm of the gamma function, and its derivative, in f64.

// lgamma(2 + z) for |z| <= 1/2: (1 - gamma) z and the series of (zeta(k) - 1) (-z)^k / k.
double lgamma_two(double z)
{
    const double c[30] = double[30](
        0.3224670334241132lf, 0.0673523010531981lf, 0.020580808427784546lf, 0.007385551028673986lf,
        0.0028905103307415234lf, 0.001192753911703261lf, 0.0005096695247430425lf,
        0.00022315475845357939lf, 9.945751278180853e-05lf, 4.492623673813314e-05lf,
        2.050721277567069e-05lf, 9.439488275268397e-06lf, 4.374866789907488e-06lf,
        2.039215753801366e-06lf, 9.55141213040742e-07lf, 4.492469198764566e-07lf,
        2.1207184805554665e-07lf, 1.0043224823968099e-07lf, 4.7698101693639804e-08lf,
        2.2711094608943164e-08lf, 1.0838659214896955e-08lf, 5.183475041970047e-09lf,
        2.4836745438024785e-09lf, 1.1921401405860912e-09lf, 5.731367241678862e-10lf,
        2.7595228851242334e-10lf, 1.330476437424449e-10lf, 6.4229645638381e-11lf,
        3.1044247747322276e-11lf, 1.5021384080754142e-11lf);
    precise double s = 0.0lf;
    [[dont_unroll]] for (int k = 29; k >= 0; k--)
        s = c[k] - s * z;
    precise double y = z * (0.42278433509846713lf + s * z);
    return y;
}

// For x > 0.
double lgamma_positive(double x)
{
    if (x >= 10.0lf) {
        double l = log_(x), i = 1.0lf / x, z = i * i;
        precise double p = 1.0lf / 156.0lf;
        p = p * z - 691.0lf / 360360.0lf;
        p = p * z + 1.0lf / 1188.0lf;
        p = p * z - 1.0lf / 1680.0lf;
        p = p * z + 1.0lf / 1260.0lf;
        p = p * z - 1.0lf / 360.0lf;
        p = p * z + 1.0lf / 12.0lf;
        precise double y = (x - 0.5lf) * (l - 1.0lf) + (0.4189385332046727lf + p * i);
        return is_infinite(x) ? x : y;
    }
    if (x < 0.5lf)
        return lgamma_two(x) - log1p_(x) - log_(x);
    if (x < 1.5lf)
        return lgamma_two(x - 1.0lf) - log1p_(x - 1.0lf);
    double product = 1.0lf;
    [[dont_unroll]] for (; x > 2.5lf; product *= x)
        x -= 1.0lf;
    return lgamma_two(x - 2.0lf) + (product == 1.0lf ? 0.0lf : log_(product));
}

double lgamma_(double x)
{
    if (is_nan(x))
        return x;
    if (is_infinite(x))
        return infinity_f64();
    if (x > 0.0lf)
        return lgamma_positive(x);
    double whole = floor(x);
    if (x == whole)
        return infinity_f64();
    // By reflection.
    double f = x - whole, s = sin_(PI_F64 * (f > 0.5lf ? 1.0lf - f : f));
    return log_(PI_F64 / (s * -x)) - lgamma_positive(-x);
}

// Reflection to x > 0, recurrence to x >= 10, and there the asymptotic series.
double digamma_(double x)
{
    double rest = 0.0lf;
    if (is_nan(x) || x == infinity_f64())
        return x;
    if (x == 0.0lf)
        return with_sign(infinity_f64(), is_negative(x) ? 1.0lf : -1.0lf);
    if (x < 0.0lf) {
        double whole = trunc(x);
        if (x == whole || is_infinite(x))
            return nan_f64();
        double f = x - roundEven(x), half_f = f < 0.0lf ? -0.5lf : 0.5lf;
        rest = abs(f) > 0.25lf ? -PI_F64 * tan_(PI_F64 * (half_f - f)) : -PI_F64 / tan_(PI_F64 * f);
        x = 1.0lf - x;
    }
    [[dont_unroll]] for (; x < 10.0lf; x += 1.0lf)
        rest -= 1.0lf / x;
    double z = 1.0lf / (x * x);
    double p = 1.0lf / 12.0lf;
    p = p * z - 691.0lf / 32760.0lf;
    p = p * z + 1.0lf / 132.0lf;
    p = p * z - 1.0lf / 240.0lf;
    p = p * z + 1.0lf / 252.0lf;
    p = p * z - 1.0lf / 120.0lf;
    p = p * z + 1.0lf / 12.0lf;
    return rest + log_(x) - 0.5lf / x - p * z;
}
