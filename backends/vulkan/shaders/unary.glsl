// Elementwise operations on one input, a function each: kernels of one class include this once, chain.comp once for each
// class. What stands after x are the operation's numbers. All are precise: a chain must not contract what is computed here with
// its neighbours (spirv.h), so neither does a kernel of one operation.
#define OF_ONE(name, result)    \
    T op_##name(const T x)      \
    {                           \
        precise T y_ = result;  \
        return y_;              \
    }
OF_ONE(abs, abs(x))
OF_ONE(neg, -x)
OF_ONE(sign, T(x > T(0) ? 1 : x < T(0) ? -1 : 0))
OF_ONE(square, x * x)
OF_ONE(relu, x < T(0) ? T(0) : x)

int op_logical_not(const T x)
{
    return x == T(0) ? 1 : 0;
}

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
OF_ONE(floor, floor(x))
OF_ONE(ceil, ceil(x))
OF_ONE(trunc, trunc(x))
OF_ONE(round, roundEven(x))
OF_ONE(sqrt, sqrt(x))
OF_ONE(rsqrt, T(1) / sqrt(x))
OF_ONE(reciprocal, T(1) / x)
OF_ONE(cube, x * x * x)
OF_ONE(inverse_square, T(1) / (x * x))
OF_ONE(exp, exp_(x))
OF_ONE(log, log_(x))
OF_ONE(tanh, tanh_(x))
OF_ONE(sigmoid, sigmoid_(x))
OF_ONE(erf, erf_(x))
OF_ONE(gelu, T(0.5) * x * (T(1) + erf_(x * T(0.70710678118654752440))))
OF_ONE(gelu_tanh, T(0.5) * x * (T(1) + tanh_(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x))))
OF_ONE(silu, x / (T(1) + exp_(-x)))

T op_leaky_relu(const T x, const T slope)
{
    precise T y = x > T(0) ? x : x * slope;
    return y;
}

T op_elu(const T x, const T alpha, const T scale, const T input_scale)
{
    precise T y = x <= T(0) ? expm1_(x * input_scale) * (alpha * scale) : x * scale;
    return y;
}

T op_hardtanh(const T x, const T least, const T most)
{
    precise T y = x < least ? least : x > most ? most : x;
    return y;
}

T op_softplus(const T x, const T beta, const T threshold)
{
    precise T y = x * beta > threshold ? x : log1p_(exp_(x * beta)) / beta;
    return y;
}
#else
OF_ONE(bitwise_not, ~x)
#endif
#undef OF_ONE
