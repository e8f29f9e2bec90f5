// Memory, in two flavours of every kernel. F32_AT(at, i) is element i of the value at `at`, which is
// one of args.at:
//   by address    `at` is where the value lies on the device. Any size, and nothing to bind.
//   CHECKED       `at` is a place in an array of descriptors, and bytes from where that begins: what
//                 a driver without device addresses can do, and what it and the validation layer
//                 can check. VK_CHECKED_SLOTS in vulkan.h.
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
