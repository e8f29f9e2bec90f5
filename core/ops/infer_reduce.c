/* Inference of reductions, scans and sorting. */
#include <math.h>
#include <string.h>

#include "core/ops/functions.h"

/* The dims that argument a names, as ascending numbers ≥ 0 (none named: all), and the output's
 * sizes. The backend gets them as the attribute "dim". */
static bool reduce_to(cr_frame *f, const cr_value *dim, bool keepdim, int64_t *sizes, int *rank)
{
    const cr_tensor *self = f->in[0];
    bool reduced[CR_MAX_RANK] = {false};
    int64_t dims[CR_MAX_RANK];
    int ndims = 0;
    int64_t count = dim && dim->tag == CR_INT_LIST ? dim->count : dim && dim->tag == CR_INT ? 1 : 0;
    for (int64_t i = 0; i < count; i++) {
        int d = cr_wrap_dim(cr_frame_name(f), dim->tag == CR_INT ? dim->as.i : dim->as.ints[i],
                            self->dim);
        if (d < 0)
            return false;
        if (self->dim && reduced[d])
            return cr_frame_fail(f, "dim %d appears multiple times in the list of dims", d);
        if (self->dim)
            reduced[d] = true;
    }
    *rank = 0;
    for (int d = 0; d < self->dim; d++) {
        bool out = !count || reduced[d];
        if (out)
            dims[ndims++] = d;
        if (!out || keepdim)
            sizes[(*rank)++] = out ? 1 : self->size[d];
    }
    cr_frame_attr_ints(f, "dim", dims, ndims);
    cr_frame_attr_int(f, "keepdim", keepdim);
    return true;
}

static bool reduced_is_empty(const cr_frame *f, const cr_value *dim)
{
    const cr_tensor *self = f->in[0];
    if (self->numel)
        return false;
    if (!dim || dim->tag == CR_NONE || !self->dim)
        return true;
    int64_t count = dim->tag == CR_INT ? 1 : dim->count;
    for (int64_t i = 0; i < count; i++) {
        int64_t d = dim->tag == CR_INT ? dim->as.i : dim->as.ints[i];
        if (!self->size[d < 0 ? d + self->dim : d])
            return true;
    }
    return !count;
}

/* sum and prod: integers and bool add up in int64 unless a dtype is asked. */
static bool accumulate(cr_frame *f, const cr_value *dim, bool keepdim, const cr_value *dtype,
                       bool floating)
{
    int64_t sizes[CR_MAX_RANK];
    int rank;
    cr_dtype self = (cr_dtype)f->in[0]->dtype;
    cr_dtype out = cr_value_dtype(dtype);
    if (!out)
        out = floating || cr_dtype_is_floating(self) ? self : CR_I64;
    if (floating && !cr_dtype_is_floating(out))
        return cr_frame_fail(
            f, "Input dtype must be either a floating point or complex dtype. Got: %s",
            cr_dtype_name(out));
    if (!reduce_to(f, dim, keepdim, sizes, &rank))
        return false;
    cr_frame_cast_all(f, out);
    return cr_frame_out(f, 0, out, rank, sizes);
}

bool cr_infer_reduce_all(cr_frame *f)
{
    return accumulate(f, NULL, false, &f->args[1], false);
}

bool cr_infer_reduce(cr_frame *f)
{
    return accumulate(f, &f->args[1], f->args[2].as.i, &f->args[3], false);
}

bool cr_infer_reduce_all_float(cr_frame *f)
{
    return accumulate(f, NULL, false, &f->args[1], true);
}

bool cr_infer_reduce_float(cr_frame *f)
{
    return accumulate(f, &f->args[1], f->args[2].as.i, &f->args[3], true);
}

static bool order(cr_frame *f, const cr_value *dim, bool keepdim, bool index)
{
    int64_t sizes[CR_MAX_RANK];
    int rank;
    if (!reduce_to(f, dim, keepdim, sizes, &rank))
        return false;
    if (reduced_is_empty(f, dim)) {
        if (!dim)
            return cr_frame_fail(f, "Expected reduction dim to be specified for input.numel() == "
                                    "0. Specify the reduction dim "
                                    "with the 'dim' argument.");
        return cr_frame_fail(f, "Expected reduction dim to have non-zero size (input %s)",
                             cr_describe(f->in[0]));
    }
    return cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, rank, sizes) &&
           (!index || cr_frame_out(f, 1, CR_I64, rank, sizes));
}

bool cr_infer_reduce_order(cr_frame *f)
{
    return order(f, &f->args[1], f->args[2].as.i, false);
}

bool cr_infer_reduce_order_all(cr_frame *f)
{
    return order(f, NULL, false, false);
}

bool cr_infer_reduce_order_index(cr_frame *f)
{
    return order(f, &f->args[1], f->args[2].as.i, true);
}

bool cr_infer_reduce_arg(cr_frame *f)
{
    bool one = f->args[1].tag != CR_NONE;
    if (!order(f, one ? &f->args[1] : NULL, f->args[2].as.i, false))
        return false;
    if (!one && f->in[0]->dim != 1)
        f->no_plan = true; /* of the flattened tensor: the decomposition flattens it */
    f->out[0].dtype = CR_I64;
    return true;
}

bool cr_infer_reduce_bool(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    int rank;
    if (!reduce_to(f, &f->args[1], f->args[2].as.i, sizes, &rank))
        return false;
    cr_frame_cast_all(f, CR_B8);
    return cr_frame_out(f, 0, CR_B8, rank, sizes);
}

/* ---- scans ---- */

static bool scan_dim(cr_frame *f)
{
    int d = cr_wrap_dim(cr_frame_name(f), f->args[1].as.i, f->in[0]->dim);
    if (d < 0)
        return false;
    cr_frame_attr_int(f, "dim", d);
    f->inplace_ok = false;
    return true;
}

bool cr_infer_scan(cr_frame *f)
{
    cr_dtype out = cr_value_dtype(&f->args[2]), self = (cr_dtype)f->in[0]->dtype;
    if (!out)
        out = cr_dtype_is_floating(self) ? self : CR_I64;
    cr_frame_cast_all(f, out);
    return scan_dim(f) && cr_frame_out_like(f, 0, f->in[0], out);
}

bool cr_infer_scan_float(cr_frame *f)
{
    cr_dtype self = (cr_dtype)f->in[0]->dtype;
    if (!cr_dtype_is_floating(self))
        return cr_frame_fail(f, "needs a floating-point tensor, not %s", cr_dtype_name(self));
    return scan_dim(f) && cr_frame_out_like(f, 0, f->in[0], self);
}

bool cr_infer_scan_index(cr_frame *f)
{
    return scan_dim(f) && cr_frame_out_like(f, 0, f->in[0], (cr_dtype)f->in[0]->dtype) &&
           cr_frame_out_like(f, 1, f->in[0], CR_I64);
}

bool cr_infer_sort(cr_frame *f)
{
    int d = cr_wrap_dim("sort", f->args[2].as.i, f->in[0]->dim);
    if (d < 0)
        return false;
    cr_frame_attr_drop(f, "stable");
    cr_frame_attr_int(f, "dim", d);
    return cr_frame_out_like(f, 0, f->in[0], (cr_dtype)f->in[0]->dtype) &&
           cr_frame_out_like(f, 1, f->in[0], CR_I64);
}

/* Of all elements, none included. */
bool cr_infer_median(cr_frame *f)
{
    if (f->in[0]->dtype == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    return cr_frame_out(f, 0, (cr_dtype)f->in[0]->dtype, 0, NULL);
}

/* linalg_vector_norm(self, ord, dim, keepdim, dtype) */
bool cr_infer_vector_norm(cr_frame *f)
{
    int64_t sizes[CR_MAX_RANK];
    int rank;
    cr_dtype self = (cr_dtype)f->in[0]->dtype, out = cr_value_dtype(&f->args[4]);
    double ord = cr_value_float(&f->args[1]);
    out = out ? out : self;
    if (!cr_dtype_is_floating(self) || !cr_dtype_is_floating(out))
        return cr_frame_fail(f, "Expected a floating point or complex tensor as input. Got %s",
                             cr_dtype_name(self));
    if (cr_promote_types(self, out) != out)
        return cr_frame_fail(f,
                             "the dtype of the input (%s) should be convertible without narrowing "
                             "to the specified dtype (%s)",
                             cr_dtype_name(self), cr_dtype_name(out));
    if (!reduce_to(f, &f->args[2], f->args[3].as.i, sizes, &rank))
        return false;
    if (reduced_is_empty(f, &f->args[2]) && (ord < 0 || isinf(ord)))
        return cr_frame_fail(f,
                             "cannot compute the %g norm on an empty dimension because the "
                             "operation does not have an identity",
                             ord);
    return cr_frame_out(f, 0, out, rank, sizes);
}
