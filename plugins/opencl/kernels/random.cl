// Random bits: Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011). An item makes a block of 128 bits.
kernel void random(space s, VALUE(y), int op, int dtype, ulong seed, ulong offset)
{
    START(y);
    INDEX per = CHOSEN_DTYPE == I64 ? 2 : 4, block = (INDEX)get_global_id(0), first = block * per, at[1];
    if (first >= (INDEX)s.count)
        return;
    ulong counter = offset + block;
    uint4 c = (uint4)((uint)counter, (uint)(counter >> 32), 0, 0);
    uint2 key = (uint2)((uint)seed, (uint)(seed >> 32));
    for (int round = 0; round < 10; round++) {
        uint4 next = (uint4)(mul_hi(0xCD9E8D57u, c.z) ^ c.y ^ key.x, 0xCD9E8D57u * c.z,
                             mul_hi(0xD2511F53u, c.x) ^ c.w ^ key.y, 0xD2511F53u * c.x);
        c = next;
        key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    }
    uint word[4] = {c.x, c.y, c.z, c.w};
    for (INDEX k = 0; k < per && first + k < (INDEX)s.count; k++) {
        places(&s, first + k, at, 1);
        if (CHOSEN_DTYPE == I64)
            store_long(y, at[0], (long)((ulong)word[2 * k] | (ulong)word[2 * k + 1] << 32), I64);
        else
            store_int(y, at[0], (int)word[k], I32);
    }
}
