// Two inputs, one output. alpha is add's and sub's number, 1 for others.
bool compare(int op, T a, T b)
{
    switch (op) {
    case B_EQ: return a == b;
    case B_NE: return a != b;
    case B_LT: return a < b;
    case B_LE: return a <= b;
    case B_GT: return a > b;
    case B_GE: return a >= b;
    case B_LOGICAL_AND: return a != 0 && b != 0;
    case B_LOGICAL_OR: return a != 0 || b != 0;
    default: return (a != 0) != (b != 0);
    }
}

#if IS_FLOAT
// The whole number nearest to (a - fmod(a, b)) / b, which is whole but for rounding, less 1 where the signs differ.
T divide_floor(T a, T b)
{
    if (b == 0)
        return a / b;
    T rest = fmod(a, b), q = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0))
        q -= 1;
    if (q == 0)
        return copysign((T)0, a / b);
    T whole = floor(q);
    return q - whole > (T)0.5 ? whole + 1 : whole;
}

T compute(int op, T a, T b, T alpha, int dtype)
{
    T r;
    switch (op) {
    case B_ADD: return a + alpha * b;
    case B_SUB: return a - alpha * b;
    case B_MUL: return a * b;
    case B_DIV: return a / b;
    case B_MAXIMUM: return isnan(a) ? a : isnan(b) ? b : a > b ? a : b;
    case B_MINIMUM: return isnan(a) ? a : isnan(b) ? b : a < b ? a : b;
    case B_ATAN2: return narrow(atan2((W)a, (W)b), dtype);
    case B_POW: return narrow(pow((W)a, (W)b), dtype);
    case B_FMOD: return fmod(a, b);
    case B_REMAINDER:
        r = fmod(a, b);
        return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    case B_DIV_TRUNC: return trunc(a / b);
    case B_DIV_FLOOR: return divide_floor(a, b);
    case B_COPYSIGN: return copysign(a, b);
    default: return nextafter(a, b);
    }
}
#else
T power(T a, T b)
{
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    U r = 1, x = (U)a;
    for (; b; b >>= 1, x *= x)
        if (b & 1)
            r *= x;
    return (T)r;
}

// By 0 everything is 0; by -1 the division of the least number would trap.
T quotient(T a, T b)
{
    return b == 0 ? 0 : b == -1 ? (T)(0 - (U)a) : a / b;
}

T rest(T a, T b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

T compute(int op, T a, T b, T alpha, int dtype)
{
    const int bits = sizeof(T) * 8;
    T r = rest(a, b);
    switch (op) {
    case B_ADD: return dtype == B8 ? a | (alpha != 0 & b) : (T)((U)a + (U)alpha * (U)b);
    case B_SUB: return (T)((U)a - (U)alpha * (U)b);
    case B_MUL: return (T)((U)a * (U)b);
    case B_MAXIMUM: return a > b ? a : b;
    case B_MINIMUM: return a < b ? a : b;
    case B_POW: return power(a, b);
    case B_FMOD: return r;
    case B_REMAINDER: return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    case B_DIV_TRUNC: return quotient(a, b);
    case B_DIV_FLOOR: return (T)((U)quotient(a, b) - (U)(r != 0 && (r < 0) != (b < 0)));
    case B_AND: return a & b;
    case B_OR: return a | b;
    case B_XOR: return a ^ b;
    case B_LEFT: return b < 0 || b >= bits ? 0 : (T)((U)a << b);
    default: return a >> (b < 0 || b >= bits ? bits - 1 : b);
    }
}
#endif

kernel void binary(space s, VALUE(y), VALUE(a), VALUE(b), int op, int dtype, T alpha)
{
    START(y);
    START(a);
    START(b);
    FOR_PLACES(s, 3) {
        T l = load(a, at[1], CHOSEN_DTYPE), r = load(b, at[2], CHOSEN_DTYPE);
        if (CHOSEN_OP >= B_EQ)
            store_int(y, at[0], compare(CHOSEN_OP, l, r), B8);
        else
            store(y, at[0], compute(CHOSEN_OP, l, r, alpha, CHOSEN_DTYPE), CHOSEN_DTYPE);
    }
}
