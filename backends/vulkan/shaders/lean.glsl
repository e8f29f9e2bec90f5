// Memory for devices that lack integers of 64 bits, or 8 and 16-bit storage: words, and nothing else.
// An address is its two halves (or, CHECKED, bytes from where a descriptor begins, and its number). A
// small element is a part of a word, which is shared with others: it is stored by two atomic
// operations that change no bit beside its own, whatever the neighbours' invocations do meanwhile.
#ifdef CHECKED
layout(set = 1, binding = 0, std430) buffer Words {
    uint v[];
} words[10];
#define WORD_AT(at, i) words[(at).y].v[((at).x >> 2) + (i)]
#else
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words {
    uint v[];
};
#define WORD_AT(at, i) Words(uvec2((at).x & ~3u, (at).y)).v[i]
#endif

#define U32_AT(at, i) WORD_AT(at, i)
#define U32_IN(at, i) WORD_AT(at, i)
#define I32_IN(at, i) int(WORD_AT(at, i))
#define F32_IN(at, i) uintBitsToFloat(WORD_AT(at, i))
#define U32_OUT(at, i, x) WORD_AT(at, i) = x
#define I32_OUT(at, i, x) WORD_AT(at, i) = uint(x)
#define F32_OUT(at, i, x) WORD_AT(at, i) = floatBitsToUint(x)

#define PAIR_IN(at, i) uvec2(WORD_AT(at, 2 * (i)), WORD_AT(at, 2 * (i) + 1))
#define PAIR_OUT(at, i, x) pair_out(at, i, x)

void pair_out(uvec2 at, uint i, uvec2 x)
{
    WORD_AT(at, 2 * i) = x.x;
    WORD_AT(at, 2 * i + 1) = x.y;
}

// Element i of those of `bits` bits: its word, and where in it.
#define PART_OF(at, i, bits)                                            \
    const uint to_word = bits == 8 ? 2 : 1, mask = (1u << bits) - 1u;   \
    uint k = (at.x >> (2 - to_word) & ((1u << to_word) - 1u)) + i;      \
    uint word = k >> to_word, shift = bits * (k & ((1u << to_word) - 1u))

uint short_in(uvec2 at, uint i)
{
    PART_OF(at, i, 16);
    return WORD_AT(at, word) >> shift & mask;
}

uint byte_in(uvec2 at, uint i)
{
    PART_OF(at, i, 8);
    return WORD_AT(at, word) >> shift & mask;
}

void short_out(uvec2 at, uint i, uint x)
{
    PART_OF(at, i, 16);
    atomicAnd(WORD_AT(at, word), ~(mask << shift));
    atomicOr(WORD_AT(at, word), (x & mask) << shift);
}

void byte_out(uvec2 at, uint i, uint x)
{
    PART_OF(at, i, 8);
    atomicAnd(WORD_AT(at, word), ~(mask << shift));
    atomicOr(WORD_AT(at, word), (x & mask) << shift);
}

#define U16_IN(at, i) short_in(at, i)
#define I16_IN(at, i) (int(short_in(at, i) << 16) >> 16)
#define U8_IN(at, i) byte_in(at, i)
#define I8_IN(at, i) (int(byte_in(at, i) << 24) >> 24)
#define U16_OUT(at, i, x) short_out(at, i, x)
#define U8_OUT(at, i, x) byte_out(at, i, x)
