// Divisions and powers of whole numbers of 64 bits where there is no such type (LEAN): what
// integer.glsl and binary_special.glsl are for others.

// Long division, bit by bit, without signs.
uvec2 magnitude_quotient(uvec2 a, uvec2 b)
{
    uvec2 q = uvec2(0u), r = q;
    [[dont_unroll]] for (int i = 0; i < 64; i++) {
        r = uvec2(r.x << 1 | a.y >> 31, r.y << 1 | r.x >> 31);
        a = uvec2(a.x << 1, a.y << 1 | a.x >> 31);
        q = uvec2(q.x << 1, q.y << 1 | q.x >> 31);
        if (r.y > b.y || (r.y == b.y && r.x >= b.x)) {
            r = pair_add(r, pair_neg(b));
            q.x |= 1u;
        }
    }
    return q;
}

uvec2 quotient(uvec2 a, uvec2 b)
{
    if (b == uvec2(0u))
        return b;
    bool below_a = int(a.y) < 0, below_b = int(b.y) < 0;
    uvec2 q = magnitude_quotient(below_a ? pair_neg(a) : a, below_b ? pair_neg(b) : b);
    return below_a != below_b ? pair_neg(q) : q;
}

uvec2 rest_of(uvec2 a, uvec2 q, uvec2 b)
{
    return b == uvec2(0u) ? b : pair_add(a, pair_neg(pair_mul(q, b)));
}

bool across(uvec2 a, uvec2 b, uvec2 rest)
{
    return rest != uvec2(0u) && (int(a.y) < 0) != (int(b.y) < 0);
}

uvec2 op_div_trunc(const uvec2 a, const uvec2 b)
{
    return quotient(a, b);
}

uvec2 op_fmod(const uvec2 a, const uvec2 b)
{
    return rest_of(a, quotient(a, b), b);
}

uvec2 op_remainder(const uvec2 a, const uvec2 b)
{
    uvec2 rest = op_fmod(a, b);
    return across(a, b, rest) ? pair_add(rest, b) : rest;
}

uvec2 op_div_floor(const uvec2 a, const uvec2 b)
{
    uvec2 q = quotient(a, b);
    return across(a, b, rest_of(a, q, b)) ? pair_add(q, pair_of(-1)) : q;
}

uvec2 op_pow(const uvec2 base, const uvec2 exponent)
{
    uvec2 x = base, y = exponent, r = uvec2(1u, 0u);
    if (int(y.y) < 0)
        return x == r ? r : x == pair_of(-1) ? ((y.x & 1u) != 0u ? x : r) : uvec2(0u);
    [[dont_unroll]] for (; y != uvec2(0u); y = uvec2(y.x >> 1 | y.y << 31, y.y >> 1)) {
        if ((y.x & 1u) != 0u)
            r = pair_mul(r, x);
        x = pair_mul(x, x);
    }
    return r;
}
