/* Overloads that say what another row does: a number for a tensor, a list for another, views under their names as attributes. */
#include "core/ops/compose.h"

/* ---- a number in place of a tensor ---- */

static const char *const of_tensors[][2] = {
    {"bitwise_and.Scalar_Tensor", "bitwise_and.Tensor"},
    {"bitwise_or.Scalar_Tensor", "bitwise_or.Tensor"},
    {"bitwise_xor.Scalar_Tensor", "bitwise_xor.Tensor"},
    {"bitwise_left_shift.Tensor_Scalar", "bitwise_left_shift.Tensor"},
    {"bitwise_left_shift.Scalar_Tensor", "bitwise_left_shift.Tensor"},
    {"bitwise_right_shift.Tensor_Scalar", "bitwise_right_shift.Tensor"},
    {"bitwise_right_shift.Scalar_Tensor", "bitwise_right_shift.Tensor"},
    {"copysign.Scalar", "copysign.Tensor"},
    {"floor_divide.Scalar", "floor_divide"},
    {"remainder.Scalar_Tensor", "remainder.Tensor"},
    {"xlogy.Scalar_Other", "xlogy.Tensor"},
    {"xlogy.Scalar_Self", "xlogy.Tensor"},
    {"special_xlog1py.other_scalar", "special_xlog1py"},
    {"special_xlog1py.self_scalar", "special_xlog1py"},
    {"special_zeta.other_scalar", "special_zeta"},
    {"special_zeta.self_scalar", "special_zeta"},
};

/* The number becomes a 0-d tensor that counts less than the other in promotion. */
COMPOSITE(of_scalar)
{
    int number = args[0].tag == CR_TENSOR ? 1 : 0;
    cr_value both[2] = {args[0], args[1]};
    both[number] = (cr_value){.tag = CR_TENSOR, .as.tensor = wrapped(T(1 - number), S(number))};
    if (!both[number].as.tensor)
        return -1;
    for (size_t i = 0; i < sizeof of_tensors / sizeof *of_tensors; i++)
        if (!strcmp(of_tensors[i][0], op->name))
            return cr_invoke(cr_op_find(of_tensors[i][1]), both, r);
    return CR_FAIL_INT("%s: an overload of nothing", op->name);
}
COMPOSITE(isin_scalar)
{
    (void)op;
    bool first = args[0].tag == CR_TENSOR;
    cr_tensor *elements = first ? T(0) : wrapped(T(1), S(0)),
              *among = first ? wrapped(T(0), S(1)) : T(1);
    return cr_give(r, cr_isin(elements, among, .assume_unique = INT(2), .invert = INT(3)));
}
COMPOSITE(float_power_scalar)
GIVE(cr_pow_scalar(cr_to_dtype(T(0), CR_F64), F(1)))
COMPOSITE(float_power_base)
GIVE(cr_pow_base(F(0), cr_to_dtype(T(1), CR_F64)))
COMPOSITE(clamp_min_tensor)
GIVE(cr_clamp_tensor(T(0), .min = T(1)))
COMPOSITE(clamp_max_tensor)
GIVE(cr_clamp_tensor(T(0), .max = T(1)))

/* Rounded at a decimal place: of what is multiplied by a power of ten for places behind the point, divided for those before. */
COMPOSITE(round_decimals)
{
    (void)op;
    int64_t decimals = INT(1);
    if (!decimals)
        return cr_give(r, cr_round(T(0)));
    if (!needs_float("round.decimals", T(0)))
        return -1;
    double ten = 1;
    for (int64_t i = decimals < 0 ? decimals : -decimals; i < 0 && ten < 1e308; i++)
        ten *= 10;
    cr_tensor *x = fine(T(0));
    if (decimals > 0)
        x = cr_div_scalar(cr_round(cr_mul_scalar(x, ten)), ten);
    else
        x = cr_mul_scalar(cr_round(cr_div_scalar(x, ten)), ten);
    return cr_give(r, coarse(x, T(0)));
}

/* ---- other lists ---- */

COMPOSITE(count_nonzero_dims)
GIVE(cr_sum_dim(cr_ne_scalar(T(0), 0), L(1)))

COMPOSITE(std_mean_dim)
{
    (void)op;
    return cr_give_two(r, cr_std_dim(T(0), L(1), .no_unbiased = !INT(2), .keepdim = INT(3)),
                       cr_mean_dim(T(0), L(1), .keepdim = INT(3)));
}
COMPOSITE(std_mean_correction)
{
    (void)op;
    cr_opt_int by = {args[2].as.i, args[2].tag != CR_NONE};
    return cr_give_two(r, cr_std_correction(T(0), L(1), by, .keepdim = INT(3)),
                       cr_mean_dim(T(0), L(1), .keepdim = INT(3)));
}
COMPOSITE(var_mean_dim)
{
    (void)op;
    return cr_give_two(r, cr_var_dim(T(0), L(1), .no_unbiased = !INT(2), .keepdim = INT(3)),
                       cr_mean_dim(T(0), L(1), .keepdim = INT(3)));
}
COMPOSITE(var_mean_correction)
{
    (void)op;
    cr_opt_int by = {args[2].as.i, args[2].tag != CR_NONE};
    return cr_give_two(r, cr_var_correction(T(0), L(1), by, .keepdim = INT(3)),
                       cr_mean_dim(T(0), L(1), .keepdim = INT(3)));
}

COMPOSITE(movedim_int)
GIVE(cr_movedim(T(0), CR_INTS(INT(1)), CR_INTS(INT(2))))

/* A tensor's integers. */
static bool ints_of(const char *name, cr_tensor *t, int64_t *list, size_t room)
{
    if (t->dim > 1 || dtype_of(t) != CR_I64 || (size_t)t->numel > room) {
        cr_fail("%s: needs up to %zu integers in an int64 tensor of at most one dimension, got %s",
                name, room, cr_describe(t));
        return false;
    }
    return !cr_tensor_read(t, list, (size_t)t->numel * sizeof *list);
}
COMPOSITE(tensor_split_tensor)
{
    (void)op;
    enum { MOST = 1024 };
    int64_t list[MOST];
    cr_tensor *how = T(1);
    if (!ints_of("tensor_split", how, list, MOST))
        return -1;
    cr_value with[3] = {args[0], {.tag = CR_INT, .as.i = list[0]}, args[2]};
    if (how->dim)
        with[1] = (cr_value){.tag = CR_INT_LIST, .count = how->numel, .as.ints = list};
    return cr_invoke(cr_op_find(how->dim ? "tensor_split.indices" : "tensor_split.sections"), with,
                     r);
}
COMPOSITE(narrow_tensor)
{
    (void)op;
    int64_t start;
    if (T(2)->dim)
        return CR_FAIL_INT("start must be an 0-dim integral Tensor.");
    if (!ints_of("narrow", T(2), &start, 1))
        return -1;
    return cr_give(r, cr_narrow(T(0), INT(1), start, INT(3)));
}
COMPOSITE(where_true)
{
    (void)op;
    cr_tensor *at = cr_nonzero(T(0)->dim ? T(0) : cr_reshape(T(0), CR_INTS(1)));
    if (!at || cr_list_of(r, at->size[1]))
        return -1;
    for (int64_t d = 0; d < at->size[1]; d++)
        if (!(r->list[d] = cr_select(at, 1, d)))
            return -1;
    return 0;
}
COMPOSITE(repeat_interleave_indices)
{
    (void)op;
    cr_tensor *repeats = T(0);
    if (repeats->dim != 1)
        return CR_FAIL_INT("repeat_interleave only accept 1D vector as repeat");
    cr_tensor *all = cr_arange(repeats->numel, .device = cr_tensor_device(repeats));
    return cr_give(r, cr_repeat_interleave_tensor(all, repeats, .dim = CR_SOME(0)));
}
static cr_tensor *tensor_of(cr_ints list, cr_tensor *like)
{
    int64_t count = (int64_t)list.count;
    return cr_tensor_copy_from(list.data, CR_I64, 1, &count, cr_tensor_device(like));
}
COMPOSITE(ctc_loss_ints)
GIVE(cr_ctc_loss(T(0), T(1), tensor_of(L(2), T(0)), tensor_of(L(3), T(0)), .blank = INT(4),
                 .reduction = CR_SOME(INT(5)), .zero_infinity = INT(6)))

/* ---- a tensor in place of a number; scatters that compute ---- */

COMPOSITE(index_fill_tensor)
{
    (void)op;
    cr_tensor *x = T(0), *value = T(3);
    int dim = cr_wrap_dim("index_fill", INT(1), x->dim);
    if (dim < 0)
        return -1;
    if (value->dim)
        return CR_FAIL_INT("index_fill_ only supports a 0-dimensional value tensor, but got tensor "
                           "with %d dimension(s).",
                           value->dim);
    cr_tensor *part = cr_index_select(x, dim, T(2));
    return cr_give(
        r, cr_index_copy(x, dim, T(2), cr_expand_as(cr_to_dtype(value, dtype_of(x)), part)));
}

static cr_tensor *scatter_with(cr_tensor *x, int64_t dim, cr_tensor *index, cr_tensor *source,
                               const char *how)
{
    if (!strcmp(how, "add"))
        return cr_scatter_add(x, dim, index, source);
    if (!strcmp(how, "multiply"))
        return cr_scatter_reduce(x, dim, index, source, "prod");
    return cr_fail("scatter: reduce argument must be either add or multiply, not \"%s\"", how);
}
COMPOSITE(scatter_with)
GIVE(scatter_with(T(0), INT(1), T(2), T(3), args[4].as.s))
COMPOSITE(scatter_value_with)
GIVE(scatter_with(T(0), INT(1), T(2),
                  cr_full(sizes_of_tensor(T(2)), S(3), .dtype = dtype_of(T(0)),
                          .device = cr_tensor_device(T(0))),
                  args[4].as.s))

/* ---- attributes ---- */

/* mT, mH, adjoint: the last two dimensions change places; H is of a matrix alone. Tensors are real. */
COMPOSITE(matrix_transpose)
{
    cr_tensor *x = T(0);
    bool one = !strcmp(op->name, "matrix_H");
    if (one ? x->dim != 2 && x->dim : x->dim == 1)
        return CR_FAIL_INT("tensor.%s is only supported on matrices%s. Got %d-D tensor.",
                           one ? "H" : op->name, one ? " (2-D tensors)" : " or batches of matrices",
                           x->dim);
    return cr_give(r, x->dim ? cr_transpose(x, -2, -1) : cr_alias(x));
}
COMPOSITE(numpy_T)
{
    (void)op;
    cr_tensor *x = T(0);
    int64_t dims[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        dims[d] = x->dim - 1 - d;
    return cr_give(r, cr_permute(x, cr_make_ints(dims, (size_t)x->dim)));
}

/* ---- convolutions ---- */

/* padding "valid", or "same", which makes the output as large as the input; an odd total is padded once more behind. */
COMPOSITE(conv_padding)
{
    int n = op->name[4] - '0';
    cr_tensor *x = T(0), *weight = T(1);
    cr_ints stride = L(3), dilation = L(5);
    const char *how = args[4].as.s;
    bool same = !strcmp(how, "same");
    int64_t before[3] = {0}, more[6] = {0}, any = 0;
    if (!same && strcmp(how, "valid"))
        return CR_FAIL_INT("Invalid padding string: '%s'", how);
    for (int d = 0; same && d < n; d++) {
        if (stride.data[stride.count > 1 ? d : 0] != 1)
            return CR_FAIL_INT("padding='same' is not supported for strided convolutions");
        if (weight->dim != n + 2)
            break; /* for the convolution to refuse */
        int64_t total = dilation.data[dilation.count > 1 ? d : 0] * (weight->size[d + 2] - 1);
        before[d] = total / 2;
        any |= more[2 * (n - 1 - d) + 1] = total % 2;
    }
    if (any)
        x = cr_constant_pad_nd(x, cr_make_ints(more, 2 * (size_t)n), 0);
    if (!x)
        return -1;
    cr_value with[7] = {{.tag = CR_TENSOR, .as.tensor = x},
                        args[1],
                        args[2],
                        args[3],
                        {.tag = CR_INT_LIST, .count = n, .as.ints = before},
                        args[5],
                        args[6]};
    char name[] = "conv1d";
    name[4] = op->name[4];
    return cr_invoke(cr_op_find(name), with, r);
}
/* Over [time, batch, channels], with weights [window, inputs, outputs]. */
COMPOSITE(conv_tbc)
{
    (void)op;
    cr_tensor *x = T(0), *weight = T(1);
    if (x->dim != 3 || weight->dim != 3)
        return CR_FAIL_INT(
            "conv_tbc: input (T, N, C) and weight (k, C, O) must have 3 dims, got %s "
            "and %s",
            cr_describe(x), cr_describe(weight));
    cr_tensor *y =
        cr_f_conv1d(cr_permute(x, CR_INTS(1, 2, 0)), cr_permute(weight, CR_INTS(2, 1, 0)),
                    .bias = T(2), .padding = CR_INTS(INT(3)));
    return cr_give(r, cr_permute(y, CR_INTS(2, 0, 1)));
}
