// What every kernel has: the arguments of a run, memory by address, and dtypes.
#extension GL_EXT_control_flow_attributes : enable

// BITS64: an address, or a number of 64 bits.
#ifdef LEAN
#define BITS64 uvec2
#define HALVES(x) (x)
#define LOW(w) (w)[0]
#else
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require
#define BITS64 uint64_t
#define HALVES(x) unpack32(x)
#define LOW(w) uint(w)
#endif

layout(local_size_x_id = 0) in;

// vk_args in vulkan.h.
struct Args {
    BITS64 status;
    BITS64 at[9];
    BITS64 number[3];
    uint word[6];
};

// UNIFORMS(Type, name): the plan's constants. llvmpipe loads a member of a uniform block for every
// invocation anew, so what it gets is copied before all else.
#ifdef TEXELS
#extension GL_EXT_scalar_block_layout : require
layout(set = 2, binding = 0, std430) uniform Arguments {
    Args args;
} arguments;
Args args = arguments.args;
#define UNIFORMS(Type, name)                             \
    layout(set = 0, binding = 0, std140) uniform Block { \
        Type name;                                       \
    } block;                                             \
    Type name = block.name;
#else
layout(push_constant, std430) uniform Arguments {
    Args args;
};
#define UNIFORMS(Type, name)                             \
    layout(set = 0, binding = 0, std140) uniform Block { \
        Type name;                                       \
    };
#endif

const int F64 = 1, F32 = 2, F16 = 3, BF16 = 4, I64 = 5, I32 = 6, I16 = 7, I8 = 8, U8 = 9, B8 = 10;

#include "memory.glsl"
#include "pair.glsl"

// Compilers take x != x for false when they please; bits don't lie.
bool is_nan(float x)
{
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}
#ifdef HAS_F64
bool is_nan(double x)
{
    uvec2 u = unpackDouble2x32(x);
    uint high = u.y & 0x7fffffffu;
    return high > 0x7ff00000u || (high == 0x7ff00000u && u.x != 0u);
}
#endif
bool is_nan(int x)
{
    return false;
}
#ifdef LEAN
#define LONG uvec2
#else
#define LONG int64_t
#endif
bool is_nan(LONG x)
{
    return false;
}

// ---- halves ----

float half_to_float(uint h)
{
    uint sign = (h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u;
    if (e == 0u)
        return uintBitsToFloat(floatBitsToUint(float(m) * 5.9604644775390625e-8) | sign);
    return uintBitsToFloat(sign | (e == 31u ? 0x7f800000u : (e + 112u) << 23) | m << 13);
}

// To nearest, ties to even.
uint float_to_half(float x)
{
    uint u = floatBitsToUint(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return sign | 0x7e00u;
    if (a >= 0x477ff000u)
        return sign | 0x7c00u;
    if (a < 0x38800000u) { // one addition rounds to the subnormals' step
        precise float t = uintBitsToFloat(a) + 0.5;
        return sign | (floatBitsToUint(t) - 0x3f000000u);
    }
    return sign | (a + 0xfffu + (a >> 13 & 1u) - 0x38000000u) >> 13;
}

float bf16_to_float(uint h)
{
    return uintBitsToFloat(h << 16);
}

uint float_to_bf16(float x)
{
    uint u = floatBitsToUint(x);
    return is_nan(x) ? 0x7fc0u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
}

// ---- elements in memory; dtype is a specialisation constant wherever these are called ----

float load_float(BITS64 at, uint i, int dtype)
{
    if (dtype == F32)
        return F32_IN(at, i);
    uint h = U16_IN(at, i);
    return dtype == F16 ? half_to_float(h) : bf16_to_float(h);
}

void store_float(BITS64 at, uint i, int dtype, float x)
{
    if (dtype == F32)
        F32_OUT(at, i, x);
    else if (dtype == B8)
        U8_OUT(at, i, x != 0.0 || is_nan(x) ? 1u : 0u);
    else
        U16_OUT(at, i, dtype == F16 ? float_to_half(x) : float_to_bf16(x));
}

int load_int(BITS64 at, uint i, int dtype)
{
    if (dtype == I32)
        return I32_IN(at, i);
    if (dtype == I16)
        return I16_IN(at, i);
    if (dtype == I8)
        return I8_IN(at, i);
    return int(U8_IN(at, i));
}

void store_int(BITS64 at, uint i, int dtype, int x)
{
    if (dtype == I32)
        I32_OUT(at, i, x);
    else if (dtype == I16)
        U16_OUT(at, i, uint(x));
    else if (dtype == B8)
        U8_OUT(at, i, x != 0 ? 1u : 0u);
    else
        U8_OUT(at, i, uint(x));
}

LONG load_long(BITS64 at, uint i)
{
#ifdef LEAN
    return PAIR_IN(at, i);
#else
    return I64_IN(at, i);
#endif
}

void store_long(BITS64 at, uint i, int dtype, LONG x)
{
    if (dtype == B8)
        U8_OUT(at, i, x != LONG(0) ? 1u : 0u);
    else
#ifdef LEAN
        PAIR_OUT(at, i, x);
#else
        I64_OUT(at, i, x);
#endif
}

#ifdef HAS_F64
double load_double(BITS64 at, uint i)
{
    return F64_IN(at, i);
}

void store_double(BITS64 at, uint i, int dtype, double x)
{
    if (dtype == B8)
        U8_OUT(at, i, x != 0.0 || is_nan(x) ? 1u : 0u);
    else
        F64_OUT(at, i, x);
}
#endif

// ---- the type that this kernel computes in: one of the CLASS_ macros is set ----

#if defined CLASS_FLOAT
#define T float
#define load(at, i, dtype) load_float(at, i, dtype)
#define store(at, i, dtype, x) store_float(at, i, dtype, x)
#define number(k) uintBitsToFloat(LOW(args.number[k]))
#elif defined CLASS_DOUBLE
#define T double
#define load(at, i, dtype) load_double(at, i)
#define store(at, i, dtype, x) store_double(at, i, dtype, x)
#define number(k) uint64BitsToDouble(args.number[k])
#elif defined CLASS_INT
#define T int
#define load(at, i, dtype) load_int(at, i, dtype)
#define store(at, i, dtype, x) store_int(at, i, dtype, x)
#define number(k) int(LOW(args.number[k]))
#elif defined CLASS_LONG
#define T LONG
#define load(at, i, dtype) load_long(at, i)
#define store(at, i, dtype, x) store_long(at, i, dtype, x)
#ifdef LEAN
#define PAIRS
#define number(k) args.number[k]
#else
#define number(k) int64_t(args.number[k])
#endif
#endif

// What kernels of every class do with elements.
#ifdef PAIRS
#define ONE uvec2(1u, 0u)
#define PLUS(a, b) pair_add(a, b)
#define TIMES(a, b) pair_mul(a, b)
#define IS_LESS(a, b) pair_is_less(a, b)
#else
#define ONE T(1)
#define PLUS(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define IS_LESS(a, b) ((a) < (b))
#endif

// ---- indices, of 64 bits; a bad one is kept for the host, the first ----

// vk_report in vulkan.h.

bool is_index(uvec2 index, uint size)
{
    return index.y == 0u && index.x < size;
}

bool bad_index(uvec2 index, uint dim, uint size)
{
    if (is_index(index, size))
        return false;
    if (atomicCompSwap(U32_AT(args.status, 0), 0u, 1u) == 0u) {
        U32_AT(args.status, 1) = dim;
        U32_AT(args.status, 2) = index.x;
        U32_AT(args.status, 3) = index.y;
        U32_AT(args.status, 4) = size;
        U32_AT(args.status, 5) = 0u;
    }
    return true;
}
