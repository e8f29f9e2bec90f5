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
    {"concatenate", "cat"},
    {"native_channel_shuffle", "channel_shuffle"},
    {"clip.Tensor", "clamp.Tensor"},
    {"divide.Scalar", "div.Scalar"},
    {"divide.Tensor_mode", "div.Tensor_mode"},
    {"divide.Scalar_mode", "div.Scalar_mode"},
    {"true_divide.Scalar", "div.Scalar"},
    {"multiply.Scalar", "mul.Scalar"},
    {"subtract.Scalar", "sub.Scalar"},
    {"greater.Scalar", "gt.Scalar"},
    {"greater_equal.Scalar", "ge.Scalar"},
    {"less.Scalar", "lt.Scalar"},
    {"less_equal.Scalar", "le.Scalar"},
    {"not_equal.Scalar", "ne.Scalar"},
    {"split.sizes", "split_with_sizes"},
    {"special_digamma", "digamma"},
    {"special_psi", "digamma"},
    {"special_erf", "erf"},
    {"special_erfc", "erfc"},
    {"special_erfinv", "erfinv"},
    {"special_exp2", "exp2"},
    {"special_expit", "sigmoid"},
    {"special_expm1", "expm1"},
    {"special_gammaln", "lgamma"},
    {"special_i0", "i0"},
    {"special_log1p", "log1p"},
    {"special_sinc", "sinc"},
    {"special_gammainc", "igamma"},
    {"special_gammaincc", "igammac"},
    {"special_logit", "logit"},
    {"special_multigammaln", "mvlgamma"},
    {"special_polygamma", "polygamma"},
    {"special_xlogy", "xlogy.Tensor"},
    {"special_round", "round.decimals"},
    {"special_logsumexp", "logsumexp"},
    {"special_log_softmax", "log_softmax.int"},
    {"special_softmax", "softmax.int"},
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
COMPOSITE(argwhere)
GIVE(cr_nonzero(T(0)))
COMPOSITE(isposinf)
GIVE(cr_logical_and(cr_isinf(T(0)), cr_gt_scalar(T(0), 0)))
COMPOSITE(isneginf)
GIVE(cr_logical_and(cr_isinf(T(0)), cr_lt_scalar(T(0), 0)))
COMPOSITE(float_power)
GIVE(cr_pow(cr_to_dtype(T(0), CR_F64), cr_to_dtype(T(1), CR_F64)))
COMPOSITE(ldexp)
GIVE(cr_mul(T(0), cr_exp2(T(1))))
COMPOSITE(diagflat)
GIVE(cr_diag(cr_reshape(T(0), CR_INTS(-1)), .diagonal = INT(1)))
COMPOSITE(new_ones)
GIVE(cr_new_full(T(0), L(1), 1))
COMPOSITE(type_as)
GIVE(cr_to_dtype(T(0), dtype_of(T(1))))
