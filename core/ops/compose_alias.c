/* PyTorch's second names: each does what the other does. */
#include "core/ops/compose.h"

static const char *const same[][2] = {
    {"absolute", "abs"},
    {"arccos", "acos"},
    {"arccosh", "acosh"},
    {"arcsin", "asin"},
    {"arcsinh", "asinh"},
    {"arctan", "atan"},
    {"arctanh", "atanh"},
    {"arctan2", "atan2"},
    {"clip", "clamp"},
    {"divide.Tensor", "div.Tensor"},
    {"true_divide.Tensor", "div.Tensor"},
    {"multiply.Tensor", "mul.Tensor"},
    {"subtract.Tensor", "sub.Tensor"},
    {"greater.Tensor", "gt.Tensor"},
    {"greater_equal.Tensor", "ge.Tensor"},
    {"less.Tensor", "lt.Tensor"},
    {"less_equal.Tensor", "le.Tensor"},
    {"not_equal.Tensor", "ne.Tensor"},
    {"negative", "neg"},
    {"fix", "trunc"},
    {"moveaxis.intlist", "movedim.intlist"},
    {"swapaxes", "transpose.int"},
    {"swapdims", "transpose.int"},
    {"ger", "outer"},
    {"vdot", "dot"},
    {"concat", "cat"},
    {"native_channel_shuffle", "channel_shuffle"},
};

COMPOSITE(alias_of)
{
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!strcmp(same[i][0], op->name))
            return cr_invoke(cr_op_find(same[i][1]), args, r);
    return CR_FAIL_INT("%s: a second name of nothing", op->name);
}

/* ---- small ones that are nearly that ---- */

COMPOSITE(ravel)
GIVE(cr_reshape(T(0), CR_INTS(-1)))
COMPOSITE(reshape_as)
GIVE(cr_reshape(T(0), sizes_of_tensor(T(1))))
COMPOSITE(broadcast_to)
GIVE(cr_expand(T(0), L(1)))
COMPOSITE(msort)
GIVE(cr_sort(T(0), .dim = CR_SOME(0)).values)
COMPOSITE(argwhere)
GIVE(cr_nonzero(T(0)))
COMPOSITE(isposinf)
GIVE(cr_logical_and(cr_isinf(T(0)), cr_gt_scalar(T(0), 0)))
COMPOSITE(isneginf)
GIVE(cr_logical_and(cr_isinf(T(0)), cr_lt_scalar(T(0), 0)))
COMPOSITE(dist)
GIVE(cr_norm(cr_sub(T(0), T(1)), .p = S(2)))
COMPOSITE(float_power)
GIVE(cr_pow(cr_to_dtype(T(0), CR_F64), cr_to_dtype(T(1), CR_F64)))
COMPOSITE(ldexp)
GIVE(cr_mul(T(0), cr_exp2(cr_to_dtype(T(1), is_float(T(0)) ? dtype_of(T(0)) : CR_F32))))
COMPOSITE(diagflat)
GIVE(cr_diag(cr_reshape(T(0), CR_INTS(-1)), .diagonal = INT(1)))
COMPOSITE(new_ones)
GIVE(cr_new_full(T(0), L(1), 1))
COMPOSITE(type_as)
GIVE(cr_to_dtype(T(0), dtype_of(T(1))))
COMPOSITE(softmin)
GIVE(cr_softmax(cr_neg(T(0)), INT(1)))
COMPOSITE(matrix_power)
{
    (void)op;
    cr_tensor *x = T(0), *y = NULL;
    int64_t n = INT(1);
    if (x->dim < 2 || x->size[x->dim - 1] != x->size[x->dim - 2] || n < 0)
        return CR_FAIL_INT("linalg.matrix_power: expected square matrices and a power of at least "
                           "0, got %s and %lld",
                           cr_describe(x), (long long)n);
    if (!n) {
        cr_tensor *one =
            cr_eye(x->size[x->dim - 1], .dtype = dtype_of(x), .device = cr_tensor_device(x));
        return cr_give(r, cr_clone(cr_expand_as(one, x)));
    }
    for (; n; n >>= 1) { /* by squaring */
        if (n & 1)
            y = y ? cr_matmul(y, x) : x;
        x = n > 1 ? cr_matmul(x, x) : x;
    }
    return cr_give(r, y == T(0) ? cr_clone(y) : y);
}

/* Runs of equal neighbours made one, of the flattened tensor. */
COMPOSITE(unique_consecutive)
{
    (void)op;
    cr_tensor *x = cr_reshape(T(0), CR_INTS(-1));
    int64_t n = x ? x->numel : 0;
    cr_tensor *none = cr_empty(0, .dtype = CR_I64, .device = cr_tensor_device(T(0)));
    if (!n)
        return cr_give_three(r, x ? cr_clone(x) : NULL, none, none, true);
    cr_tensor *steps = cr_ne(cr_narrow(x, 0, 1, n - 1), cr_narrow(x, 0, 0, n - 1));
    cr_tensor *first = cr_constant_pad_nd(steps, CR_INTS(1, 0), .value = CR_S(1));
    cr_tensor *rank = cr_constant_pad_nd(cr_cumsum(cr_to_dtype(steps, CR_I64), 0), CR_INTS(1, 0));
    cr_tensor *values = cr_masked_select(x, first);
    if (!values)
        return -1;
    cr_tensor *zero = cr_zeros(values->numel, .dtype = CR_I64, .device = cr_tensor_device(x));
    cr_tensor *counts = INT(2) ? cr_scatter_add(zero, 0, rank, cr_ones_like(rank)) : none;
    return cr_give_three(r, values, INT(1) ? cr_view_as(rank, T(0)) : none, counts, true);
}
