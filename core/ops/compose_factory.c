/* Copies and factories said with other operations. */
#include <math.h>

#include "core/ops/compose.h"
#include "op_index.h"

/* ---- copies ---- */

/* Reached only where a backend plans no copy between these dtypes and layouts; there is nothing
 * below it. */
DECOMPOSE(to_copy)
{
    (void)r, (void)args;
    return CR_FAIL_INT("%s: the backend does not copy these tensors", op->name);
}
DECOMPOSE(clone)
GIVE(cr_to_copy(T(0)))
DECOMPOSE(copy)
{
    (void)op;
    cr_tensor *cast = cr_to_copy(T(1), .dtype = dtype_of(T(0)));
    return cr_give(r, cr_contiguous(cr_expand(cast, sizes_of_tensor(T(0)))));
}
COMPOSITE(to_dtype)
{
    (void)op;
    cr_dtype dtype = cr_value_dtype(&args[1]);
    return cr_give(r, dtype_of(T(0)) == dtype && !INT(3) ? T(0) : cr_to_copy(T(0), .dtype = dtype));
}
COMPOSITE(to_other)
GIVE(cr_tensor_to(cr_to_dtype(T(0), dtype_of(T(1)), .copy = INT(3)), cr_tensor_device(T(1))))
COMPOSITE(contiguous)
{
    (void)op;
    cr_tensor *t = T(0);
    if (cr_is_contiguous(t))
        return cr_give(r, t);
    const cr_value plain[2] = {args[0], cr_v_int(0)};
    cr_results made;
    if (cr_invoke(cr_op_at(CR_OP_clone), plain, &made))
        return -1;
    return cr_give(r, made.t[0]);
}
COMPOSITE(fill)
GIVE(cr_copy_(cr_empty_like(T(0)), T(1)))
COMPOSITE(zero)
GIVE(cr_fill_scalar(T(0), 0))

/* ---- factories ---- */

DECOMPOSE(full)
{
    (void)op;
    cr_dtype dtype = FACTORY_DTYPE(2);
    if (!dtype)
        dtype = args[1].tag == CR_INT    ? CR_I64
                : args[1].tag == CR_BOOL ? CR_B8
                                         : cr_default_dtype();
    return cr_give(
        r, cr_fill_scalar_(cr_empty(L(0), .dtype = dtype, .device = FACTORY_DEVICE(2)), S(1)));
}
COMPOSITE(zeros)
GIVE(cr_full(L(0), 0.0, .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))
COMPOSITE(ones)
GIVE(cr_full(L(0), 1.0, .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))
COMPOSITE(scalar_tensor)
GIVE(cr_full(CR_EMPTY, S(0), .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))

static cr_tensor *filled_like(const cr_value *args, int at, cr_scalar value)
{
    const char *device = FACTORY_DEVICE(at);
    return cr_fill_scalar_(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(at), .device = device),
                           value);
}
COMPOSITE(full_like)
GIVE(filled_like(args, 2, S(1)))
COMPOSITE(zeros_like)
GIVE(filled_like(args, 1, cr_int_scalar(0)))
COMPOSITE(ones_like)
GIVE(filled_like(args, 1, cr_int_scalar(1)))

static const char *device_or(const cr_value *args, int at)
{
    const char *given = FACTORY_DEVICE(at);
    return given ? given : cr_tensor_device(T(0));
}
static cr_dtype dtype_or(const cr_value *args, int at)
{
    cr_dtype given = FACTORY_DTYPE(at);
    return given ? given : dtype_of(T(0));
}
COMPOSITE(new_zeros)
GIVE(cr_full(L(1), 0, .dtype = dtype_or(args, 2), .device = device_or(args, 2)))
COMPOSITE(new_full)
GIVE(cr_full(L(1), S(2), .dtype = dtype_or(args, 3), .device = device_or(args, 3)))

COMPOSITE(arange)
GIVE(cr_arange_step(cr_int_scalar(0), S(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1)))
COMPOSITE(arange_start)
GIVE(cr_arange_step(S(0), S(1), .dtype = FACTORY_DTYPE(2), .device = FACTORY_DEVICE(2)))

/* Both halves count from their own end, as PyTorch does, so that the ends are exact. */
COMPOSITE(linspace)
{
    (void)op;
    double start = F(0), end = F(1);
    int64_t steps = INT(2);
    cr_dtype dtype = or_default(FACTORY_DTYPE(3));
    const char *device = FACTORY_DEVICE(3);
    if (steps < 0)
        return CR_FAIL_INT("linspace: number of steps must be non-negative");
    if (steps < 2)
        return cr_give(r, cr_full(steps, start, .dtype = dtype, .device = device));
    double step = (end - start) / (double)(steps - 1);
    cr_dtype fine = dtype == CR_F64 || !cr_dtype_is_floating(dtype) ? CR_F64 : CR_F32;
    cr_tensor *i = cr_arange(steps, .dtype = fine, .device = device);
    cr_tensor *up = cr_add_scalar(cr_mul_scalar(i, step), start);
    cr_tensor *down =
        cr_rsub_scalar(cr_mul_scalar(cr_rsub_scalar(i, (double)(steps - 1)), step), end);
    return cr_give(r, cr_to_dtype(cr_where(cr_lt_scalar(i, (double)(steps / 2)), up, down), dtype));
}
static cr_tensor *eye(int64_t n, int64_t m, cr_dtype dtype, const char *device)
{
    if (n < 0 || m < 0)
        return cr_fail("eye: n and m must be greater or equal to 0, got %lld and %lld",
                       (long long)n, (long long)m);
    cr_tensor *rows = cr_unsqueeze(cr_arange(n, .dtype = CR_I64, .device = device), 1);
    return cr_to_dtype(cr_eq(rows, cr_arange(m, .dtype = CR_I64, .device = device)),
                       or_default(dtype));
}
COMPOSITE(eye)
GIVE(eye(INT(0), INT(0), FACTORY_DTYPE(1), FACTORY_DEVICE(1)))
COMPOSITE(eye_m)
GIVE(eye(INT(0), INT(1), FACTORY_DTYPE(2), FACTORY_DEVICE(2)))
