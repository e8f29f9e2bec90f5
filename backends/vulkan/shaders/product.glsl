// The operands of a product C[b, m, n] = sum over k of A[b, m, k] B[b, k, n], for matrices with any
// strides and for convolutions without a matrix of windows. Each of b, m, k and n is one index made
// of up to four dimensions, which tell where it leads in A, B, C and C0, and, for a convolution, in
// the space that the windows slide over: coordinates of k and n add up.
layout(constant_id = 1) const int MODE = 0;
#ifdef ONLY_F32 // what is unrolled is a fraction as long without the other dtypes
const int FROM = F32, TO = F32;
#else
layout(constant_id = 2) const int FROM = 0;
layout(constant_id = 3) const int TO = 0;
#endif
layout(constant_id = 4) const int M_RANK = 1;
layout(constant_id = 5) const int K_RANK = 1;
layout(constant_id = 6) const int N_RANK = 1;
layout(constant_id = 7) const int ENDS = 0;  // what becomes of each sum: see complete()
layout(constant_id = 8) const int SPLIT = 0; // results are parts of a sum, for product_join.comp
layout(constant_id = 9) const int SPATIAL = 0; // how many coordinates there are, the last ones of three
layout(constant_id = 10) const int A_ALONG_K = 0; // A's neighbours in memory are neighbours in k
layout(constant_id = 11) const int B_ALONG_K = 0; // or in windows, where their rows are shared
layout(constant_id = 12) const int DIVIDES = 0; // SCATTERED: some `divide_by` is not 1

const int PLAIN = 0, WINDOWS = 1, SCATTERED = 2; // SCATTERED: coordinates are divided by `divide_by`

struct Axis {
    uint size, magic, shift, unused;
    uvec4 stride;   // in A, B, C, C0
    ivec4 coordinate;
};

// product_block in product.h.
struct Product {
    uint m, n, k, batch;
    uint splits, chunk; // chunk: terms of one split
    ivec4 base, extent, divide_by; // of coordinates
    uvec4 spatial;                 // strides in B along them
    Axis b_axis[1], m_axis[4], k_axis[4], n_axis[4];
};
UNIFORMS(Product, p)

// Where an index leads.
struct Place {
    uvec4 at;
    ivec3 coordinate;
};

#define PLACE_ON(axes, rank, index, where)                                                   \
    {                                                                                        \
        uint rest_ = index;                                                                  \
        where.at = uvec4(0);                                                                 \
        where.coordinate = ivec3(0);                                                         \
        [[unroll]] for (int d_ = 3; d_ > 0; d_--)                                            \
            if (d_ < rank) {                                                                 \
                uint q_ = divide(rest_, axes[d_].magic, axes[d_].shift);                     \
                uint i_ = rest_ - q_ * axes[d_].size;                                        \
                where.at += i_ * axes[d_].stride;                                            \
                where.coordinate += int(i_) * axes[d_].coordinate.xyz;                       \
                rest_ = q_;                                                                  \
            }                                                                                \
        where.at += rest_ * axes[0].stride;                                                  \
        where.coordinate += int(rest_) * axes[0].coordinate.xyz;                             \
    }

Place m_place(uint m)
{
    Place w;
    PLACE_ON(p.m_axis, M_RANK, m, w);
    return w;
}

Place k_place(uint k)
{
    Place w;
    PLACE_ON(p.k_axis, K_RANK, k, w);
    return w;
}

Place n_place(uint n)
{
    Place w;
    PLACE_ON(p.n_axis, N_RANK, n, w);
    w.coordinate += p.base.xyz;
    return w;
}

T load_a(uint b, Place m, Place k)
{
    return load(args.at[1], b * p.b_axis[0].stride.x + m.at.x + k.at.x, FROM);
}

// One coordinate of B: adds where it leads, and says whether it is inside.
bool step_inside(int c, int extent, int by, uint stride, inout uint at)
{
    if (MODE == SCATTERED && DIVIDES != 0) {
        int q = c / by;
        bool whole = c >= 0 && q * by == c && q < extent;
        at += uint(whole ? q : 0) * stride;
        return whole;
    }
    bool inside = uint(c) < uint(extent);
    at += uint(inside ? c : 0) * stride;
    return inside;
}

// A scattered product has no padding: what is outside of B is no term, not even beside an infinity in
// A. A NaN of its own stands for it; in windows, zeros do, as everywhere.
#if defined CLASS_FLOAT
const uint NO_TERM = 0x7fd5a5a5u;
#define OUTSIDE (MODE == SCATTERED ? uintBitsToFloat(NO_TERM) : 0.0)
#define IS_TERM(x) (floatBitsToUint(x) != NO_TERM)
#elif defined CLASS_DOUBLE
const uint NO_TERM = 0x7ffd5a5au;
#define OUTSIDE (MODE == SCATTERED ? packDouble2x32(uvec2(NO_TERM)) : 0.0lf)
#define IS_TERM(x) (unpackDouble2x32(x) != uvec2(NO_TERM))
#else
#define OUTSIDE T(0)
#define IS_TERM(x) true
#endif

T product(T a, T b)
{
    return MODE == SCATTERED && !IS_TERM(b) ? T(0) : a * b;
}

T load_b(uint b, Place k, Place n)
{
    uint at = b * p.b_axis[0].stride.y + k.at.y + n.at.y;
    if (MODE == PLAIN)
        return load(args.at[2], at, FROM);
    ivec3 c = k.coordinate + n.coordinate;
    bool inside = step_inside(c.z, p.extent.z, p.divide_by.z, p.spatial.z, at);
    if (SPATIAL > 1)
        inside = step_inside(c.y, p.extent.y, p.divide_by.y, p.spatial.y, at) && inside;
    if (SPATIAL > 2)
        inside = step_inside(c.x, p.extent.x, p.divide_by.x, p.spatial.x, at) && inside;
    return inside ? load(args.at[2], at, FROM) : OUTSIDE;
}

// What is stored: parts of a sum are in the type that is computed in.
#if defined ONLY_F32
const int OUT = F32;
#elif defined CLASS_FLOAT
const int OUT = SPLIT != 0 ? F32 : TO;
#elif defined CLASS_INT
const int OUT = SPLIT != 0 ? I32 : TO;
#else
const int OUT = TO;
#endif

// ---- what becomes of a sum: ENDS has a bit for each of these, and then a function of follow_ops.def ----

const bool ADDS_C0 = SPLIT == 0 && (ENDS & 1) != 0; // alpha times the sum, and beta times C0: number(0) and (1)
#if defined CLASS_FLOAT
// What follows the product in a graph, on what would be in memory: word(0) times it, and word(1) times a value that lies as C
// does; and the function, whose parameters are word(2) and (3).
const bool ADDS_OTHER = SPLIT == 0 && (ENDS & 2) != 0;
const int FUNCTION = SPLIT == 0 ? ENDS >> 2 : 0;
#define word(k) uintBitsToFloat(args.word[k])
#include "math_f32.glsl"
#include "unary.glsl"
#include "ternary.glsl"
#define OP(name, value) const int OP_##name = value;
#include "follow_ops.def"
#undef OP

// What memory would leave of it.
float kept(float x)
{
    if (TO != F32 && !is_nan(x)) {
        uint u = floatBitsToUint(x), a = u & 0x7fffffffu;
        if (TO == BF16) {
            u = u + 0x7fffu + (u >> 16 & 1u) & 0xffff0000u;
        } else {
            precise float small = uintBitsToFloat(a) + 0.5; // the subnormals' step
            precise float smaller = small - 0.5;
            uint large = a + 0xfffu + (a >> 13 & 1u) & 0xffffe000u;
            large = large >= 0x47800000u ? 0x7f800000u : large;
            u = (a < 0x38800000u ? floatBitsToUint(smaller) : large) | u & 0x80000000u;
        }
        x = uintBitsToFloat(u);
    }
    return x;
}

// The functions of a few instructions; the others, which would be long where each element has instructions of its own, are
// curved()'s.
float bent(float x)
{
    if (FUNCTION == OP_relu)
        x = op_relu(x);
    else if (FUNCTION == OP_leaky_relu)
        x = op_leaky_relu(x, word(2));
    else if (FUNCTION == OP_clamp)
        x = op_clamp(x, word(2), word(3));
    return x;
}

float curved(float x)
{
    if (FUNCTION == OP_tanh)
        x = op_tanh(x);
    else if (FUNCTION == OP_sigmoid)
        x = op_sigmoid(x);
    else if (FUNCTION == OP_gelu)
        x = op_gelu(x);
    else if (FUNCTION == OP_gelu_tanh)
        x = op_gelu_tanh(x);
    else if (FUNCTION == OP_silu)
        x = op_silu(x);
    return x;
}

const bool CURVES = FUNCTION >= OP_tanh;

// Sums in registers, on which curved() stands once.
#define CURVE(c, rows, columns)                                        \
    if (CURVES) {                                                      \
        T all_[rows * columns];                                        \
        [[unroll]] for (uint i_ = 0; i_ < rows; i_++)                  \
            [[unroll]] for (uint j_ = 0; j_ < columns; j_++)           \
                all_[i_ * columns + j_] = c[i_][j_];                   \
        [[dont_unroll]] for (uint e_ = 0; e_ < rows * columns; e_++)   \
            all_[e_] = curved(all_[e_]);                               \
        [[unroll]] for (uint i_ = 0; i_ < rows; i_++)                  \
            [[unroll]] for (uint j_ = 0; j_ < columns; j_++)           \
                c[i_][j_] = all_[i_ * columns + j_];                   \
    }
#else
#define curved(x) (x)
#define CURVE(c, rows, columns)
#endif

// The element from its sum, but for what curved() does.
T complete(uint b, uint mi, uint ni, Place m, Place n, T x)
{
    if (SPLIT == 0 && ENDS != 0 && all(lessThan(uvec2(mi, ni), uvec2(p.m, p.n)))) {
        uvec4 at = b * p.b_axis[0].stride + m.at + n.at;
        if (ADDS_C0) {
            T beta = number(1);
            x *= number(0);
            if (beta != T(0))
                x += beta * load(args.at[3], at.w, TO);
        }
#if defined CLASS_FLOAT
        if (ADDS_OTHER) {
            precise float sum = word(0) * kept(x) + word(1) * load(args.at[4], at.z, TO);
            x = sum;
        }
        if (FUNCTION != 0)
            x = bent(kept(x));
#endif
    }
    return x;
}

// What is outside of C is not stored. Unrolled as this is, each branch that it does without counts.
void store_c(uint b, uint split, uint mi, uint ni, Place m, Place n, T x)
{
    if (all(lessThan(uvec2(mi, ni), uvec2(p.m, p.n)))) {
        uvec4 at = b * p.b_axis[0].stride + m.at + n.at;
        uint part = ((split * p.batch + b) * p.m + mi) * p.n + ni;
        store(args.at[0], mix(at.z, part, SPLIT != 0), OUT, x);
    }
}
