#version 450
// Attention by blocks: softmax(scale q k' + mask) v and its gradients, never with all scores in
// memory. A group of 64 owns BLOCK rows of one head and goes through the other side's rows BLOCK by
// BLOCK; the scores of two blocks lie in shared memory.
//   PASS 0  owns queries: output and log sum exp of each row, the softmax corrected as greater
//           scores turn up (Milakov and Gimelshein, 2018; Dao et al., 2022)
//   PASS 1  owns queries: q' = S k, and each row's sum of g y for the pass after it
//   PASS 2  owns keys:    v' = P' g and k' = S' q
// where P = exp(scores - lse) and S = P (g v' - sum g y) scale; dropout multiplies the P of v' and
// g v'. What is added up is added in the order of rows.
#include "kernel.glsl"
#if defined CLASS_FLOAT
#include "math_f32.glsl"
#else
#include "math_f64.glsl"
#endif
#include "philox.glsl"

layout(constant_id = 1) const int TYPE = 0;   // of all but lse, sums and a mask of bools
layout(constant_id = 2) const int MASK = 0;   // 0: none, 1: bools, 2: to be added
layout(constant_id = 3) const int CAUSAL = 0; // keys beyond the query's number are hidden
layout(constant_id = 4) const int DROPS = 0;
layout(constant_id = 5) const int WIDE = 1;  // chunks of CHUNK columns that keys have
layout(constant_id = 6) const int VALUES = 1; // and values

const uint BLOCK = 32, CHUNK = 32, DEPTH = 16, GROUP = 64, EACH = 4, ROW = BLOCK + 1;
#if defined CLASS_FLOAT
const int REAL = F32;
#else
const int REAL = F64;
#endif

// attention_block in attention.c. Strides: batch, head, row, column.
struct Attention {
    uint heads, targets, sources, width, values;
    uvec4 q, k, v, mask, g, y, out_, dv;
};
UNIFORMS(Attention, p)

#define SLOT_OUT    args.at[0] // y, q' or k'
#define SLOT_Q      args.at[1]
#define SLOT_K      args.at[2]
#define SLOT_V      args.at[3]
#define SLOT_LSE    args.at[4]
#define SLOT_MASK   args.at[5]
#define SLOT_G      args.at[6]
#define SLOT_OTHER  args.at[7] // y, or v'
#define SLOT_SUMS   args.at[8]

shared T chunk[2 * BLOCK * (DEPTH + 1)]; // of two blocks' rows, or one block of CHUNK columns
shared T tile[BLOCK * ROW];              // scores and what becomes of them, [own][other]
#if PASS > 0
shared T other_tile[BLOCK * ROW];        // g v', and then the weights that v' is made with
#endif
shared T row_a[BLOCK], row_b[BLOCK]; // of the queries: factors, or lse and sums

uint me, line, column; // in a tile: rows line + 8 i, columns column + 8 j

uint base_of(uvec4 stride, uint head)
{
    return head / p.heads * stride.x + head % p.heads * stride.y;
}

// DEPTH columns of a block of x's rows into one half of chunk; zeros beyond their ends.
void fetch(BITS64 x, uvec4 stride, uint base, uint first, uint rows, uint from, uint width, uint part)
{
    for (uint e = me; e < BLOCK * DEPTH; e += GROUP) {
        uint r = e / DEPTH, c = e % DEPTH;
        bool there = first + r < rows && from + c < width;
        chunk[part * BLOCK * (DEPTH + 1) + r * (DEPTH + 1) + c] =
            there ? load(x, base + (first + r) * stride.z + (from + c) * stride.w, TYPE) : T(0);
    }
}

// s = a b' for two blocks of rows.
#define PRODUCTS(a, a_stride, a_first, a_rows, b, b_stride, b_first, b_rows, width, s)              \
    {                                                                                               \
        uint a_base = base_of(a_stride, head), b_base = base_of(b_stride, head);                    \
        [[unroll]] for (uint i = 0; i < EACH; i++)                                                  \
            [[unroll]] for (uint j = 0; j < EACH; j++)                                              \
                s[i][j] = T(0);                                                                     \
        for (uint from = 0; from < width; from += DEPTH) {                                          \
            barrier();                                                                              \
            fetch(a, a_stride, a_base, a_first, a_rows, from, width, 0);                            \
            fetch(b, b_stride, b_base, b_first, b_rows, from, width, 1);                            \
            barrier();                                                                              \
            for (uint d = 0; d < DEPTH; d++) {                                                      \
                T y[EACH];                                                                          \
                [[unroll]] for (uint j = 0; j < EACH; j++)                                          \
                    y[j] = chunk[(BLOCK + column + 8 * j) * (DEPTH + 1) + d];                       \
                [[unroll]] for (uint i = 0; i < EACH; i++) {                                        \
                    T x = chunk[(line + 8 * i) * (DEPTH + 1) + d];                                  \
                    [[unroll]] for (uint j = 0; j < EACH; j++)                                      \
                        s[i][j] += x * y[j];                                                        \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
    }

// c += weights x for the other side's block of rows, x of CHUNKS times CHUNK columns.
#define ADD_PRODUCT(weights, x, stride, first, rows, width, CHUNKS, c)                              \
    {                                                                                               \
        uint base = base_of(stride, head);                                                          \
        [[unroll]] for (uint n = 0; n < CHUNKS; n++) {                                              \
            barrier();                                                                              \
            for (uint e = me; e < BLOCK * CHUNK; e += GROUP) {                                      \
                uint r = e / CHUNK, d = n * CHUNK + e % CHUNK;                                      \
                bool there = first + r < rows && d < width;                                         \
                chunk[r * ROW + e % CHUNK] =                                                        \
                    there ? load(x, base + (first + r) * stride.z + d * stride.w, TYPE) : T(0);     \
            }                                                                                       \
            barrier();                                                                              \
            for (uint r = 0; r < BLOCK; r++) {                                                      \
                T y[EACH];                                                                          \
                [[unroll]] for (uint j = 0; j < EACH; j++)                                          \
                    y[j] = chunk[r * ROW + column + 8 * j];                                         \
                [[unroll]] for (uint i = 0; i < EACH; i++) {                                        \
                    T w = weights[(line + 8 * i) * ROW + r];                                        \
                    [[unroll]] for (uint j = 0; j < EACH; j++)                                      \
                        c[i][n * EACH + j] += w * y[j];                                             \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
    }

// An invocation's scores to its places in a tile. What follows goes through them in a loop: unrolled,
// exponentials and random numbers would be sixteen times as long.
#define LAY_DOWN(s, to)                                                                             \
    {                                                                                               \
        [[unroll]] for (uint i = 0; i < EACH; i++)                                                  \
            [[unroll]] for (uint j = 0; j < EACH; j++)                                              \
                to[(line + 8 * i) * ROW + column + 8 * j] = s[i][j];                                \
    }

#define STORE(to, stride, first, rows, width, CHUNKS, c)                                            \
    {                                                                                               \
        uint base = base_of(stride, head);                                                          \
        [[unroll]] for (uint i = 0; i < EACH; i++)                                                  \
            [[unroll]] for (uint j = 0; j < EACH * CHUNKS; j++) {                                   \
                uint r = first + line + 8 * i, d = column + 8 * j;                                  \
                if (r < rows && d < width)                                                          \
                    store(to, base + r * stride.z + d * stride.w, TYPE, c[i][j]);                   \
            }                                                                                       \
    }

bool is_seen(uint query, uint key)
{
    return query < p.targets && key < p.sources && (CAUSAL == 0 || key <= query);
}

// A product's score: scaled, with the mask; not for what is hidden.
T score(T x, uint head, uint query, uint key, out bool seen)
{
    seen = is_seen(query, key);
    x *= number(0);
    if (MASK != 0 && seen) {
        uint at = base_of(p.mask, head) + query * p.mask.z + key * p.mask.w;
        if (MASK == 1)
            seen = U8_IN(SLOT_MASK, at) != 0u;
        else
            x += load(SLOT_MASK, at, TYPE);
    }
    return x;
}

// What dropout multiplies a weight with: its number is the word of its place among all scores.
T keep_of(uint head, uint query, uint key)
{
    float drop = uintBitsToFloat(args.word[2]);
    if (DROPS == 0 || drop <= 0.0)
        return T(1);
    uvec2 at = pair_mul(uvec2(head * p.targets + query, 0u), uvec2(p.sources, 0u));
    at = pair_add(at, uvec2(key, 0u));
    uvec2 block = uvec2(at.x >> 2 | at.y << 30, at.y >> 2);
    uvec4 w = philox(HALVES(args.number[1]), pair_add(uvec2(args.word[0], args.word[1]), block));
    float u = float(w[at.x & 3u] >> 8) * 5.9604644775390625e-8;
    return u >= drop ? T(uintBitsToFloat(args.word[3])) : T(0);
}

#if PASS == 0

void main()
{
    me = gl_LocalInvocationID.x;
    line = me / 8;
    column = me % 8;
    uint head = gl_WorkGroupID.y, first = gl_WorkGroupID.x * BLOCK;
    uint last = CAUSAL != 0 ? min(first + BLOCK, p.sources) : p.sources;
    const T nothing = -T(1) / T(0);
    T c[EACH][EACH * VALUES], s[EACH][EACH];
    T top = nothing, sum = T(0); // of row `me`
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint j = 0; j < EACH * VALUES; j++)
            c[i][j] = T(0);
    for (uint key = 0; key < last; key += BLOCK) {
        PRODUCTS(SLOT_Q, p.q, first, p.targets, SLOT_K, p.k, key, p.sources, p.width, s)
        LAY_DOWN(s, tile)
        for (uint e = 0; e < EACH * EACH; e++) {
            uint row = line + e / EACH * 8, other = column + e % EACH * 8, at = row * ROW + other;
            bool seen;
            T x = score(tile[at], head, first + row, key + other, seen);
            tile[at] = seen ? x : nothing;
        }
        barrier();
        if (me < BLOCK) {
            T best = top;
            for (uint r = 0; r < BLOCK; r++) {
                T x = tile[me * ROW + r];
                best = is_nan(best) || best > x ? best : x;
            }
            T earlier = top == nothing ? T(0) : exp_(top - best), total = T(0);
            bool any = best != nothing; // or a NaN
            for (uint r = 0; r < BLOCK; r++) {
                T x = any ? exp_(tile[me * ROW + r] - best) : T(0);
                total += x;
                tile[me * ROW + r] = x * keep_of(head, first + me, key + r);
            }
            sum = sum * earlier + total;
            top = best;
            row_a[me] = any ? earlier : T(1);
        }
        barrier();
        [[unroll]] for (uint i = 0; i < EACH; i++) {
            T earlier = key == 0 ? T(1) : row_a[line + 8 * i];
            [[unroll]] for (uint j = 0; j < EACH * VALUES; j++)
                c[i][j] *= earlier;
        }
        ADD_PRODUCT(tile, SLOT_V, p.v, key, p.sources, p.values, VALUES, c)
    }
    if (me < BLOCK) {
        row_a[me] = T(1) / sum;
        if (first + me < p.targets)
            store(SLOT_LSE, head * p.targets + first + me, REAL, top + log_(sum));
    }
    barrier();
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        T part = row_a[line + 8 * i];
        [[unroll]] for (uint j = 0; j < EACH * VALUES; j++)
            c[i][j] *= part;
    }
    STORE(SLOT_OUT, p.out_, first, p.targets, p.values, VALUES, c)
}

#elif PASS == 1

void main()
{
    me = gl_LocalInvocationID.x;
    line = me / 8;
    column = me % 8;
    uint head = gl_WorkGroupID.y, first = gl_WorkGroupID.x * BLOCK;
    uint last = CAUSAL != 0 ? min(first + BLOCK, p.sources) : p.sources;
    T c[EACH][EACH * WIDE], s[EACH][EACH], t[EACH][EACH];
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint j = 0; j < EACH * WIDE; j++)
            c[i][j] = T(0);
    if (me < BLOCK) {
        uint row = min(first + me, p.targets - 1), g = base_of(p.g, head) + row * p.g.z,
             y = base_of(p.y, head) + row * p.y.z;
        T sum = T(0);
        for (uint d = 0; d < p.values; d++)
            sum += load(SLOT_G, g + d * p.g.w, TYPE) * load(SLOT_OTHER, y + d * p.y.w, TYPE);
        row_a[me] = load(SLOT_LSE, head * p.targets + row, REAL);
        row_b[me] = sum;
        if (first + me < p.targets)
            store(SLOT_SUMS, head * p.targets + row, REAL, sum);
    }
    for (uint key = 0; key < last; key += BLOCK) {
        PRODUCTS(SLOT_Q, p.q, first, p.targets, SLOT_K, p.k, key, p.sources, p.width, s)
        PRODUCTS(SLOT_G, p.g, first, p.targets, SLOT_V, p.v, key, p.sources, p.values, t)
        LAY_DOWN(s, tile)
        LAY_DOWN(t, other_tile)
        for (uint e = 0; e < EACH * EACH; e++) {
            uint row = line + e / EACH * 8, other = column + e % EACH * 8, at = row * ROW + other;
            bool seen;
            T x = score(tile[at], head, first + row, key + other, seen);
            T w = seen ? exp_(x - row_a[row]) : T(0);
            T slope = other_tile[at] * keep_of(head, first + row, key + other) - row_b[row];
            tile[at] = seen ? w * slope * number(0) : T(0);
        }
        ADD_PRODUCT(tile, SLOT_K, p.k, key, p.sources, p.width, WIDE, c)
    }
    STORE(SLOT_OUT, p.out_, first, p.targets, p.width, WIDE, c)
}

#else

void main()
{
    me = gl_LocalInvocationID.x;
    line = me / 8;
    column = me % 8;
    uint head = gl_WorkGroupID.y, first = gl_WorkGroupID.x * BLOCK;
    T dk[EACH][EACH * WIDE], dv[EACH][EACH * VALUES], s[EACH][EACH], t[EACH][EACH];
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        [[unroll]] for (uint j = 0; j < EACH * WIDE; j++)
            dk[i][j] = T(0);
        [[unroll]] for (uint j = 0; j < EACH * VALUES; j++)
            dv[i][j] = T(0);
    }
    for (uint query = CAUSAL != 0 ? first : 0; query < p.targets; query += BLOCK) {
        PRODUCTS(SLOT_K, p.k, first, p.sources, SLOT_Q, p.q, query, p.targets, p.width, s)
        PRODUCTS(SLOT_V, p.v, first, p.sources, SLOT_G, p.g, query, p.targets, p.values, t)
        if (me < BLOCK) {
            uint row = head * p.targets + min(query + me, p.targets - 1);
            row_a[me] = load(SLOT_LSE, row, REAL);
            row_b[me] = load(SLOT_SUMS, row, REAL);
        }
        barrier();
        LAY_DOWN(s, tile)
        LAY_DOWN(t, other_tile)
        for (uint e = 0; e < EACH * EACH; e++) {
            uint row = line + e / EACH * 8, other = column + e % EACH * 8, at = row * ROW + other;
            bool seen;
            T x = score(tile[at], head, query + other, first + row, seen);
            T w = seen ? exp_(x - row_a[other]) : T(0);
            T keep = keep_of(head, query + other, first + row);
            tile[at] = seen ? w * (other_tile[at] * keep - row_b[other]) * number(0) : T(0);
            other_tile[at] = w * keep;
        }
        ADD_PRODUCT(other_tile, SLOT_G, p.g, query, p.targets, p.values, VALUES, dv)
        ADD_PRODUCT(tile, SLOT_Q, p.q, query, p.targets, p.width, WIDE, dk)
    }
    STORE(SLOT_OUT, p.out_, first, p.sources, p.width, WIDE, dk)
    STORE(SLOT_OTHER, p.dv, first, p.sources, p.values, VALUES, dv)
}

#endif
