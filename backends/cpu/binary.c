/* Arithmetic and bitwise operations on two inputs. */
#include "cpu_math.h"
#include "loops.h"

/* ---- sums, products, extremes ---- */

CPU_FLOATS(CPU_LOOP2, add, T alpha = (T)number[0].f, x + alpha * y)
CPU_INTS(CPU_LOOP2, add, U alpha = (U)number[0].i, (U)x + alpha * (U)y)
CPU_BOOL(CPU_LOOP2, add, T alpha = number[0].f != 0 || number[0].i != 0, x | (y & alpha))
CPU_FLOATS(CPU_LOOP2, sub, T alpha = (T)number[0].f, x - alpha * y)
CPU_INTS(CPU_LOOP2, sub, U alpha = (U)number[0].i, (U)x - alpha * (U)y)
CPU_FLOATS(CPU_LOOP2, mul, , x *y)
CPU_INTS(CPU_LOOP2, mul, , (U)x *(U)y)
CPU_BOOL(CPU_LOOP2, mul, , x &y)
CPU_FLOATS(CPU_LOOP2, div, , x / y)
CPU_FLOATS(CPU_LOOP2, maximum, , (x != x) | (x > y) ? x : y)
CPU_INTS(CPU_LOOP2, maximum, , x > y ? x : y)
CPU_BOOL(CPU_LOOP2, maximum, , x | y)
CPU_FLOATS(CPU_LOOP2, minimum, , (x != x) | (x < y) ? x : y)
CPU_INTS(CPU_LOOP2, minimum, , x < y ? x : y)
CPU_BOOL(CPU_LOOP2, minimum, , x &y)

/* ---- division of integers: by zero it gives 0, and the smallest by -1 wraps ---- */

#define QUOTIENT(x, y) \
    ((y) == 0 ? (T)0 : (y) == (T)-1 && (T)-1 < 0 ? (T)((U)0 - (U)(x)) : (T)((x) / (y)))
#define REMAINDER(x, y) ((y) == 0 || ((y) == (T)-1 && (T)-1 < 0) ? (T)0 : (T)((x) % (y)))

CPU_INTS(CPU_LOOP2, div_trunc, , QUOTIENT(x, y))
CPU_INTS(CPU_LOOP2, div_floor, ,
         (U)QUOTIENT(x, y) - (U)(REMAINDER(x, y) != 0 && (x < 0) != (y < 0)))
CPU_INTS(CPU_LOOP2, fmod, , REMAINDER(x, y))
CPU_INTS(CPU_LOOP2, remainder, ,
         REMAINDER(x, y) != 0 && (x < 0) != (y < 0) ? REMAINDER(x, y) + y : REMAINDER(x, y))

/* ---- and of floats, as PyTorch defines them: the floor agrees with remainder ---- */

#define FLOAT_DIVISION(s, T, fmodc, floorc, truncc, copysignc) \
    CPU_INLINE T remainder_one_##s(T x, T y)                   \
    {                                                          \
        T m = fmodc(x, y);                                     \
        return m != 0 && (y < 0) != (m < 0) ? m + y : m;       \
    }                                                          \
    CPU_INLINE T floor_one_##s(T x, T y)                       \
    {                                                          \
        if (y == 0)                                            \
            return x / y;                                      \
        T m = fmodc(x, y), q = (x - m) / y;                    \
        q = m != 0 && (y < 0) != (m < 0) ? q - 1 : q;          \
        if (q == 0)                                            \
            return copysignc(0, x / y);                        \
        T whole = floorc(q);                                   \
        return q - whole > (T)0.5 ? whole + 1 : whole;         \
    }                                                          \
    CPU_LOOP2(div_trunc_##s, T, T, T, , truncc(x / y))         \
    CPU_LOOP2(div_floor_##s, T, T, T, , floor_one_##s(x, y))   \
    CPU_LOOP2(fmod_##s, T, T, T, , fmodc(x, y))                \
    CPU_LOOP2(remainder_##s, T, T, T, , remainder_one_##s(x, y))
FLOAT_DIVISION(f64, double, fmod, floor, trunc, copysign)
FLOAT_DIVISION(f32, float, fmodf, floorf, truncf, copysignf)

/* ---- powers ---- */

CPU_LOOP2(pow_f64, double, double, double, , pow(x, y))
CPU_LOOP2(pow_f32, float, float, float, , cpu_powf(x, y))

/* By squaring; the inverse of a whole number is 0 but for 1 and -1. */
CPU_INLINE uint64_t whole_power(uint64_t x, int64_t y)
{
    if (y < 0)
        return x == 1 ? 1 : x == UINT64_MAX ? y & 1 ? x : 1 : 0;
    uint64_t r = 1;
    for (; y; y >>= 1, x *= x)
        if (y & 1)
            r *= x;
    return r;
}
CPU_INTS(CPU_LOOP2, pow, , whole_power((uint64_t)(int64_t)x, (int64_t)y))

/* ---- floats' own ---- */

CPU_FLOATS(CPU_LOOP2, atan2, ,
           sizeof(T) == 4 ? (T)atan2f((float)x, (float)y) : (T)atan2((double)x, (double)y))
CPU_LOOP2(copysign_f64, double, double, double, , copysign(x, y))
CPU_LOOP2(copysign_f32, float, float, float, , copysignf(x, y))
CPU_LOOP2(nextafter_f64, double, double, double, , nextafter(x, y))
CPU_LOOP2(nextafter_f32, float, float, float, , nextafterf(x, y))

/* A half's neighbour is a step of its bits. */
CPU_INLINE uint16_t half_after(uint16_t x, uint16_t y, float a, float b, uint16_t nan)
{
    if (a != a || b != b)
        return nan;
    if (a == b)
        return y;
    if (a == 0)
        return (uint16_t)((y & 0x8000) | 1);
    return (uint16_t)((a < b) == (a > 0) ? x + 1 : x - 1);
}
CPU_LOOP2(nextafter_f16, uint16_t, uint16_t, uint16_t, ,
          half_after(x, y, cpu_f32_of_f16(x), cpu_f32_of_f16(y), 0x7e00))
CPU_LOOP2(nextafter_bf16, uint16_t, uint16_t, uint16_t, ,
          half_after(x, y, cpu_f32_of_bf16(x), cpu_f32_of_bf16(y), 0x7fc0))

/* ---- bits ---- */

#define BITWISE(op, sign)                     \
    CPU_INTS(CPU_LOOP2, op, , (U)x sign(U) y) \
    CPU_BOOL(CPU_LOOP2, op, , x sign y)
BITWISE(bitwise_and, &)
BITWISE(bitwise_or, |)
BITWISE(bitwise_xor, ^)

/* Shifts by more than there are bits, or by less than none, push everything out. */
#define BITS ((int)sizeof(T) * 8)
CPU_INTS(CPU_LOOP2, left_shift, , (y < 0) | (y >= BITS) ? (U)0 : (U)x << (y & (BITS - 1)))
CPU_INTS(CPU_LOOP2, right_shift, ,
         x >> ((y < 0) | (y >= BITS) ? (T)-1 < 0 ? BITS - 1 : BITS : (int)y))

/* ---- the table ---- */

#define ROW(text, ns, ...)                                          \
    {                                                               \
        .name = text, .nin = 2, .cost = ns, .loop = { __VA_ARGS__ } \
    }
#define ALPHA .numbers = {"alpha"}, .defaults = {{1, 1}}

const cpu_elementwise CPU_NAME(cpu_binary_ops)[] = {
    {.name = "add.Tensor",
     .nin = 2,
     .cost = 0.25f,
     .wide_numbers = true,
     ALPHA,
     .loop = {CPU_AT_ALL(add)}},
    {.name = "sub.Tensor",
     .nin = 2,
     .cost = 0.25f,
     .wide_numbers = true,
     ALPHA,
     .loop = {CPU_AT_FLOATS(sub), CPU_AT_INTS(sub)}},
    {.name = "mul.Tensor",
     .nin = 2,
     .cost = 0.25f,
     .wide_numbers = true,
     .loop = {CPU_AT_ALL(mul)}},
    {.name = "div.Tensor",
     .nin = 2,
     .cost = 0.3f,
     .wide_numbers = true,
     .loop = {CPU_AT_FLOATS(div)}},
    ROW("maximum", 0.25f, CPU_AT_ALL(maximum)),
    ROW("minimum", 0.25f, CPU_AT_ALL(minimum)),
    ROW("div.trunc", 1.0f, CPU_AT_FLOATS(div_trunc), CPU_AT_INTS(div_trunc)),
    ROW("div.floor", 6.0f, CPU_AT_FLOATS(div_floor), CPU_AT_INTS(div_floor)),
    ROW("fmod.Tensor", 5.0f, CPU_AT_FLOATS(fmod), CPU_AT_INTS(fmod)),
    ROW("remainder.Tensor", 5.0f, CPU_AT_FLOATS(remainder), CPU_AT_INTS(remainder)),
    ROW("pow.Tensor_Tensor", 3.0f, CPU_AT_FLOATS(pow), CPU_AT_INTS(pow)),
    ROW("atan2", 15.0f, CPU_AT_FLOATS(atan2)),
    ROW("copysign.Tensor", 0.25f, CPU_AT_FLOATS(copysign)),
    {.name = "nextafter",
     .nin = 2,
     .cost = 5.0f,
     .raw = true,
     .loop = {[CR_F64] = nextafter_f64,
              [CR_F32] = nextafter_f32,
              [CR_F16] = nextafter_f16,
              [CR_BF16] = nextafter_bf16}},
    ROW("bitwise_and.Tensor", 0.2f, CPU_AT_INTS(bitwise_and), CPU_AT_BOOL(bitwise_and)),
    ROW("bitwise_or.Tensor", 0.2f, CPU_AT_INTS(bitwise_or), CPU_AT_BOOL(bitwise_or)),
    ROW("bitwise_xor.Tensor", 0.2f, CPU_AT_INTS(bitwise_xor), CPU_AT_BOOL(bitwise_xor)),
    ROW("bitwise_left_shift.Tensor", 0.2f, CPU_AT_INTS(left_shift)),
    ROW("bitwise_right_shift.Tensor", 0.2f, CPU_AT_INTS(right_shift)),
    {.name = NULL},
};
