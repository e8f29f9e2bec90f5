// A dimension of a chain's elements: vk_chain_dim in chain.h.
#include "dim.glsl"

struct Step {
    uint size, magic, shift, unused;
    uvec4 stride[2]; // of up to eight values
};
