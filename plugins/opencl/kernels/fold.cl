// What reductions and scans carry along: a value, what its additions have lost (Neumaier), and a place.
#if CLASS == CLASS_FLOAT || CLASS == CLASS_DOUBLE
typedef W A;
#elif CLASS == CLASS_INT
typedef int A;
#else
typedef long A;
#endif

typedef struct carry {
    A x, lost;
    INDEX at;
    int any; // 0 before the first term
} carry;

// a comes before b, or beside it: of equal extremes a reduction takes the first place, a scan the last.
carry join(int op, carry a, carry b, bool last)
{
    if (!a.any || !b.any)
        return a.any ? a : b;
    carry r = a;
    switch (op) {
    case R_SUM: {
#if IS_FLOAT
        W s = a.x + b.x, e = fabs(a.x) >= fabs(b.x) ? (a.x - s) + b.x : (b.x - s) + a.x;
        r.x = s;
        r.lost = a.lost + b.lost + e;
#else
        r.x = (A)((U)a.x + (U)b.x);
#endif
        break;
    }
#if IS_FLOAT
    case R_PROD: r.x = a.x * b.x; break;
    case R_LOGSUMEXP: {
        W high = fmax(a.x, b.x), low = fmin(a.x, b.x);
        r.x = isnan(a.x) || isnan(b.x) ? (W)NAN : isinf(high) ? high : high + log1p(exp(low - high));
        break;
    }
#else
    case R_PROD: r.x = (A)((U)a.x * (U)b.x); break;
    case R_ANY: r.x = a.x || b.x; break;
    case R_ALL: r.x = a.x && b.x; break;
#endif
    default: {
        bool most = op == R_AMAX || op == R_ARGMAX, a_nan = a.x != a.x, b_nan = b.x != b.x;
        bool better = most ? b.x > a.x : b.x < a.x;
        bool same = b.x == a.x || (a_nan && b_nan);
        bool later = last ? b.at > a.at : b.at < a.at;
        if (a_nan != b_nan ? b_nan : same ? later : better)
            r = b;
    }
    }
    return r;
}

T value_of(int op, carry c, int dtype)
{
#if IS_FLOAT
    // After an overflow or a NaN what was lost is NaN and means nothing.
    return narrow(op == R_SUM && isfinite(c.lost) ? c.x + c.lost : c.x, dtype);
#else
    return (T)c.x;
#endif
}

carry term(T x, INDEX at)
{
    carry c = {(A)x, 0, at, 1};
    return c;
}
