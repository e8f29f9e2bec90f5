// Dimensions as kernels see them: vk_dim in plan.h.
struct Dim {
    uint size, magic, shift, unused;
    uvec4 stride; // of up to four values
};

// i / d.size, for i below 2^31.
uint divide(uint i, uint magic, uint shift)
{
    uint high, low;
    umulExtended(i, magic, high, low);
    return (high + i) >> shift;
}

// The strides' part of element i, for `rank` dimensions of an array of them; the inner ones first.
#define PLACE_IN(dims, rank, i, at)                                        \
    {                                                                      \
        uint rest_ = i;                                                    \
        at = uvec4(0);                                                     \
        [[unroll]] for (int d_ = 7; d_ > 0; d_--)                          \
            if (d_ < rank) {                                               \
                uint q_ = divide(rest_, dims[d_].magic, dims[d_].shift);   \
                at += (rest_ - q_ * dims[d_].size) * dims[d_].stride;      \
                rest_ = q_;                                                \
            }                                                              \
        if (rank > 0)                                                      \
            at += rest_ * dims[0].stride;                                  \
    }
