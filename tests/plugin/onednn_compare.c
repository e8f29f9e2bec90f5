#include "onednn_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

cr_value v_tensor(cr_tensor *t)
{
    return (cr_value){.tag = t ? CR_TENSOR : CR_NONE, .as.tensor = t};
}
cr_value v_int(int64_t i)
{
    return (cr_value){.tag = CR_INT, .as.i = i};
}
cr_value v_bool(bool b)
{
    return (cr_value){.tag = CR_BOOL, .as.i = b};
}
cr_value v_float(double f)
{
    return (cr_value){.tag = CR_FLOAT, .as.f = f};
}
cr_value v_ints(const int64_t *ints, int count)
{
    return (cr_value){.tag = CR_INT_LIST, .count = count, .as.ints = ints};
}
cr_value v_bools(const uint8_t *bools, int count)
{
    return (cr_value){.tag = CR_BOOL_LIST, .count = count, .as.bools = bools};
}

double tolerance_of(cr_dtype dtype)
{
    return dtype == CR_F32 ? 1e-5 : 8e-3;
}

cr_tensor *some(cr_dtype dtype, int rank, const int64_t *size)
{
    cr_tensor *t = cr_randn(cr_make_ints(size, rank), .device = "onednn");
    return cr_to_copy(t, .dtype = dtype);
}

cr_tensor *some_channels_last(cr_dtype dtype, int rank, const int64_t *size)
{
    int64_t turned[8], back[8];
    for (int d = 0; d < rank; d++) {
        turned[d] = size[d == 0 ? 0 : d == rank - 1 ? 1 : d + 1];
        back[d] = d == 0 ? 0 : d == 1 ? rank - 1 : d - 1;
    }
    return cr_permute(some(dtype, rank, turned), cr_make_ints(back, rank));
}

uint64_t native_count(const char *op)
{
    cr_op_counts counts[2048];
    size_t n = cr_device_op_counts("onednn", counts, 2048);
    for (size_t i = 0; n != SIZE_MAX && i < n && i < 2048; i++)
        if (!strcmp(counts[i].op, op))
            return counts[i].native;
    return 0;
}

/* The values of a float tensor as doubles; the caller frees them. */
static double *values(cr_tensor *t, int64_t *count)
{
    cr_tensor *wide = cr_to_copy(cr_tensor_to(t, "cpu"), .dtype = CR_F64);
    *count = cr_tensor_numel(t);
    size_t bytes = (size_t)*count * sizeof(double);
    double *v = malloc(bytes ? bytes : 1);
    ck_assert_msg(v && wide && !cr_tensor_read(wide, v, bytes), "%s", cr_error());
    return v;
}

static void hold(const char *op, int output, cr_tensor *got, cr_tensor *again, cr_tensor *want,
                 double tolerance)
{
    ck_assert_msg(!got == !want && !again == !want, "%s: output %d is there on one backend only",
                  op, output);
    if (!want)
        return;
    ck_assert_int_eq(cr_tensor_dim(got), cr_tensor_dim(want));
    for (int d = 0; d < cr_tensor_dim(got); d++)
        ck_assert_int_eq(cr_tensor_sizes(got)[d], cr_tensor_sizes(want)[d]);
    int64_t n, m, k;
    double *g = values(got, &n), *w = values(want, &m), *a = values(again, &k), most = 0;
    ck_assert_msg(n == m && n == k && !memcmp(g, a, (size_t)n * sizeof *g),
                  "%s: output %d has other bits the second time", op, output);
    for (int64_t i = 0; i < n; i++)
        most = fabs(w[i]) > most ? fabs(w[i]) : most;
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(g[i] - w[i]) <= tolerance * most,
                      "%s: output %d, element %lld is %g, not %g", op, output, (long long)i, g[i],
                      w[i]);
    free(g);
    free(w);
    free(a);
}

void compare(const char *op, const cr_value *args, size_t nargs, double tolerance, way expected)
{
    compare_with(op, args, nargs, NULL, 0, tolerance, expected);
}

bool has_avx512(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("avx512bw") && !getenv("ONEDNN_MAX_CPU_ISA");
#else
    return false;
#endif
}

void compare_with(const char *op, const cr_value *args, size_t nargs, const cr_keyword *kw,
                  size_t nkw, double tolerance, way expected)
{
    cr_value wide[16], got[5] = {{0}}, again[5] = {{0}}, want[5] = {{0}};
    size_t ngot = 0, nagain = 0, nwant = 0;
    memcpy(wide, args, nargs * sizeof *args);
    for (size_t i = 0; i < nargs; i++)
        if (wide[i].tag == CR_TENSOR && cr_tensor_dtype(wide[i].as.tensor) <= CR_BF16)
            wide[i].as.tensor = cr_to_copy(cr_tensor_to(wide[i].as.tensor, "cpu"), .dtype = CR_F64);
    for (size_t i = 0; i < nargs; i++)
        if (args[i].tag == CR_TENSOR && cr_tensor_dtype(args[i].as.tensor) == CR_BF16 &&
            !has_avx512())
            expected = ANY_WAY;
    uint64_t before = native_count(op);
    ck_assert_msg(!cr_call(op, args, nargs, kw, nkw, got, 5, &ngot), "%s", cr_error());
    if (expected != ANY_WAY)
        ck_assert_msg((native_count(op) > before) == (expected == NATIVE),
                      "%s: %s planned by oneDNN", op, expected == NATIVE ? "not" : "was");
    ck_assert_msg(!cr_call(op, args, nargs, kw, nkw, again, 5, &nagain), "%s", cr_error());
    ck_assert_msg(!cr_call(op, wide, nargs, kw, nkw, want, 5, &nwant), "%s", cr_error());
    ck_assert_uint_eq(ngot, nwant);
    for (size_t i = 0; i < nwant; i++)
        if (want[i].tag == CR_TENSOR || got[i].tag == CR_TENSOR)
            hold(op, (int)i, got[i].as.tensor, again[i].as.tensor, want[i].as.tensor, tolerance);
}
