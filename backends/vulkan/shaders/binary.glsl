// Elementwise operations on two inputs, a function each; see unary.glsl. What stands after a and b are the operation's
// numbers. Whole numbers want integer.glsl before.
#define OF_TWO(name, result)            \
    T op_##name(const T a, const T b)   \
    {                                   \
        precise T y_ = result;          \
        return y_;                      \
    }
#define COMPARED(name, holds)           \
    int op_##name(const T a, const T b) \
    {                                   \
        return holds ? 1 : 0;           \
    }
COMPARED(eq, a == b)
COMPARED(ne, a != b || is_nan(a) || is_nan(b))
COMPARED(lt, a < b)
COMPARED(le, a <= b)
COMPARED(gt, a > b)
COMPARED(ge, a >= b)
COMPARED(logical_and, a != T(0) && b != T(0))
COMPARED(logical_or, a != T(0) || b != T(0))
COMPARED(logical_xor, (a != T(0)) != (b != T(0)))
OF_TWO(mul, a * b)
OF_TWO(maximum, is_nan(a) || a > b ? a : b)
OF_TWO(minimum, is_nan(a) || a < b ? a : b)

T op_add(const T a, const T b, const T alpha)
{
    precise T sum = a + alpha * b;
    return sum;
}

T op_sub(const T a, const T b, const T alpha)
{
    precise T sum = a - alpha * b;
    return sum;
}

T op_threshold_backward(const T a, const T b, const T threshold)
{
    return b <= threshold ? T(0) : a;
}

#if defined CLASS_FLOAT || defined CLASS_DOUBLE
T gelu_slope(T x)
{
    return T(0.5) * (T(1) + erf_(x * T(0.70710678118654752440))) +
           x * exp_(T(-0.5) * x * x) * T(0.39894228040143267794);
}

T gelu_tanh_slope(T x)
{
    const T beta = T(0.79788456080286535588), kappa = T(0.044715);
    T t = tanh_(beta * (x + kappa * x * x * x));
    return T(0.5) * (T(1) + t) +
           T(0.5) * x * (T(1) - t * t) * beta * (T(1) + T(3) * kappa * x * x);
}

T silu_slope(T x)
{
    T s = sigmoid_(x);
    return s * (T(1) + x * (T(1) - s));
}

OF_TWO(div, a / b)
OF_TWO(div_trunc, trunc(a / b))
OF_TWO(copysign, with_sign(a, b))
OF_TWO(sigmoid_backward, a * (T(1) - b) * b)
OF_TWO(tanh_backward, a * (T(1) - b * b))
OF_TWO(gelu_backward, a * gelu_slope(b))
OF_TWO(gelu_tanh_backward, a * gelu_tanh_slope(b))
OF_TWO(silu_backward, a * silu_slope(b))

T op_leaky_relu_backward(const T a, const T b, const T slope)
{
    precise T y = b > T(0) ? a : a * slope;
    return y;
}

T op_elu_backward(const T a, const T b, const T alpha, const T scale, const T input_scale)
{
    precise T y = a * (b <= T(0) ? input_scale * alpha * scale * exp_(b * input_scale) : scale);
    return y;
}

T op_elu_backward_result(const T a, const T b, const T alpha, const T scale, const T input_scale)
{
    precise T y = a * (b <= T(0) ? input_scale * (b + alpha * scale) : scale);
    return y;
}

T op_hardtanh_backward(const T a, const T b, const T least, const T most)
{
    return b <= least || b >= most ? T(0) : a;
}

T op_softplus_backward(const T a, const T b, const T beta, const T threshold)
{
    precise T y = b * beta > threshold ? a : a * sigmoid_(b * beta);
    return y;
}
#else
OF_TWO(div_trunc, quotient(a, b))
OF_TWO(bitwise_and, a & b)
OF_TWO(bitwise_or, a | b)
OF_TWO(bitwise_xor, a ^ b)

T op_or_alpha(const T a, const T b, const T alpha)
{
    return a | (b & alpha);
}

// Shifts of an element of that many bits.
T op_left_shift(const T a, const T b, const uint bits)
{
    return b < T(0) || b >= T(bits) ? T(0) : a << int(b);
}

T op_right_shift(const T a, const T b, const uint bits, const uint most)
{
    return a >> (b < T(0) || b >= T(bits) ? int(most) : int(b));
}
#endif
#undef OF_TWO
#undef COMPARED
