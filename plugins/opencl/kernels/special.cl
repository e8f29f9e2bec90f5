// Functions that OpenCL C lacks, or promises too little of, in the widest float.
#define PI_W ((W)3.14159265358979323846)

// Winitzki's start, then Newton's method on whichever of erf and erfc is far from 1.
W erfinv_(W x)
{
    W a = fabs(x);
    if (!(a < 1))
        return a == 1 ? copysign((W)INFINITY, x) : (W)NAN;
    W l = log1p(-a * a), h = (W)4.3307467508 + l / 2, y = sqrt(sqrt(h * h - l / (W)0.147) - h);
    for (int k = 0; k < 4; k++) {
        W off = a < (W)0.5 ? erf(y) - a : (1 - a) - erfc(y);
        y -= off * (W)0.88622692545275801 * exp(y * y);
    }
    return x == 0 ? x : copysign(y, x);
}

// By recurrence to x >= 10, and there Stirling's series. Near its zeros 1 and 2 the recurrence's logarithm would cancel, so
// there it is the series of (zeta(k) - 1) (-z)^k / k around 2, 1 being one step away.
W lgamma_near_two(W z)
{
    const W c[] = {(W)0.32246703342411322, (W)-0.067352301053198095, (W)0.020580808427784547, (W)-0.0073855510286739853,
                   (W)0.0028905103307415233, (W)-0.0011927539117032610, (W)0.00050966952474304242,
                   (W)-0.00022315475845357938, (W)9.9457512781808534e-05, (W)-4.4926236738133142e-05,
                   (W)2.0507212775670691e-05, (W)-9.4394882752683959e-06, (W)4.3748667899074878e-06,
                   (W)-2.0392157538013663e-06, (W)9.5514121304074198e-07, (W)-4.4924691987645661e-07};
    W s = 0;
    for (int k = 15; k >= 0; k--)
        s = c[k] + s * z;
    return z * ((W)0.42278433509846714 + s * z);
}

W lgamma_positive(W x)
{
    if (fabs(x - 1) < (W)0.2)
        return lgamma_near_two(x - 1) - log1p(x - 1);
    if (fabs(x - 2) < (W)0.2)
        return lgamma_near_two(x - 2);
    if (isinf(x))
        return x;
    W product = 1;
    for (; x < 10; x += 1)
        product *= x;
    W r = 1 / x, z = r * r;
    W tail = r * ((W)(1.0 / 12) - z * ((W)(1.0 / 360) - z * ((W)(1.0 / 1260) - z * ((W)(1.0 / 1680) - z *
             ((W)(1.0 / 1188) - z * (W)(691.0 / 360360))))));
    return (x - (W)0.5) * (log(x) - 1) + (W)0.41893853320467274 + tail - log(product);
}

W lgamma_(W x)
{
    if (isnan(x))
        return x;
    if (isinf(x) || (x <= 0 && x == floor(x)))
        return (W)INFINITY;
    if (x > 0)
        return lgamma_positive(x);
    W f = x - floor(x);
    return log(PI_W / (sin(PI_W * (f > (W)0.5 ? 1 - f : f)) * -x)) - lgamma_positive(-x);
}

W digamma_(W x)
{
    W rest = 0;
    if (isnan(x))
        return x;
    if (x <= 0) {
        if (x == 0)
            return copysign((W)INFINITY, -x);
        if (x == floor(x) || isinf(x))
            return (W)NAN;
        W f = x - floor(x);
        rest = -PI_W / tan(PI_W * f);
        x = 1 - x;
    }
    if (isinf(x))
        return x;
    for (; x < 10; x += 1)
        rest -= 1 / x;
    W z = 1 / (x * x);
    W tail = z * ((W)(1.0 / 12) - z * ((W)(1.0 / 120) - z * ((W)(1.0 / 252) - z * ((W)(1.0 / 240) - z *
             ((W)(1.0 / 132) - z * (W)(691.0 / 32760))))));
    return rest + log(x) - (W)0.5 / x - tail;
}
