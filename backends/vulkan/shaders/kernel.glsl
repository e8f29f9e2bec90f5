// What every kernel has: the arguments of a run, memory by address, and dtypes.
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_control_flow_attributes : enable

layout(local_size_x_id = 0) in;

// vk_args in vulkan.h.
struct Args {
    uint64_t status;
    uint64_t at[9];
    uint64_t number[3];
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
bool is_nan(int64_t x)
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

float load_float(uint64_t at, uint i, int dtype)
{
    if (dtype == F32)
        return F32_IN(at, i);
    uint h = uint(U16_IN(at, i));
    return dtype == F16 ? half_to_float(h) : bf16_to_float(h);
}

void store_float(uint64_t at, uint i, int dtype, float x)
{
    if (dtype == F32)
        F32_OUT(at, i, x);
    else if (dtype == B8)
        U8_OUT(at, i, uint8_t(x != 0.0 || is_nan(x) ? 1 : 0));
    else
        U16_OUT(at, i, uint16_t(dtype == F16 ? float_to_half(x) : float_to_bf16(x)));
}

int load_int(uint64_t at, uint i, int dtype)
{
    if (dtype == I32)
        return I32_IN(at, i);
    if (dtype == I16)
        return int(I16_IN(at, i));
    if (dtype == I8)
        return int(I8_IN(at, i));
    return int(U8_IN(at, i));
}

void store_int(uint64_t at, uint i, int dtype, int x)
{
    if (dtype == I32)
        I32_OUT(at, i, x);
    else if (dtype == I16)
        U16_OUT(at, i, uint16_t(uint(x)));
    else if (dtype == B8)
        U8_OUT(at, i, uint8_t(x != 0 ? 1 : 0));
    else
        U8_OUT(at, i, uint8_t(uint(x)));
}

int64_t load_long(uint64_t at, uint i)
{
    return I64_IN(at, i);
}

void store_long(uint64_t at, uint i, int dtype, int64_t x)
{
    if (dtype == B8)
        U8_OUT(at, i, uint8_t(x != 0 ? 1 : 0));
    else
        I64_OUT(at, i, x);
}

#ifdef HAS_F64
double load_double(uint64_t at, uint i)
{
    return F64_IN(at, i);
}

void store_double(uint64_t at, uint i, int dtype, double x)
{
    if (dtype == B8)
        U8_OUT(at, i, uint8_t(x != 0.0 || is_nan(x) ? 1 : 0));
    else
        F64_OUT(at, i, x);
}
#endif

// ---- the type that this kernel computes in: one of the CLASS_ macros is set ----

#if defined CLASS_FLOAT
#define T float
#define load(at, i, dtype) load_float(at, i, dtype)
#define store(at, i, dtype, x) store_float(at, i, dtype, x)
#define number(k) uintBitsToFloat(uint(args.number[k]))
#elif defined CLASS_DOUBLE
#define T double
#define load(at, i, dtype) load_double(at, i)
#define store(at, i, dtype, x) store_double(at, i, dtype, x)
#define number(k) uint64BitsToDouble(args.number[k])
#elif defined CLASS_INT
#define T int
#define load(at, i, dtype) load_int(at, i, dtype)
#define store(at, i, dtype, x) store_int(at, i, dtype, x)
#define number(k) int(uint(args.number[k]))
#elif defined CLASS_LONG
#define T int64_t
#define load(at, i, dtype) load_long(at, i)
#define store(at, i, dtype, x) store_long(at, i, dtype, x)
#define number(k) int64_t(args.number[k])
#endif

// ---- bad indices: the first one is kept for the host ----

// vk_report in vulkan.h.

bool bad_index(int64_t index, uint dim, int64_t size)
{
    if (index >= 0 && index < size)
        return false;
    if (atomicCompSwap(U32_AT(args.status, 0), 0u, 1u) == 0u) {
        U32_AT(args.status, 1) = dim;
        I64_AT(args.status, 1) = index;
        I64_AT(args.status, 2) = size;
    }
    return true;
}
