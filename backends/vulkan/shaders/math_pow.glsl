// Powers in f64. Wants math_f64.glsl before.
// x^y = exp(y log x), with the logarithm and the product in two parts; then C's rules for signs,
// zeros and infinities.
double pow_(double x, double y)
{
    double a = abs(x), b = abs(y);
    if (y == 0.0lf || x == 1.0lf)
        return 1.0lf;
    if (is_nan(x) || is_nan(y))
        return nan_f64();
    if (is_infinite(b))
        return a == 1.0lf ? 1.0lf : (a > 1.0lf) == (y > 0.0lf) ? infinity_f64() : 0.0lf;
    bool whole = b >= 9007199254740992.0lf || floor(y) == y;
    bool odd = whole && b < 9007199254740992.0lf && floor(y * 0.5lf) != y * 0.5lf;
    double r;
    if (a == 0.0lf || is_infinite(a)) {
        r = (a == 0.0lf) == (y < 0.0lf) ? infinity_f64() : 0.0lf;
    } else {
        if (x < 0.0lf && !whole)
            return nan_f64();
        double e;
        dvec2 l = log_sum(split_exponent(a, e));
        precise double high = e * LN2_HIGH, h = high + l.x;
        precise double low = (l.x - (h - high)) + (l.y + e * LN2_LOW);
        if (abs(h) * b > 1.0e4lf) {
            r = (h > 0.0lf) == (y > 0.0lf) ? infinity_f64() : 0.0lf;
        } else {
            dvec2 p = exact_product(h, y);
            precise double rest = p.y + low * y;
            r = exp_sum(p.x, rest);
        }
    }
    return odd && is_negative(x) ? -r : r;
}
