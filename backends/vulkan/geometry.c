/* Sizes and strides as kernels want them, and dtypes. See plan.h. */
#include "plan.h"

#include <math.h>
#include <string.h>

/* ---- dtypes ---- */

vk_class vk_class_of(const cr_device *d, int32_t dtype)
{
    switch (dtype) {
    case CR_F32:
    case CR_F16:
    case CR_BF16: return VK_FLOAT;
    case CR_F64: return d->profile->f64 ? VK_DOUBLE : VK_NO_CLASS;
    case CR_I64: return VK_LONG;
    case CR_I32:
    case CR_I16:
    case CR_I8:
    case CR_U8:
    case CR_B8: return VK_INT;
    default: return VK_NO_CLASS;
    }
}

bool vk_is_float(int32_t dtype)
{
    return dtype == CR_F64 || dtype == CR_F32 || dtype == CR_F16 || dtype == CR_BF16;
}

size_t vk_dtype_size(int32_t dtype)
{
    switch (dtype) {
#define SIZE(name, number, bytes, text) \
    case number: return bytes;
        CR_DTYPES(SIZE)
#undef SIZE
    default: return 0;
    }
}

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static uint16_t half_of(float x)
{
    uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) /* one addition rounds to the subnormals' step */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (a + 0xfff + (a >> 13 & 1) - 0x38000000) >> 13);
}

static float of_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31)
        return float_of(sign | 0x7f800000 | m << 13);
    return e ? float_of(sign | (e + 112) << 23 | m << 13)
             : float_of(bits_of((float)m * 0x1p-24f) | sign);
}

static uint16_t bf16_of(float x)
{
    uint32_t u = bits_of(x);
    if ((u & 0x7fffffff) > 0x7f800000)
        return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

uint64_t vk_element_bits(const cr_number *n, int32_t dtype)
{
    uint64_t bits = 0;
    switch (dtype) {
    case CR_F64: memcpy(&bits, &n->f, 8); return bits;
    case CR_F32: return bits_of((float)n->f);
    case CR_F16: return half_of((float)n->f);
    case CR_BF16: return bf16_of((float)n->f);
    case CR_I64: return (uint64_t)n->i;
    case CR_I32: return (uint32_t)n->i;
    case CR_I16: return (uint16_t)n->i;
    case CR_I8:
    case CR_U8: return (uint8_t)n->i;
    default: return n->f != 0 || n->i != 0;
    }
}

uint64_t vk_number_bits(const cr_number *n, vk_class class, int32_t dtype)
{
    uint64_t e = vk_element_bits(n, dtype);
    switch (class) {
    case VK_DOUBLE: return vk_element_bits(n, CR_F64);
    case VK_FLOAT:
        return dtype == CR_F16    ? bits_of(of_half((uint16_t)e))
               : dtype == CR_BF16 ? (uint32_t)e << 16
                                  : bits_of((float)n->f);
    case VK_LONG: return (uint64_t)n->i;
    default:
        switch (dtype) {
        case CR_I16: return (uint32_t)(int16_t)n->i;
        case CR_I8: return (uint32_t)(int8_t)n->i;
        case CR_U8:
        case CR_B8: return e;
        default: return (uint32_t)n->i;
        }
    }
}

/* ---- geometry ---- */

int64_t vk_numel(const cr_meta *meta)
{
    int64_t n = 1;
    for (int d = 0; d < meta->rank; d++)
        n *= meta->size[d];
    return n;
}

bool vk_is_contiguous(const cr_meta *meta)
{
    int64_t step = 1;
    for (int d = meta->rank - 1; d >= 0; d--) {
        if (meta->size[d] != 1 && meta->stride[d] != step)
            return meta->size[d] == 0 || vk_numel(meta) == 0;
        step *= meta->size[d];
    }
    return true;
}

bool vk_is_reachable(const cr_meta *meta)
{
    const int64_t most = INT32_MAX;
    int64_t last = 0, count = 1;
    for (int d = 0; d < meta->rank; d++)
        if (!meta->size[d])
            return true;
    for (int d = 0; d < meta->rank; d++) {
        int64_t reach;
        if (__builtin_mul_overflow(count, meta->size[d], &count) ||
            __builtin_mul_overflow(meta->size[d] - 1, meta->stride[d], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    }
    return last < most && count < most;
}

vk_space vk_space_of(int nvalues, const cr_meta *const *values, bool ordered)
{
    vk_space s = {.numel = vk_numel(values[0])};
    int order[CR_MAX_RANK], rank = 0;
    for (int d = 0; d < values[0]->rank; d++)
        if (values[0]->size[d] != 1)
            order[rank++] = d;
    /* By insertion, stable: a dimension goes before those whose strides are smaller in the first
     * value that tells. */
    for (int i = 1; i < rank && !ordered; i++)
        for (int j = i; j > 0; j--) {
            int a = order[j - 1], b = order[j], v = 0;
            while (v < nvalues && values[v]->stride[a] == values[v]->stride[b])
                v++;
            if (v == nvalues || values[v]->stride[a] > values[v]->stride[b])
                break;
            order[j - 1] = b;
            order[j] = a;
        }
    for (int i = 0; i < rank; i++) {
        int d = order[i];
        bool joins = s.rank > 0;
        for (int v = 0; joins && v < nvalues; v++)
            joins = s.stride[v][s.rank - 1] == values[v]->stride[d] * values[v]->size[d];
        if (!joins)
            s.rank++;
        s.size[s.rank - 1] = joins ? s.size[s.rank - 1] * values[0]->size[d] : values[0]->size[d];
        for (int v = 0; v < nvalues; v++)
            s.stride[v][s.rank - 1] = values[v]->stride[d];
    }
    return s;
}

/* Granlund and Montgomery: shift = ceil(log2 size), magic = floor(2^32 (2^shift - size) / size) + 1.
 */
vk_dim vk_dim_of(uint32_t size)
{
    vk_dim dim = {.size = size};
    while (dim.shift < 32 && (uint64_t)1 << dim.shift < size)
        dim.shift++;
    uint64_t over = ((uint64_t)1 << dim.shift) - size;
    dim.magic = size ? (uint32_t)((over << 32) / size + 1) : 0;
    return dim;
}

vk_grid vk_grid_of(const vk_space *space)
{
    vk_grid grid = {.count = (uint32_t)space->numel};
    for (int d = 0; d < space->rank; d++) {
        grid.dim[d] = vk_dim_of((uint32_t)space->size[d]);
        for (int v = 0; v < VK_DIM_VALUES; v++)
            grid.dim[d].stride[v] = (uint32_t)space->stride[v][d];
    }
    return grid;
}

uint64_t vk_groups(const cr_device *d, int64_t n)
{
    uint64_t groups = ((uint64_t)n + d->group - 1) / d->group;
    /* Many small groups cost a software device more than long ones. */
    if (d->is_cpu && groups > 64)
        groups = groups / 8 > 64 ? groups / 8 : 64;
    return groups < 65535 ? groups : 65535;
}
