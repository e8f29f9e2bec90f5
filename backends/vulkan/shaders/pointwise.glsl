// What elementwise kernels share: an input is memory, or one of the run's numbers.
layout(constant_id = 1) const int RANK = 0;
layout(constant_id = 2) const int OP = 0;
layout(constant_id = 3) const int TO = 0;     // the output's dtype
layout(constant_id = 4) const int FROM_0 = 0; // an input's dtype, or NUMBER + the number's place
layout(constant_id = 5) const int FROM_1 = 0;
layout(constant_id = 6) const int FROM_2 = 0;
layout(constant_id = 7) const int BITS = 32;  // of an integer element

const int NUMBER = 16;

#define INPUT(k, from, i) \
    (from >= NUMBER ? number(from - NUMBER) : load(args.at[1 + k], i, from))
#define OP(name, value) const int OP_##name = value;
