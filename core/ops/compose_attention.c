/* Attention: Vaswani et al., 2017. */
#include <math.h>

#include "core/ops/compose.h"
#include "core/ops/invoke.h"

/* scale · q kᵀ with what the mask and causality hide at -∞. */
static cr_tensor *scores_of(cr_tensor *q, cr_tensor *k, cr_tensor *mask, bool causal, double scale)
{
    cr_tensor *scores = cr_matmul(cr_mul_scalar(q, scale), cr_transpose(k, -1, -2));
    if (causal) {
        cr_tensor *ones = cr_ones(CR_INTS(q->size[q->dim - 2], k->size[k->dim - 2]), .dtype = CR_B8,
                                  .device = cr_tensor_device(q));
        return cr_masked_fill_scalar(scores, cr_triu(ones, .diagonal = 1), -INFINITY);
    }
    if (!mask)
        return scores;
    return dtype_of(mask) == CR_B8 ? cr_masked_fill_scalar(scores, cr_logical_not(mask), -INFINITY)
                                   : cr_add(scores, mask);
}

/* Whether the blocked form says the same: all of one float type, batches that agree and need no broadcasting, a mask without
 * a gradient. */
static bool can_block(cr_tensor *q, cr_tensor *k, cr_tensor *v, cr_tensor *mask)
{
    if ((q->dim != 3 && q->dim != 4) || k->dim != q->dim || v->dim != q->dim || !is_float(q) ||
        dtype_of(k) != dtype_of(q) || dtype_of(v) != dtype_of(q) || !q->numel || !k->numel ||
        !v->numel)
        return false;
    for (int d = 0; d < q->dim - 2; d++)
        if (k->size[d] != q->size[d] || v->size[d] != q->size[d])
            return false;
    return !mask || (mask->dim <= q->dim && !(cr_grad_enabled() && cr_requires_grad(mask)) &&
                     (dtype_of(mask) == CR_B8 || dtype_of(mask) == dtype_of(q)));
}

static cr_tensor *blocked(cr_tensor *q, cr_tensor *k, cr_tensor *v, cr_tensor *mask, bool causal,
                          double scale, double p)
{
    uint64_t seed = 0, offset = 0;
    bool more = q->dim == 3;
    if (more) {
        q = cr_unsqueeze(q, 0);
        k = cr_unsqueeze(k, 0);
        v = cr_unsqueeze(v, 0);
    }
    if (mask && q && k &&
        !(mask = cr_expand(mask, CR_INTS(q->size[0], q->size[1], q->size[2], k->size[2]))))
        return NULL;
    if (p > 0 && q && k) /* one number for each score */
        cr_generator_take((uint64_t)(q->numel / q->size[3] * k->size[2] + 3) / 4, &seed, &offset);
    cr_tensor *y = cr_blocked_attention(q, k, v, mask, causal, scale, .dropout_p = p,
                                        .seed = cr_int_scalar((int64_t)seed),
                                        .offset = cr_int_scalar((int64_t)offset))
                       .output;
    return more ? cr_squeeze_dim(y, 0) : y;
}

COMPOSITE(scaled_dot_product_attention)
{
    (void)op;
    cr_tensor *q = T(0), *k = T(1), *v = T(2), *mask = T(3);
    double p = F(4);
    if (q->dim < 2 || k->dim < 2 || v->dim < 2)
        return CR_FAIL_INT("scaled_dot_product_attention: query, key and value need at least 2 "
                           "dimensions, got %s, %s and %s",
                           cr_sizes_text(q->dim, q->size), cr_sizes_text(k->dim, k->size),
                           cr_sizes_text(v->dim, v->size));
    if (mask && INT(5))
        return CR_FAIL_INT("scaled_dot_product_attention: Explicit attn_mask should not be set "
                           "when is_causal=True");
    double scale = args[6].tag == CR_NONE ? 1 / sqrt((double)q->size[q->dim - 1]) : F(6);
    if (p >= 0 && p < 1 && can_block(q, k, v, mask))
        return cr_give(r, blocked(q, k, v, mask, INT(5), scale, p));
    cr_tensor *weight = cr_softmax(scores_of(q, k, mask, INT(5), scale), -1);
    if (p > 0)
        weight = cr_f_dropout(weight, p, true);
    return cr_give(r, cr_matmul(weight, v));
}

/* ---- below autograd ---- */

static cr_dtype wide_enough(cr_tensor *t)
{
    return dtype_of(t) == CR_F64 ? CR_F64 : CR_F32;
}

/* The numbers are those of a uniform f32 tensor of the scores' sizes, drawn with this seed and offset. */
COMPOSITE(attention_keep)
{
    (void)op;
    cr_tensor *q = T(0), *k = T(1);
    double p = F(2);
    uint64_t state[2] = {(uint64_t)INT(3), (uint64_t)INT(4)};
    if (q->dim != 4 || k->dim != 4)
        return CR_FAIL_INT("_attention_keep: query and key need 4 dimensions");
    cr_generator_borrow(state);
    cr_tensor *drawn = cr_rand(CR_INTS(q->size[0], q->size[1], q->size[2], k->size[2]),
                               .dtype = CR_F32, .device = cr_tensor_device(q));
    cr_generator_borrow(NULL);
    return cr_give(r, cr_mul_scalar(cr_to_dtype(cr_ge_scalar(drawn, p), dtype_of(q)), 1 / (1 - p)));
}

/* The weights as they were dropped, at arguments i: dropout_p, seed, offset. */
static cr_tensor *kept_part(cr_tensor *weight, cr_tensor *q, cr_tensor *k, const cr_value *args,
                            int i)
{
    return F(i) == 0 ? weight : cr_mul(weight, cr_attention_keep(q, k, F(i), S(i + 1), S(i + 2)));
}

DECOMPOSE(blocked_attention)
{
    (void)op;
    cr_tensor *scores = scores_of(T(0), T(1), T(3), INT(4), F(5));
    cr_tensor *y = cr_matmul(kept_part(cr_softmax(scores, -1), T(0), T(1), args, 6), T(2));
    return cr_give_two(r, y, cr_logsumexp(cr_to_dtype(scores, wide_enough(T(0))), -1));
}

DECOMPOSE(blocked_attention_backward)
{
    (void)op;
    cr_tensor *g = T(0), *q = T(1), *k = T(2), *v = T(3), *y = T(4), *lse = T(5);
    double scale = F(8);
    cr_dtype wide = wide_enough(q);
    cr_tensor *scores = cr_to_dtype(scores_of(q, k, T(6), INT(7), scale), wide);
    cr_tensor *weight = cr_to_dtype(cr_exp(cr_sub(scores, cr_unsqueeze(lse, -1))), dtype_of(q));
    cr_tensor *sums = cr_sum_dim(cr_mul(g, y), -1, .keepdim = true);
    cr_tensor *slope = kept_part(cr_matmul(g, cr_transpose(v, -1, -2)), q, k, args, 9);
    slope = cr_mul_scalar(cr_mul(weight, cr_sub(slope, sums)), scale);
    weight = kept_part(weight, q, k, args, 9);
    return cr_give_three(r, cr_matmul(slope, k), cr_matmul(cr_transpose(slope, -1, -2), q),
                         cr_matmul(cr_transpose(weight, -1, -2), g), true);
}
