// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
uvec4 philox(uvec2 seed, uvec2 counter)
{
    uvec4 c = uvec4(counter, 0u, 0u);
    uvec2 key = seed;
    for (int round = 0; round < 10; round++) {
        uint ah, al, bh, bl;
        umulExtended(0xd2511f53u, c.x, ah, al);
        umulExtended(0xcd9e8d57u, c.z, bh, bl);
        c = uvec4(bh ^ c.y ^ key.x, bl, ah ^ c.w ^ key.y, al);
        key += uvec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}
