// What every kernel begins with: types by class, elements by dtype, and where elements lie. The host defines CLASS,
// HAS_F64 where the device has doubles, WIDE_INDEX where 31 bits don't reach, and for large launches OP, DTYPE and FLAT,
// which fix what is otherwise an argument.
#pragma OPENCL FP_CONTRACT OFF
#ifdef HAS_F64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double W; // the widest float
#else
typedef float W;
#endif

enum { F64 = 1, F32, F16, BF16, I64, I32, I16, I8, U8, B8 };

#if CLASS == CLASS_FLOAT
#define T float
#elif CLASS == CLASS_DOUBLE
#define T double
#elif CLASS == CLASS_INT
#define T int
#define U uint
#else
#define T long
#define U ulong
#endif
#define IS_FLOAT (CLASS == CLASS_FLOAT || CLASS == CLASS_DOUBLE)

#ifdef WIDE_INDEX
typedef ulong INDEX;
#else
typedef uint INDEX;
#endif

#ifdef OP
#define CHOSEN_OP OP
#else
#define CHOSEN_OP op
#endif
#ifdef DTYPE
#define CHOSEN_DTYPE DTYPE
#else
#define CHOSEN_DTYPE dtype
#endif

// ---- elements ----

// Halves are stored as 16 bits and converted by hand: not every device has cl_khr_fp16.
float of_half(ushort h)
{
    uint magnitude = (uint)(h & 0x7fff) << 13, sign = (uint)(h & 0x8000) << 16;
    // As a float the exponent is 112 too small; for infinity and NaN it has to become the greatest.
    float f = magnitude >= 0x0f800000u ? as_float(magnitude | 0x7f800000u) : as_float(magnitude) * 0x1p112f;
    // A device that flushes subnormals would lose the half's own, so these are made from the whole number.
    if (magnitude < 0x00800000u)
        f = (float)(h & 0x7fff) * 0x1p-24f;
    return as_float(as_uint(f) | sign);
}

ushort to_half(float x)
{
    uint u = as_uint(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (ushort)(sign | 0x7e00u);
    if (a >= 0x477ff000u) // half way to 2^16 and above
        return (ushort)(sign | 0x7c00u);
    if (a < 0x38800000u) // whole multiples of 2^-24
        return (ushort)(sign | (uint)rint(as_float(a) * 0x1p24f));
    uint odd = a >> 13 & 1u;
    return (ushort)(sign | (a - 0x38000000u + 0xfffu + odd) >> 13);
}

float of_bf16(ushort h)
{
    return as_float((uint)h << 16);
}

ushort to_bf16(float x)
{
    uint u = as_uint(x);
    return (u & 0x7fffffffu) > 0x7f800000u ? (ushort)0x7fc0 : (ushort)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

float load_float(global const void *p, INDEX i, int dtype)
{
    switch (dtype) {
    case F32: return ((global const float *)p)[i];
    case F16: return of_half(((global const ushort *)p)[i]);
    default: return of_bf16(((global const ushort *)p)[i]);
    }
}

void store_float(global void *p, INDEX i, float x, int dtype)
{
    switch (dtype) {
    case F32: ((global float *)p)[i] = x; break;
    case F16: ((global ushort *)p)[i] = to_half(x); break;
    default: ((global ushort *)p)[i] = to_bf16(x);
    }
}

#ifdef HAS_F64
double load_double(global const void *p, INDEX i, int dtype)
{
    return ((global const double *)p)[i];
}

void store_double(global void *p, INDEX i, double x, int dtype)
{
    ((global double *)p)[i] = x;
}
#endif

int load_int(global const void *p, INDEX i, int dtype)
{
    switch (dtype) {
    case I32: return ((global const int *)p)[i];
    case I16: return ((global const short *)p)[i];
    case I8: return ((global const char *)p)[i];
    default: return ((global const uchar *)p)[i];
    }
}

void store_int(global void *p, INDEX i, int x, int dtype)
{
    switch (dtype) {
    case I32: ((global int *)p)[i] = x; break;
    case I16: ((global short *)p)[i] = (short)x; break;
    case I8: ((global char *)p)[i] = (char)x; break;
    case U8: ((global uchar *)p)[i] = (uchar)x; break;
    default: ((global uchar *)p)[i] = x != 0;
    }
}

long load_long(global const void *p, INDEX i, int dtype)
{
    return ((global const long *)p)[i];
}

void store_long(global void *p, INDEX i, long x, int dtype)
{
    ((global long *)p)[i] = x;
}

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define load PASTE(load_, T)
#define store PASTE(store_, T)

// A wide float as the class's: rounded to odd where a second rounding follows, so that the two are one.
T narrow(W x, int dtype)
{
#if CLASS == CLASS_FLOAT && defined HAS_F64
    float f = (float)x;
    if (dtype != F32 && isfinite(f) && (double)f != x) {
        f = convert_float_rtz(x);
        f = as_float(as_uint(f) | 1u);
    }
    return f;
#else
    return (T)x;
#endif
}

// ---- places ----

// Dimensions that several values share, and each value's strides in elements (ocl_space in plan.h).
typedef struct space {
    long count, rank, size[8], stride[4][8];
} space;

// Where element i lies in each of n values. FLAT: bit v says that value v is dense; others are one element, repeated.
void places(const space *s, INDEX i, INDEX *at, int n)
{
#ifdef FLAT
    for (int v = 0; v < n; v++)
        at[v] = FLAT >> v & 1 ? i : 0;
#else
    for (int v = 0; v < n; v++)
        at[v] = 0;
    for (int d = (int)s->rank - 1; d >= 0; d--) {
        INDEX size = (INDEX)s->size[d], q = d ? i / size : 0, r = i - q * size;
        for (int v = 0; v < n; v++)
            at[v] += r * (INDEX)s->stride[v][d];
        i = q;
    }
#endif
}

// The places of element i, which follows the one that `at` and `left` were for; left 0: there was none. Gives how many more
// elements of the innermost dimension follow it, so that divisions are only needed where a dimension ends.
INDEX next_places(const space *s, INDEX i, INDEX left, INDEX *at, int n)
{
    const int last = (int)s->rank - 1;
    if (left) {
        for (int v = 0; v < n; v++)
            at[v] += (INDEX)s->stride[v][last];
        return left - 1;
    }
    places(s, i, at, n);
    const INDEX inner = last < 0 ? 1 : (INDEX)s->size[last];
    return inner - 1 - i % inner;
}

// Before a statement: does it for this item's elements, whose places in n values are in at. EACH, where defined, is how many
// an item has.
#ifdef EACH
#define FOR_PLACES(s, n)                                                                                             \
    INDEX at[n], left = 0, end = min((INDEX)(get_global_id(0) + 1) * EACH, (INDEX)s.count);                          \
    for (INDEX i = (INDEX)get_global_id(0) * EACH; i < end && (left = next_places(&s, i, left, at, n), true); i++)
#else
#define FOR_PLACES(s, n)                     \
    INDEX at[n], i = (INDEX)get_global_id(0); \
    if (i < (INDEX)s.count && (places(&s, i, at, n), true))
#endif

// A value's arguments, and its first element.
#define VALUE(name) global void *name##_buffer, ulong name##_at
#define START(name) global void *name = (global void *)((global char *)name##_buffer + name##_at)

// Leaves word of an index outside its dimension (ocl_fault in opencl.h).
void wrong(global long *fault, long index, long size, int dim)
{
    fault[1] = index;
    fault[2] = size;
    fault[3] = dim;
    fault[0] = 1;
}
