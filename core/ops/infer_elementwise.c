/* Inference of elementwise operations: which dtype they compute in, and which one comes out. */
#include "core/ops/functions.h"

#include <string.h>

/* Integers become the default float; bool too. */
static cr_dtype floating(cr_dtype dtype)
{
    return cr_dtype_is_floating(dtype) ? dtype : cr_default_dtype();
}

static cr_dtype first_dtype(const cr_frame *f)
{
    return (cr_dtype)f->in[0]->dtype;
}

/* ---- one input ---- */

bool cr_infer_unary(cr_frame *f)
{
    if (first_dtype(f) == CR_B8 && strcmp(f->op->name, "sign"))
        return cr_frame_fail(f, "Boolean inputs are not supported");
    f->no_plan = first_dtype(f) == CR_B8;
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

bool cr_infer_unary_signed(cr_frame *f)
{
    if (first_dtype(f) == CR_B8)
        return cr_frame_fail(f, "Negation, the `-` operator, on a bool tensor is not supported. If "
                                "you are trying to invert a "
                                "mask, use logical_not");
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

bool cr_infer_unary_number(cr_frame *f)
{
    if (first_dtype(f) == CR_B8)
        return cr_frame_fail(f, "Boolean inputs not supported");
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

/* Rounding leaves integers as they are. */
bool cr_infer_unary_round(cr_frame *f)
{
    if (first_dtype(f) == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    f->no_plan = !cr_dtype_is_floating(first_dtype(f));
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

bool cr_infer_unary_float(cr_frame *f)
{
    cr_dtype dtype = floating(first_dtype(f));
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_unary_needs_float(cr_frame *f)
{
    if (!cr_dtype_is_floating(first_dtype(f)))
        return cr_frame_fail(f, "needs a floating-point tensor, not %s",
                             cr_dtype_name(first_dtype(f)));
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

bool cr_infer_unary_int(cr_frame *f)
{
    if (cr_dtype_is_floating(first_dtype(f)))
        return cr_frame_fail(f, "needs an integer or bool tensor, not %s",
                             cr_dtype_name(first_dtype(f)));
    return cr_frame_elementwise(f, first_dtype(f), first_dtype(f));
}

bool cr_infer_unary_bool(cr_frame *f)
{
    return cr_frame_elementwise(f, first_dtype(f), CR_B8);
}

/* ---- two inputs, or one and a number ---- */

bool cr_infer_binary(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    const char *name = f->op->name;
    if (dtype == CR_B8 &&
        (!strncmp(name, "pow", 3) || !strncmp(name, "fmod", 4) || !strncmp(name, "remainder", 9)))
        return cr_frame_fail(f, "not implemented for 'bool'");
    if (!strcmp(name, "pow.Tensor_Scalar") && !cr_dtype_is_floating(dtype) &&
        f->args[1].tag == CR_INT && f->args[1].as.i < 0)
        return cr_frame_fail(f, "Integers to negative integer powers are not allowed.");
    if (!strncmp(name, "add", 3)) {
        const cr_value *alpha = &f->args[2];
        if (alpha->tag == CR_FLOAT && !cr_dtype_is_floating(dtype))
            return cr_frame_fail(
                f,
                "For integral input tensors, argument alpha must not be a floating point number.");
    }
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_binary_signed(cr_frame *f)
{
    bool mask = f->in[0]->dtype == CR_B8 || (f->nin > 1 && f->in[1]->dtype == CR_B8) ||
                f->args[1].tag == CR_BOOL;
    if (cr_frame_result_type(f) != CR_B8 && mask)
        return cr_frame_fail(f, "Subtraction, the `-` operator, with a bool tensor is not "
                                "supported. If you are trying to invert a "
                                "mask, use the `~` or `logical_not()` operator instead.");
    if (mask)
        return cr_frame_fail(f, "Subtraction, the `-` operator, with two bool tensors is not "
                                "supported. Use bitwise_xor or "
                                "logical_xor instead");
    cr_dtype dtype = cr_frame_result_type(f);
    if (f->args[2].tag == CR_FLOAT && !cr_dtype_is_floating(dtype))
        return cr_frame_fail(
            f, "For integral input tensors, argument alpha must not be a floating point number.");
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_binary_float(cr_frame *f)
{
    cr_dtype dtype = floating(cr_frame_result_type(f));
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_binary_div_mode(cr_frame *f)
{
    const cr_value *mode = &f->args[2];
    if (mode->tag == CR_NONE) {
        f->no_plan = true; /* it is div */
        return cr_infer_binary_float(f);
    }
    if (strcmp(mode->as.s, "trunc") && strcmp(mode->as.s, "floor"))
        return cr_frame_fail(
            f, "expected rounding_mode to be one of None, 'trunc', or 'floor' but found '%s'",
            mode->as.s);
    cr_dtype dtype = cr_frame_result_type(f);
    if (dtype == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_binary_bool(cr_frame *f)
{
    return cr_frame_elementwise(f, cr_frame_result_type(f), CR_B8);
}

bool cr_infer_binary_int(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    if (cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "needs integer or bool tensors, not %s", cr_dtype_name(dtype));
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_binary_shift(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    if (cr_kind_of(dtype) != CR_KIND_INT)
        return cr_frame_fail(f, "needs integer tensors, not %s", cr_dtype_name(dtype));
    return cr_frame_elementwise(f, dtype, dtype);
}

/* ---- three ---- */

bool cr_infer_where(cr_frame *f)
{
    if (f->in[0]->dtype != CR_B8 && f->in[0]->dtype != CR_U8)
        return cr_frame_fail(
            f, "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
            cr_dtype_name((cr_dtype)f->in[0]->dtype));
    cr_frame values = *f;
    values.in = f->in + 1;
    values.nin = 2;
    cr_dtype dtype = cr_frame_result_type(&values);
    if (!cr_frame_elementwise(f, dtype, dtype))
        return false;
    f->cast[0] = f->in[0]->dtype == CR_B8 ? 0 : CR_B8;
    f->like_inputs = false;
    return true;
}

bool cr_infer_clamp(cr_frame *f)
{
    if (f->op->schema->nargs == 3) {
        for (int a = 1; a <= 2; a++) {
            cr_frame_attr_drop(f, f->op->schema->args[a].name);
            if (f->args[a].tag != CR_NONE)
                cr_frame_attr_int(f, f->op->schema->args[a].name, 1);
        }
        if (f->args[1].tag == CR_NONE && f->args[2].tag == CR_NONE)
            return cr_frame_fail(f, "At least one of 'min' or 'max' must not be None");
    }
    cr_dtype dtype = cr_frame_result_type(f);
    if (dtype == CR_B8)
        return cr_frame_fail(f, "not implemented for 'bool'");
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_ternary(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    if (!strncmp(f->op->name, "addcdiv", 7) && !cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "Integer division with addcdiv is not supported");
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_lerp(cr_frame *f)
{
    cr_dtype dtype = first_dtype(f);
    if (f->in[1]->dtype != dtype)
        return cr_frame_fail(f, "expected dtype %s for `end` but got dtype %s",
                             cr_dtype_name(dtype), cr_dtype_name((cr_dtype)f->in[1]->dtype));
    if (!cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "needs floating-point tensors, not %s", cr_dtype_name(dtype));
    return cr_frame_elementwise(f, dtype, dtype);
}

bool cr_infer_masked_fill(cr_frame *f)
{
    if (f->in[1]->dtype != CR_B8)
        return cr_frame_fail(f,
                             "masked_fill only supports boolean masks, but got mask with dtype %s",
                             cr_dtype_name((cr_dtype)f->in[1]->dtype));
    cr_dtype dtype = first_dtype(f);
    if (f->args[2].tag == CR_FLOAT && !cr_dtype_is_floating(dtype))
        return cr_frame_fail(f, "value cannot be converted to type %s without overflow",
                             cr_dtype_name(dtype));
    if (!cr_frame_elementwise(f, dtype, dtype))
        return false;
    f->cast[1] = 0;
    f->like_inputs = false;
    return true;
}

/* A backward formula: sizes agree already. */
bool cr_infer_same_sizes(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    return cr_frame_elementwise(f, dtype, dtype);
}

/* ---- losses ---- */

static bool loss_sizes(cr_frame *f, const cr_tensor *self, const cr_tensor *target)
{
    if (!strncmp(f->op->name, "binary_cross_entropy", 20)) {
        bool same = self->dim == target->dim &&
                    !memcmp(self->size, target->size, (size_t)self->dim * sizeof *self->size);
        if (!same && strstr(f->op->name, "logits"))
            return cr_frame_fail(f, "Target size (%s) must be the same as input size (%s)",
                                 cr_sizes_text(target->dim, target->size),
                                 cr_sizes_text(self->dim, self->size));
        if (!same)
            return cr_frame_fail(f,
                                 "Using a target size (%s) that is different to the input size "
                                 "(%s) is not supported. "
                                 "Please ensure they have the same size.",
                                 cr_sizes_text(target->dim, target->size),
                                 cr_sizes_text(self->dim, self->size));
    }
    return true;
}

bool cr_infer_loss(cr_frame *f)
{
    int64_t reduction = f->args[f->op->schema->nargs - 1].as.i;
    if (reduction < 0 || reduction > 2)
        return cr_frame_fail(f, "reduction %lld is not 0 (none), 1 (mean) or 2 (sum)",
                             (long long)reduction);
    cr_dtype dtype = cr_frame_result_type(f);
    if (!loss_sizes(f, f->in[0], f->in[1]) || !cr_frame_elementwise(f, dtype, dtype))
        return false;
    f->inplace_ok = false;
    if (reduction) {
        f->like_inputs = false;
        /* The loss is reduced from the common sizes: inputs of other sizes must be expanded first.
         */
        for (uint32_t i = 0; i < f->nin; i++)
            if (f->in[i] && (f->in[i]->dim != f->out[0].rank ||
                             memcmp(f->in[i]->size, f->out[0].size,
                                    (size_t)f->in[i]->dim * sizeof *f->in[i]->size)))
                return cr_frame_out(f, 0, dtype, 0, NULL) &&
                       (memset(f->expand, 0, f->nin), f->no_plan = true);
        memset(f->expand, 0, f->nin);
        return cr_frame_out(f, 0, dtype, 0, NULL);
    }
    return true;
}

bool cr_infer_loss_backward(cr_frame *f)
{
    cr_dtype dtype = cr_frame_result_type(f);
    if (!cr_frame_elementwise(f, dtype, dtype))
        return false;
    f->inplace_ok = f->like_inputs = false;
    return true;
}
