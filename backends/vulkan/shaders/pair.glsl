// Whole numbers of 64 bits as two words, the low one first.
uvec2 pair_of(int x)
{
    return uvec2(uint(x), uint(x >> 31));
}

uvec2 pair_add(uvec2 a, uvec2 b)
{
    uint carry, low = uaddCarry(a.x, b.x, carry);
    return uvec2(low, a.y + b.y + carry);
}

uvec2 pair_mul(uvec2 a, uvec2 b)
{
    uint high, low;
    umulExtended(a.x, b.x, high, low);
    return uvec2(low, high + a.x * b.y + a.y * b.x);
}

uvec2 pair_neg(uvec2 a)
{
    return pair_add(~a, uvec2(1u, 0u));
}

bool pair_is_less(uvec2 a, uvec2 b)
{
    return a.y != b.y ? int(a.y) < int(b.y) : a.x < b.x;
}
