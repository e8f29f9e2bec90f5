// One input, one output. What OpenCL C promises exactly is computed in the class's type, the rest in the widest float.
#if IS_FLOAT
T compute(int op, T x, int dtype)
{
    W w = (W)x;
    switch (op) {
    case U_ABS: return fabs(x);
    case U_NEG: return -x;
    case U_SIGN: return (T)((x > 0) - (x < 0));
    case U_FLOOR: return floor(x);
    case U_CEIL: return ceil(x);
    case U_TRUNC: return trunc(x);
    case U_ROUND: return rint(x);
    case U_SQRT: return sqrt(x);
    case U_RECIPROCAL: return 1 / x;
    case U_EXP: return exp(x);
    case U_LOG: return log(x);
    case U_TANH: return tanh(x);
    case U_SIGMOID: return 1 / (1 + exp(-x));
    case U_RSQRT: w = 1 / sqrt(w); break;
    case U_EXP2: w = exp2(w); break;
    case U_EXPM1: w = expm1(w); break;
    case U_LOG2: w = log2(w); break;
    case U_LOG10: w = log10(w); break;
    case U_LOG1P: w = log1p(w); break;
    case U_SIN: w = sin(w); break;
    case U_COS: w = cos(w); break;
    case U_TAN: w = tan(w); break;
    case U_ASIN: w = asin(w); break;
    case U_ACOS: w = acos(w); break;
    case U_ATAN: w = atan(w); break;
    case U_SINH: w = sinh(w); break;
    case U_COSH: w = cosh(w); break;
    case U_ASINH: w = asinh(w); break;
    case U_ACOSH: w = acosh(w); break;
    case U_ATANH: w = atanh(w); break;
    case U_ERF: w = erf(w); break;
    case U_ERFC: w = erfc(w); break;
    case U_ERFINV: w = erfinv_(w); break;
    case U_LGAMMA: w = lgamma_(w); break;
    default: w = digamma_(w);
    }
    return narrow(w, dtype);
}
#else
T compute(int op, T x, int dtype)
{
    switch (op) {
    case U_ABS: return x < 0 ? (T)(0 - (U)x) : x;
    case U_NEG: return (T)(0 - (U)x);
    case U_SIGN: return (x > 0) - (x < 0);
    default: return dtype == B8 ? !x : ~x;
    }
}
#endif

kernel void unary(space s, VALUE(y), VALUE(a), int op, int dtype)
{
    START(y);
    START(a);
    FOR_PLACES(s, 2) {
        T x = load(a, at[1], CHOSEN_DTYPE);
        if (CHOSEN_OP == U_LOGICAL_NOT)
            store_int(y, at[0], x == 0, B8);
        else
            store(y, at[0], compute(CHOSEN_OP, x, CHOSEN_DTYPE), CHOSEN_DTYPE);
    }
}
