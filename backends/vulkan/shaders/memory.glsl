// Memory, in the flavours of every kernel. F32_AT(at, i) is element i of the value at `at`, which is
// one of args.at; F32_IN(at, i) reads it and F32_OUT(at, i, x) writes it, which is all that kernels
// in the last flavours do with values. Small elements come and go as words, PAIR_IN and PAIR_OUT are
// elements of 64 bits as two words, the low one first:
//   by address    `at` is where the value lies on the device. Any size, and nothing to bind.
//   CHECKED       `at` is a place in an array of descriptors, and bytes from where that begins: what
//                 a driver without device addresses can do, and what it and the validation layer
//                 can check. VK_CHECKED_SLOTS in vulkan.h.
//   TEXELS        as by address, but elements are read as texels of the block that all values lie
//                 in, and those of 32 and 64 bits written by that block's descriptor: llvmpipe
//                 gathers texels at once, where it goes through the invocations of a subgroup one by
//                 one to load anything else, and stores faster so, too. See texels.c.
//   LEAN          by address or CHECKED, for devices that lack integers of 64 bits or small ones in
//                 memory: see lean.glsl.
#if defined LEAN

#include "lean.glsl"

#else

#ifdef CHECKED

#define MEMORY(name, type) \
    layout(set = 1, binding = 0, std430) buffer name##s_block { type v[]; } name##s[10]
#define ELEMENT(name, shift, at, i) \
    name##s[uint((at) >> 32)].v[(uint(at) >> shift) + (i)]
MEMORY(U64, uint64_t);
MEMORY(I64, int64_t);
MEMORY(F32, float);
MEMORY(I32, int);
MEMORY(U32, uint);
MEMORY(U16, uint16_t);
MEMORY(I16, int16_t);
MEMORY(U8, uint8_t);
MEMORY(I8, int8_t);
#ifdef HAS_F64
MEMORY(F64, double);
#endif

#else

#extension GL_EXT_buffer_reference : require
#define MEMORY(name, type, bytes) \
    layout(buffer_reference, std430, buffer_reference_align = bytes) buffer name##s { type v[]; }
#define ELEMENT(name, shift, at, i) name##s(at).v[i]
MEMORY(U64, uint64_t, 8);
MEMORY(I64, int64_t, 8);
MEMORY(F32, float, 4);
MEMORY(I32, int, 4);
MEMORY(U32, uint, 4);
MEMORY(U16, uint16_t, 2);
MEMORY(I16, int16_t, 2);
MEMORY(U8, uint8_t, 1);
MEMORY(I8, int8_t, 1);
#ifdef HAS_F64
MEMORY(F64, double, 8);
#endif

#endif

#define U64_AT(at, i) ELEMENT(U64, 3, at, i)
#define I64_AT(at, i) ELEMENT(I64, 3, at, i)
#define F64_AT(at, i) ELEMENT(F64, 3, at, i)
#define F32_AT(at, i) ELEMENT(F32, 2, at, i)
#define I32_AT(at, i) ELEMENT(I32, 2, at, i)
#define U32_AT(at, i) ELEMENT(U32, 2, at, i)
#define U16_AT(at, i) ELEMENT(U16, 1, at, i)
#define I16_AT(at, i) ELEMENT(I16, 1, at, i)
#define U8_AT(at, i) ELEMENT(U8, 0, at, i)
#define I8_AT(at, i) ELEMENT(I8, 0, at, i)

#ifdef TEXELS

layout(set = 1, binding = 0, r32ui) uniform readonly uimageBuffer texels;
layout(set = 1, binding = 1, std430) writeonly buffer Words {
    uint v[];
} words;


// word[5] is the low half of the block's address.
#define BYTE_OF(at) (uint(at) - args.word[5])

uint word_in(uint byte)
{
    return imageLoad(texels, int(byte >> 2)).x;
}

void word_out(uint byte, uint x)
{
    words.v[byte >> 2] = x;
}

uvec2 words_in(uint byte)
{
    return uvec2(word_in(byte), word_in(byte + 4));
}

void words_out(uint byte, uvec2 x)
{
    word_out(byte, x.x);
    word_out(byte + 4, x.y);
}

uint short_in(uint byte)
{
    return word_in(byte) >> 8 * (byte & 2) & 0xffffu;
}

uint byte_in(uint byte)
{
    return word_in(byte) >> 8 * (byte & 3) & 0xffu;
}

#define U64_IN(at, i) pack64(words_in(BYTE_OF(at) + 8 * (i)))
#define I64_IN(at, i) int64_t(U64_IN(at, i))
#define F64_IN(at, i) packDouble2x32(words_in(BYTE_OF(at) + 8 * (i)))
#define U32_IN(at, i) word_in(BYTE_OF(at) + 4 * (i))
#define I32_IN(at, i) int(U32_IN(at, i))
#define F32_IN(at, i) uintBitsToFloat(U32_IN(at, i))
#define U16_IN(at, i) short_in(BYTE_OF(at) + 2 * (i))
#define I16_IN(at, i) (int(short_in(BYTE_OF(at) + 2 * (i)) << 16) >> 16)
#define U8_IN(at, i) byte_in(BYTE_OF(at) + (i))
#define I8_IN(at, i) (int(byte_in(BYTE_OF(at) + (i)) << 24) >> 24)

#define U64_OUT(at, i, x) words_out(BYTE_OF(at) + 8 * (i), unpack32(x))
#define I64_OUT(at, i, x) words_out(BYTE_OF(at) + 8 * (i), unpack32(uint64_t(x)))
#define F64_OUT(at, i, x) words_out(BYTE_OF(at) + 8 * (i), unpackDouble2x32(x))
#define U32_OUT(at, i, x) word_out(BYTE_OF(at) + 4 * (i), x)
#define I32_OUT(at, i, x) word_out(BYTE_OF(at) + 4 * (i), uint(x))
#define F32_OUT(at, i, x) word_out(BYTE_OF(at) + 4 * (i), floatBitsToUint(x))

#else

#define U64_IN(at, i) U64_AT(at, i)
#define I64_IN(at, i) I64_AT(at, i)
#define F64_IN(at, i) F64_AT(at, i)
#define F32_IN(at, i) F32_AT(at, i)
#define I32_IN(at, i) I32_AT(at, i)
#define U32_IN(at, i) U32_AT(at, i)
#define U16_IN(at, i) uint(U16_AT(at, i))
#define I16_IN(at, i) int(I16_AT(at, i))
#define U8_IN(at, i) uint(U8_AT(at, i))
#define I8_IN(at, i) int(I8_AT(at, i))

#define U64_OUT(at, i, x) U64_AT(at, i) = x
#define I64_OUT(at, i, x) I64_AT(at, i) = x
#define F64_OUT(at, i, x) F64_AT(at, i) = x
#define U32_OUT(at, i, x) U32_AT(at, i) = x
#define I32_OUT(at, i, x) I32_AT(at, i) = x
#define F32_OUT(at, i, x) F32_AT(at, i) = x

#endif
#define U16_OUT(at, i, x) U16_AT(at, i) = uint16_t(x)
#define U8_OUT(at, i, x) U8_AT(at, i) = uint8_t(x)

#define PAIR_IN(at, i) unpack32(U64_IN(at, i))
#define PAIR_OUT(at, i, x) U64_OUT(at, i, pack64(x))

#endif
