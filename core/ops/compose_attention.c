/* Attention: Vaswani et al., 2017. */
#include <math.h>

#include "core/ops/compose.h"
#include "core/ops/invoke.h"

/* scale · q kᵀ with what the mask and causality hide at -∞. The queries are those from `first` on. */
static cr_tensor *scores_of(cr_tensor *q, cr_tensor *k, cr_tensor *mask, bool causal, int64_t first,
                            double scale)
{
    cr_tensor *scores = cr_matmul(cr_mul_scalar(q, scale), cr_transpose(k, -1, -2));
    cr_tensor *hidden = NULL;
    const bool bools = mask && dtype_of(mask) == CR_B8;
    if (causal) {
        cr_tensor *ones = cr_ones(CR_INTS(q->size[q->dim - 2], k->size[k->dim - 2]), .dtype = CR_B8,
                                  .device = cr_tensor_device(q));
        hidden = cr_triu(ones, .diagonal = first + 1);
    }
    if (bools)
        hidden = causal ? cr_logical_or(hidden, cr_logical_not(mask)) : cr_logical_not(mask);
    else if (mask)
        scores = cr_add(scores, mask);
    return causal || bools ? cr_masked_fill_scalar(scores, hidden, -INFINITY) : scores;
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
    if (mask && INT(5) && mask->dim > 1 && mask->size[mask->dim - 2] != 1)
        return CR_FAIL_INT("scaled_dot_product_attention: Explicit attn_mask should not be set "
                           "when is_causal=True, but for one that is the same for all queries, "
                           "[…, 1, keys]; got %s",
                           cr_sizes_text(mask->dim, mask->size));
    double scale = args[6].tag == CR_NONE ? 1 / sqrt((double)q->size[q->dim - 1]) : F(6);
    if (p >= 0 && p < 1 && can_block(q, k, v, mask))
        return cr_give(r, blocked(q, k, v, mask, INT(5), scale, p));
    cr_tensor *weight = cr_softmax(scores_of(q, k, mask, INT(5), 0, scale), -1);
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

/* A part of the queries, and of what there is for each of them. */
typedef struct rows {
    int64_t first, count;
} rows;

static cr_tensor *rows_of(cr_tensor *t, int dim, rows part)
{
    return t && t->size[dim] != part.count ? cr_narrow(t, dim, part.first, part.count) : t;
}

/* How many queries are looked at together, so that not all scores are there at once where they are many: all if they are few, or
 * dropped by numbers that are drawn for all. */
static int64_t rows_at_once(const cr_tensor *q, const cr_tensor *k, double dropout)
{
    enum { MANY = 1 << 18, FEWEST = 16 };
    int64_t each = q->size[0] * q->size[1] * k->size[2], count = each ? MANY / each : q->size[2];
    count = count < FEWEST ? FEWEST : count;
    return dropout > 0 || count > q->size[2] ? q->size[2] : count;
}

static cr_tensor *attended(const cr_value *args, rows part, cr_tensor **logsumexp)
{
    cr_tensor *q = rows_of(T(0), 2, part);
    cr_tensor *scores = scores_of(q, T(1), rows_of(T(3), 2, part), INT(4), part.first, F(5));
    *logsumexp = cr_logsumexp(cr_to_dtype(scores, wide_enough(T(0))), -1);
    return cr_matmul(kept_part(cr_softmax(scores, -1), q, T(1), args, 6), T(2));
}

DECOMPOSE(blocked_attention)
{
    (void)op;
    int64_t length = T(0)->size[2], step = rows_at_once(T(0), T(1), F(6));
    cr_tensor *y, *lse;
    if (step >= length) {
        y = attended(args, (rows){0, length}, &lse);
        return cr_give_two(r, y, lse);
    }
    y = cr_empty(CR_INTS(T(0)->size[0], T(0)->size[1], length, T(2)->size[3]),
                 .dtype = dtype_of(T(0)), .device = cr_tensor_device(T(0)));
    lse = cr_empty(CR_INTS(T(0)->size[0], T(0)->size[1], length), .dtype = wide_enough(T(0)),
                   .device = cr_tensor_device(T(0)));
    bool good = y && lse;
    for (int64_t first = 0; first < length && good; first += step)
        CR_SCOPE {
            rows part = {first, first + step < length ? step : length - first};
            cr_tensor *some, *all = attended(args, part, &some);
            good = cr_copy_(cr_narrow(y, 2, first, part.count), all) &&
                   cr_copy_(cr_narrow(lse, 2, first, part.count), some);
        }
    return good ? cr_give_two(r, y, lse) : -1;
}

/* The gradients from a part of the queries: theirs, and what they add to keys' and values'. */
static bool differentiate(const cr_value *args, rows part, cr_tensor *grads[3])
{
    cr_tensor *g = rows_of(T(0), 2, part), *q = rows_of(T(1), 2, part), *k = T(2), *v = T(3);
    cr_tensor *y = rows_of(T(4), 2, part), *lse = rows_of(T(5), 2, part);
    double scale = F(8);
    cr_tensor *scores = scores_of(q, k, rows_of(T(6), 2, part), INT(7), part.first, scale);
    cr_tensor *weight =
        cr_exp_(cr_sub_(cr_to_dtype(scores, wide_enough(q)), cr_unsqueeze(lse, -1)));
    weight = cr_to_dtype(weight, dtype_of(q));
    cr_tensor *sums = cr_sum_dim(cr_mul(g, y), -1, .keepdim = true);
    cr_tensor *slope = kept_part(cr_matmul(g, cr_transpose(v, -1, -2)), q, k, args, 9);
    slope = cr_mul_scalar_(cr_mul_(cr_sub_(slope, sums), weight), scale);
    weight = kept_part(weight, q, k, args, 9);
    grads[0] = cr_matmul(slope, k);
    grads[1] = cr_matmul(cr_transpose(slope, -1, -2), q);
    grads[2] = cr_matmul(cr_transpose(weight, -1, -2), g);
    return grads[0] && grads[1] && grads[2];
}

DECOMPOSE(blocked_attention_backward)
{
    (void)op;
    int64_t length = T(1)->size[2], step = rows_at_once(T(1), T(2), F(9));
    cr_tensor *sums[3], *grads[3];
    if (step >= length)
        return differentiate(args, (rows){0, length}, grads)
                   ? cr_give_three(r, grads[0], grads[1], grads[2], true)
                   : -1;
    bool good = true;
    for (int i = 0; i < 3; i++) {
        sums[i] = cr_zeros_like(T(1 + i));
        good = good && sums[i];
    }
    for (int64_t first = 0; first < length && good; first += step)
        CR_SCOPE {
            rows part = {first, first + step < length ? step : length - first};
            good = differentiate(args, part, grads) &&
                   cr_copy_(cr_narrow(sums[0], 2, first, part.count), grads[0]) &&
                   cr_add_(sums[1], grads[1]) && cr_add_(sums[2], grads[2]);
        }
    return good ? cr_give_three(r, sums[0], sums[1], sums[2], true) : -1;
}
