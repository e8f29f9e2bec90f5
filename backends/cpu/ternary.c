/* Elementwise operations on three inputs. */
#include "loops.h"

/* Where moves bits and needs no kernel of its own for each dtype. */
#define WHERE(bytes, T)                                                    \
    static void where_##bytes(int64_t n, const void *const *in, void *out, \
                              const cr_number *number)                     \
    {                                                                      \
        typedef T __attribute__((may_alias)) raw;                          \
        const uint8_t *c = in[0];                                          \
        const raw *a = in[1], *b = in[2];                                  \
        raw *o = out;                                                      \
        (void)number;                                                      \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                \
        {                                                                  \
            raw x = a[i], y = b[i];                                        \
            o[i] = c[i] ? x : y;                                           \
        }                                                                  \
    }
WHERE(1, uint8_t)
WHERE(2, uint16_t)
WHERE(4, uint32_t)
WHERE(8, uint64_t)

CPU_FLOATS(CPU_LOOP3, clamp, , x<y || y != y ? (y > z || z != z ? z : y) : x> z || z != z ? z : x)
CPU_INTS(CPU_LOOP3, clamp, , x<y ? (y > z ? z : y) : x> z ? z : x)
CPU_FLOATS(CPU_LOOP3, addcmul, T value = (T)number[0].f, x + value * y * z)
CPU_INTS(CPU_LOOP3, addcmul, U value = (U)number[0].i, (U)x + value * (U)y * (U)z)
CPU_FLOATS(CPU_LOOP3, addcdiv, T value = (T)number[0].f, x + value * y / z)
/* From the nearer end, so that weights 0 and 1 give the ends themselves. */
CPU_FLOATS(CPU_LOOP3, lerp, , z<(T)0.5 && z>(T) - 0.5 ? x + z * (y - x) : y - (y - x) * (1 - z))

#define VALUE .numbers = {"value"}, .defaults = {{1, 1}}

const cpu_elementwise CPU_NAME(cpu_ternary_ops)[] = {
    {.name = "where.self",
     .nin = 3,
     .raw = true,
     .condition = true,
     .cost = 0.3f,
     .loop = {[CR_F64] = where_8,
              [CR_F32] = where_4,
              [CR_F16] = where_2,
              [CR_BF16] = where_2,
              [CR_I64] = where_8,
              [CR_I32] = where_4,
              [CR_I16] = where_2,
              [CR_I8] = where_1,
              [CR_U8] = where_1,
              [CR_B8] = where_1}},
    {.name = "clamp.Tensor",
     .nin = 3,
     .cost = 0.35f,
     .loop = {CPU_AT_FLOATS(clamp), CPU_AT_INTS(clamp)}},
    {.name = "addcmul",
     .nin = 3,
     .cost = 0.35f,
     VALUE,
     .loop = {CPU_AT_FLOATS(addcmul), CPU_AT_INTS(addcmul)}},
    {.name = "addcdiv", .nin = 3, .cost = 0.4f, VALUE, .loop = {CPU_AT_FLOATS(addcdiv)}},
    {.name = "lerp.Tensor",
     .nin = 3,
     .cost = 0.35f,
     .wide_numbers = true,
     .loop = {CPU_AT_FLOATS(lerp)}},
    {.name = NULL},
};
