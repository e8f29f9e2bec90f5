/* The derivative of blocked attention. */
#include "core/autograd/derivatives/derivative.h"

static cr_tensor *turned(cr_tensor *x)
{
    return cr_transpose(x, -1, -2);
}

/* Where the derivative itself is to be differentiated: the formula with all scores, recorded. */
static int recorded(cr_grad_context *c)
{
    cr_tensor *g = cr_g(c, 0), *q = cr_in(c, 0), *k = cr_in(c, 1), *v = cr_in(c, 2),
              *mask = cr_in(c, 3);
    double scale = float_arg(c, 5);
    cr_tensor *scores = cr_matmul(cr_mul_scalar(q, scale), turned(k));
    if (mask)
        scores = cr_tensor_dtype(mask) == CR_B8
                     ? cr_masked_fill_scalar(scores, cr_logical_not(mask), -INFINITY)
                     : cr_add(scores, mask);
    if (scores && int_arg(c, 4)) {
        cr_tensor *later = cr_triu(cr_ones_like(scores, .dtype = CR_B8), .diagonal = 1);
        scores = cr_masked_fill_scalar(scores, later, -INFINITY);
    }
    cr_tensor *weight = cr_softmax(scores, -1), *slope = cr_matmul(g, turned(v)), *dropped = weight;
    if (float_arg(c, 6) > 0) {
        cr_tensor *keep =
            cr_attention_keep(q, k, float_arg(c, 6), scalar_arg(c, 7), scalar_arg(c, 8));
        dropped = cr_mul(weight, keep);
        slope = cr_mul(slope, keep);
    }
    cr_tensor *sums = cr_sum_dim(cr_mul(slope, weight), -1, .keepdim = true);
    slope = cr_mul_scalar(cr_mul(weight, cr_sub(slope, sums)), scale);
    cr_set(c, 0, cr_matmul(slope, k));
    cr_set(c, 1, cr_matmul(turned(slope), q));
    cr_set(c, 2, cr_matmul(turned(dropped), g));
    return 0;
}

DERIVATIVE(blocked_attention, "ScaledDotProductAttentionBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL}, .out_for = {FOR_ALL, FOR_ALL})
{
    if (!cr_g(c, 0))
        return 0;
    if (cr_grad_enabled())
        return recorded(c);
    cr_blocked_attention_backward_result r = cr_blocked_attention_backward(
        cr_g(c, 0), cr_in(c, 0), cr_in(c, 1), cr_in(c, 2), cr_out(c, 0), cr_out(c, 1), cr_in(c, 3),
        int_arg(c, 4), float_arg(c, 5), .dropout_p = float_arg(c, 6), .seed = scalar_arg(c, 7),
        .offset = scalar_arg(c, 8));
    cr_set(c, 0, r.grad_query);
    cr_set(c, 1, r.grad_key);
    cr_set(c, 2, r.grad_value);
    return 0;
}
