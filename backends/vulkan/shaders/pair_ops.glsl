// Elementwise operations on whole numbers of 64 bits where there is no such type (LEAN): what
// unary.glsl, binary.glsl and ternary.glsl are for others.
bool is_negative(const uvec2 x)
{
    return int(x.y) < 0;
}

bool is_some(const uvec2 x)
{
    return x != uvec2(0u);
}

#define OF_ONE(name, result)        \
    uvec2 op_##name(const uvec2 x)  \
    {                               \
        return result;              \
    }
OF_ONE(abs, is_negative(x) ? pair_neg(x) : x)
OF_ONE(neg, pair_neg(x))
OF_ONE(sign, pair_of(is_negative(x) ? -1 : is_some(x) ? 1 : 0))
OF_ONE(square, pair_mul(x, x))
OF_ONE(relu, is_negative(x) ? uvec2(0u) : x)
OF_ONE(bitwise_not, ~x)
#undef OF_ONE

int op_logical_not(const uvec2 x)
{
    return is_some(x) ? 0 : 1;
}

#define COMPARED(name, holds)                   \
    int op_##name(const uvec2 a, const uvec2 b) \
    {                                           \
        return holds ? 1 : 0;                   \
    }
COMPARED(eq, a == b)
COMPARED(ne, a != b)
COMPARED(lt, pair_is_less(a, b))
COMPARED(le, !pair_is_less(b, a))
COMPARED(gt, pair_is_less(b, a))
COMPARED(ge, !pair_is_less(a, b))
COMPARED(logical_and, is_some(a) && is_some(b))
COMPARED(logical_or, is_some(a) || is_some(b))
COMPARED(logical_xor, is_some(a) != is_some(b))
#undef COMPARED

#define OF_TWO(name, result)                      \
    uvec2 op_##name(const uvec2 a, const uvec2 b) \
    {                                             \
        return result;                            \
    }
OF_TWO(mul, pair_mul(a, b))
OF_TWO(maximum, pair_is_less(a, b) ? b : a)
OF_TWO(minimum, pair_is_less(b, a) ? b : a)
OF_TWO(bitwise_and, a & b)
OF_TWO(bitwise_or, a | b)
OF_TWO(bitwise_xor, a ^ b)
#undef OF_TWO

uvec2 op_add(const uvec2 a, const uvec2 b, const uvec2 alpha)
{
    return pair_add(a, pair_mul(alpha, b));
}

uvec2 op_sub(const uvec2 a, const uvec2 b, const uvec2 alpha)
{
    return pair_add(a, pair_neg(pair_mul(alpha, b)));
}

uvec2 op_or_alpha(const uvec2 a, const uvec2 b, const uvec2 alpha)
{
    return a | (b & alpha);
}

uvec2 op_threshold_backward(const uvec2 a, const uvec2 b, const uvec2 threshold)
{
    return pair_is_less(threshold, b) ? a : uvec2(0u);
}

uvec2 op_left_shift(const uvec2 a, const uvec2 b, const uint bits)
{
    uint n = b.x;
    if (b.y != 0u || n >= bits)
        return uvec2(0u);
    return n == 0u ? a : n < 32u ? uvec2(a.x << n, a.y << n | a.x >> (32u - n)) : uvec2(0u, a.x << (n - 32u));
}

uvec2 op_right_shift(const uvec2 a, const uvec2 b, const uint bits, const uint most)
{
    uint n = b.y != 0u || b.x >= bits ? most : b.x, sign = uint(int(a.y) >> 31);
    if (n == 0u)
        return a;
    return n < 32u ? uvec2(a.x >> n | a.y << (32u - n), uint(int(a.y) >> n))
                   : uvec2(uint(int(a.y) >> (n - 32u)), sign);
}

uvec2 op_where(const int condition, const uvec2 b, const uvec2 c)
{
    return condition != 0 ? b : c;
}

uvec2 op_clamp(const uvec2 a, const uvec2 b, const uvec2 c)
{
    uvec2 low = pair_is_less(a, b) ? b : a;
    return pair_is_less(c, low) ? c : low;
}

uvec2 op_addcmul(const uvec2 a, const uvec2 b, const uvec2 c, const uvec2 value)
{
    return pair_add(a, pair_mul(pair_mul(value, b), c));
}
