/* Dtypes: names, sizes, promotion, and reading one element on the host. */
#include <math.h>
#include <string.h>

#include "core/tensor/tensor.h"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {{"none", 0},
#define ROW(name, number, bytes, text) {text, bytes},
              CR_DTYPES(ROW)
#undef ROW
};
#define NDTYPES (sizeof dtypes / sizeof *dtypes)

const char *cr_dtype_name(cr_dtype dtype)
{
    return (size_t)dtype < NDTYPES ? dtypes[dtype].name : "none";
}

size_t cr_dtype_size(cr_dtype dtype)
{
    return (size_t)dtype < NDTYPES ? dtypes[dtype].bytes : 0;
}

cr_dtype cr_dtype_by_name(const char *name)
{
    static const struct {
        const char *name;
        cr_dtype dtype;
    } aliases[] = {{"double", CR_F64}, {"float", CR_F32}, {"half", CR_F16}, {"long", CR_I64},
                   {"int", CR_I32},    {"short", CR_I16}, {"char", CR_I8},  {"byte", CR_U8},
                   {"f64", CR_F64},    {"f32", CR_F32},   {"f16", CR_F16},  {"bf16", CR_BF16},
                   {"i64", CR_I64},    {"i32", CR_I32},   {"i16", CR_I16},  {"i8", CR_I8},
                   {"u8", CR_U8},      {"b8", CR_B8}};
    if (!name)
        return CR_DTYPE_NONE;
    if (!strncmp(name, "torch.", 6))
        name += 6;
    for (size_t i = 1; i < NDTYPES; i++)
        if (!strcmp(dtypes[i].name, name))
            return (cr_dtype)i;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (!strcmp(aliases[i].name, name))
            return aliases[i].dtype;
    return CR_DTYPE_NONE;
}

cr_dtype_kind cr_kind_of(cr_dtype dtype)
{
    return dtype == CR_B8 ? CR_KIND_BOOL : dtype >= CR_I64 ? CR_KIND_INT : CR_KIND_FLOAT;
}

bool cr_dtype_is_floating(cr_dtype dtype)
{
    return dtype >= CR_F64 && dtype <= CR_BF16;
}

/* PyTorch's table of torch.promote_types, by pairs: the wider of a kind; float over int over bool;
 * f16 with bf16 gives f32; u8 with a signed type gives the smallest signed type that holds both. */
cr_dtype cr_promote_types(cr_dtype a, cr_dtype b)
{
    if (a == b || b == CR_DTYPE_NONE)
        return a;
    if (a == CR_DTYPE_NONE)
        return b;
    cr_dtype_kind ka = cr_kind_of(a), kb = cr_kind_of(b);
    if (ka != kb)
        return ka > kb ? a : b;
    if (ka == CR_KIND_FLOAT) {
        if (cr_dtype_size(a) == cr_dtype_size(b))
            return CR_F32;
        return cr_dtype_size(a) > cr_dtype_size(b) ? a : b;
    }
    if (a == CR_U8 || b == CR_U8) {
        cr_dtype other = a == CR_U8 ? b : a;
        return other == CR_I8 ? CR_I16 : other;
    }
    return cr_dtype_size(a) > cr_dtype_size(b) ? a : b;
}

static _Atomic int default_dtype = CR_F32;

cr_dtype cr_default_dtype(void)
{
    return (cr_dtype)atomic_load_explicit(&default_dtype, memory_order_relaxed);
}

int cr_set_default_dtype(cr_dtype dtype)
{
    if (!cr_dtype_is_floating(dtype))
        return CR_FAIL_INT("cr_set_default_dtype: only floating-point types are supported as the "
                           "default type, not %s",
                           cr_dtype_name(dtype));
    atomic_store(&default_dtype, dtype);
    return 0;
}

float cr_half_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = bits >> 10 & 31,
             fraction = bits & 1023;
    uint32_t word;
    float value;
    if (exponent == 31) {
        word = sign | 0x7f800000u | fraction << 13;
    } else if (exponent) {
        word = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* zero and subnormals: fraction · 2^-24 */
        value = ldexpf((float)fraction, -24);
        return sign ? -value : value;
    }
    memcpy(&value, &word, sizeof value);
    return value;
}

float cr_bfloat_to_float(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

#define LOAD(type, at) \
    type value;        \
    memcpy(&value, at, sizeof value)

double cr_element_f(const void *at, cr_dtype dtype)
{
    switch (dtype) {
    case CR_F64: {
        LOAD(double, at);
        return value;
    }
    case CR_F32: {
        LOAD(float, at);
        return value;
    }
    case CR_F16: {
        LOAD(uint16_t, at);
        return cr_half_to_float(value);
    }
    case CR_BF16: {
        LOAD(uint16_t, at);
        return cr_bfloat_to_float(value);
    }
    default: return (double)cr_element_i(at, dtype);
    }
}

int64_t cr_element_i(const void *at, cr_dtype dtype)
{
    switch (dtype) {
    case CR_I64: {
        LOAD(int64_t, at);
        return value;
    }
    case CR_I32: {
        LOAD(int32_t, at);
        return value;
    }
    case CR_I16: {
        LOAD(int16_t, at);
        return value;
    }
    case CR_I8: {
        LOAD(int8_t, at);
        return value;
    }
    case CR_U8:
    case CR_B8: {
        LOAD(uint8_t, at);
        return value;
    }
    default: {
        double value = cr_element_f(at, dtype);
        if (!(value >= -9223372036854775808.0))
            return INT64_MIN; /* NaN too */
        return value >= 9223372036854775808.0 ? INT64_MAX : (int64_t)value;
    }
    }
}
