/* Losses said with simpler operations, so that their derivatives follow. reduction: 0 none, 1 mean, 2 sum. */
#include <stdio.h>
#include <math.h>

#include "core/ops/compose.h"

static cr_tensor *reduced(cr_tensor *loss, int64_t reduction)
{
    return reduction == 1 ? cr_mean(loss) : reduction == 2 ? cr_sum(loss) : loss;
}

/* Whether two tensors' sizes fit each other, with an error in the name of the loss if not. */
static bool fit(const cr_op *op, const char *names, const cr_tensor *a, const cr_tensor *b)
{
    if (!a || !b)
        return false;
    for (int i = 1; i <= a->dim && i <= b->dim; i++) {
        int64_t x = a->size[a->dim - i], y = b->size[b->dim - i];
        if (x == y || x == 1 || y == 1)
            continue;
        cr_fail("%s: the sizes of %s must match, got %s and %s", op->name, names,
                cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size));
        return false;
    }
    return true;
}

/* Whether three tensors have the same rank, as PyTorch asks of some losses. */
static bool same_rank(const cr_op *op, const cr_tensor *a, const cr_tensor *b, const cr_tensor *c)
{
    if (a->dim == b->dim && b->dim == c->dim)
        return true;
    cr_fail("%s: all inputs should have the same number of dimensions, got %s, %s and %s", op->name,
            cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size),
            cr_sizes_text(c->dim, c->size));
    return false;
}

/* Girshick, 2015: quadratic nearer than beta. */
static cr_tensor *smooth(cr_tensor *x, cr_tensor *y, double near, double scale)
{
    cr_tensor *away = cr_sub(x, y), *size = cr_abs(away);
    cr_tensor *inner = cr_mul_scalar(cr_square(away), 0.5 * scale),
              *outer = cr_mul_scalar(cr_sub_scalar(size, 0.5 * near), scale * near);
    return cr_where(cr_lt_scalar(size, near), inner, outer);
}
COMPOSITE(smooth_l1_loss)
{
    double beta = F(3);
    if (beta < 0)
        return CR_FAIL_INT("smooth_l1_loss does not support negative values for beta.");
    if (!fit(op, "input and target", T(0), T(1)))
        return -1;
    if (beta == 0)
        return cr_give(r, cr_l1_loss(T(0), T(1), .reduction = CR_SOME(INT(2))));
    return cr_give(r, reduced(smooth(T(0), T(1), beta, 1 / beta), INT(2)));
}
COMPOSITE(huber_loss)
{
    double delta = F(3);
    if (!(delta > 0))
        return CR_FAIL_INT("huber_loss does not support non-positive values for delta.");
    if (!fit(op, "input and target", T(0), T(1)))
        return -1;
    return cr_give(r, reduced(smooth(T(0), T(1), delta, 1), INT(2)));
}

COMPOSITE(kl_div)
{
    cr_tensor *x = T(0), *t = T(1);
    if (!fit(op, "input and target", x, t))
        return -1;
    cr_tensor *loss =
        INT(3) ? cr_mul(cr_exp(t), cr_sub(t, x)) : cr_sub(cr_xlogy(t, t), cr_mul(t, x));
    return cr_give(r, reduced(loss, INT(2)));
}

/* Stirling's approximation of log t! is added when full. */
COMPOSITE(poisson_nll_loss)
{
    cr_tensor *x = T(0), *t = T(1);
    if (!fit(op, "input and target", x, t))
        return -1;
    cr_tensor *loss = INT(2) ? cr_sub(cr_exp(x), cr_mul(t, x))
                             : cr_sub(x, cr_mul(t, cr_log(cr_add_scalar(x, F(4)))));
    if (INT(3)) {
        cr_tensor *log_factorial = cr_add(cr_sub(cr_mul(t, cr_log(t)), t),
                                          cr_mul_scalar(cr_log(cr_mul_scalar(t, 2 * M_PI)), 0.5));
        loss = cr_add(loss, cr_masked_fill_scalar(log_factorial, cr_le_scalar(t, 1), 0));
    }
    return cr_give(r, reduced(loss, INT(5)));
}

/* As PyTorch has it: the input's sizes, or these with the last one left out or 1; nothing negative. */
static bool same_variance(const cr_op *op, const cr_tensor *x, cr_tensor *variance)
{
    int rank = variance->dim < x->dim ? x->dim - 1 : x->dim;
    size_t leading = (size_t)(rank ? rank - 1 : 0) * sizeof *x->size;
    int64_t last = rank && variance->dim == rank ? variance->size[rank - 1] : 1;
    bool same = variance->dim == rank && !memcmp(variance->size, x->size, leading) &&
                (!rank || last == x->size[rank - 1] || (rank == x->dim && last == 1));
    if (!same) {
        cr_fail("%s: var is of incorrect size: %s for an input %s", op->name,
                cr_sizes_text(variance->dim, variance->size), cr_sizes_text(x->dim, x->size));
        return false;
    }
    if (variance->numel && cr_item_int(cr_any(cr_lt_scalar(cr_detach(variance), 0)))) {
        cr_fail("%s: var has negative entry/entries", op->name);
        return false;
    }
    return !cr_error();
}

COMPOSITE(gaussian_nll_loss)
{
    cr_tensor *x = T(0), *t = T(1), *variance = T(2);
    if (!fit(op, "input and target", x, t) || !same_variance(op, x, variance))
        return -1;
    if (variance->dim == x->dim - 1 &&
        !memcmp(variance->size, x->size, (size_t)variance->dim * sizeof *x->size))
        variance = cr_unsqueeze(variance, -1);
    variance = cr_add(variance, cr_detach(cr_sub(cr_clamp_min(variance, F(4)), variance)));
    cr_tensor *loss =
        cr_mul_scalar(cr_add(cr_log(variance), cr_div(cr_square(cr_sub(x, t)), variance)), 0.5);
    return cr_give(r, reduced(INT(3) ? cr_add_scalar(loss, 0.5 * log(2 * M_PI)) : loss, INT(5)));
}

COMPOSITE(hinge_embedding_loss)
{
    cr_tensor *x = T(0), *t = T(1);
    if (!fit(op, "input and target", x, t))
        return -1;
    cr_tensor *apart =
        cr_where_scalar_other(cr_ne_scalar(t, 1), cr_clamp_min(cr_rsub_scalar(x, F(2)), 0), 0);
    cr_tensor *near = cr_where_scalar_other(cr_ne_scalar(t, -1), x, 0);
    return cr_give(r, reduced(cr_add(apart, near), INT(3)));
}

COMPOSITE(margin_ranking_loss)
{
    if (!same_rank(op, T(0), T(1), T(2)) || !fit(op, "input1 and input2", T(0), T(1)) ||
        !fit(op, "inputs and target", T(0), T(2)))
        return -1;
    cr_tensor *away = cr_mul(cr_neg(T(2)), cr_sub(T(0), T(1)));
    return cr_give(r, reduced(cr_clamp_min(cr_add_scalar(away, F(3)), 0), INT(4)));
}

COMPOSITE(cosine_embedding_loss)
{
    cr_tensor *a = T(0), *b = T(1), *t = T(2);
    if ((t->dim != 0 || a->dim != 1) && (t->dim != 1 || a->dim != 2))
        return CR_FAIL_INT(
            "0D or 1D target tensor expected for inputs of 1 or 2 dimensions, got %s",
            cr_describe(t));
    if (!fit(op, "input1 and input2", a, b) ||
        (t->dim && !fit(op, "inputs' rows and target", cr_select(a, 1, 0), t)))
        return -1;
    cr_tensor *norms = cr_mul(cr_add_scalar(cr_sum_dim(cr_square(a), -1), 1e-12),
                              cr_add_scalar(cr_sum_dim(cr_square(b), -1), 1e-12));
    cr_tensor *cosine = cr_div(cr_sum_dim(cr_mul(a, b), -1), cr_sqrt(norms));
    cr_tensor *near = cr_where_scalar_other(cr_eq_scalar(t, 1), cr_rsub_scalar(cosine, 1), 0);
    cr_tensor *apart =
        cr_where_scalar_other(cr_eq_scalar(t, -1), cr_clamp_min(cr_sub_scalar(cosine, F(3)), 0), 0);
    return cr_give(r, reduced(cr_add(near, apart), INT(4)));
}

COMPOSITE(triplet_margin_loss)
{
    cr_tensor *anchor = T(0), *positive = T(1), *negative = T(2);
    if (!same_rank(op, anchor, positive, negative) ||
        !fit(op, "anchor and positive", anchor, positive) ||
        !fit(op, "anchor and negative", anchor, negative))
        return -1;
    cr_tensor *near =
        cr_pairwise_distance(anchor, positive, .p = CR_SOME(F(4)), .eps = CR_SOME(F(5)));
    cr_tensor *apart =
        cr_pairwise_distance(anchor, negative, .p = CR_SOME(F(4)), .eps = CR_SOME(F(5)));
    if (INT(6))
        apart = cr_minimum(apart, cr_pairwise_distance(positive, negative, .p = CR_SOME(F(4)),
                                                       .eps = CR_SOME(F(5))));
    return cr_give(r, reduced(cr_clamp_min(cr_add_scalar(cr_sub(near, apart), F(3)), 0), INT(7)));
}

COMPOSITE(soft_margin_loss)
{
    if (!fit(op, "input and target", T(0), T(1)))
        return -1;
    return cr_give(r, reduced(cr_log1p(cr_exp(cr_mul(cr_neg(T(1)), T(0)))), INT(2)));
}

/* Of [n, c] or [c] and the right class of each row. */
COMPOSITE_OF_INDICES(multi_margin_loss, "multi_margin_loss: target out of range")
{
    cr_tensor *x = T(0), *t = T(1), *weight = T(4);
    double p = F(2), margin = F(3);
    if (p != 1 && p != 2)
        return CR_FAIL_INT("only p == 1 and p == 2 supported");
    if (x->dim > 2 || t->dim > 1 || t->numel != (x->dim < 2 ? 1 : x->size[0]))
        return CR_FAIL_INT(
            "%s: inconsistent target size: expected a class for each row of %s, got %s", op->name,
            cr_sizes_text(x->dim, x->size), cr_describe(t));
    bool single = x->dim < 2;
    if (single) {
        x = cr_reshape(x, CR_INTS(1, -1));
        t = cr_reshape(t, CR_INTS(1));
    }
    cr_tensor *at = cr_unsqueeze(t, 1), *right = cr_gather(x, 1, at);
    if (!right)
        return -1;
    cr_tensor *away = cr_clamp_min(cr_add_scalar(cr_sub(x, right), margin), 0);
    away = p == 2 ? cr_square(away) : away;
    if (weight)
        away = cr_mul(away, cr_unsqueeze(cr_index_select(weight, 0, t), 1));
    away = cr_mul(away, cr_scatter_value(cr_ones_like(cr_detach(x)), 1, at, 0));
    cr_tensor *loss = cr_div_scalar(cr_sum_dim(away, 1), (double)x->size[1]);
    return cr_give(r, reduced(single && !INT(5) ? cr_reshape(loss, CR_EMPTY) : loss, INT(5)));
}

/* The target's classes up to the first -1 are the right ones. */
COMPOSITE_OF_INDICES(multilabel_margin_loss, "multilabel_margin_loss: target out of range")
{
    cr_tensor *x = T(0), *t = T(1);
    bool single = x->dim < 2;
    if (t->dim != x->dim || memcmp(t->size, x->size, (size_t)x->dim * sizeof *x->size))
        return CR_FAIL_INT("multilabel_margin_loss: inconsistent target size: %s for size: %s",
                           cr_sizes_text(t->dim, t->size), cr_sizes_text(x->dim, x->size));
    if (x->dim > 2)
        return CR_FAIL_INT("Expected a vector or matrix, but got %s", cr_describe(x));
    int64_t n = single ? 1 : x->size[0], c = x->dim ? x->size[x->dim - 1] : 1;
    x = cr_reshape(x, CR_INTS(n, c));
    t = cr_reshape(t, CR_INTS(n, c));
    cr_tensor *ended = cr_cummax(cr_to_dtype(cr_lt_scalar(t, 0), CR_I64), 1).values;
    cr_tensor *counts = cr_eq_scalar(ended, 0),
              *at = cr_masked_fill_scalar(t, cr_eq_scalar(t, -1), 0); /* below -1: out of bounds */
    cr_tensor *zero = cr_zeros(CR_INTS(n, c), .dtype = CR_I64, .device = cr_tensor_device(x));
    cr_tensor *right = cr_gt_scalar(cr_scatter_add(zero, 1, at, cr_to_dtype(counts, CR_I64)), 0);
    if (!right)
        return -1;
    cr_tensor *chosen = cr_unsqueeze(cr_gather(x, 1, at), 2);
    cr_tensor *away = cr_clamp_min(cr_add_scalar(cr_sub(cr_unsqueeze(x, 1), chosen), 1), 0);
    cr_tensor *pairs =
        cr_logical_and(cr_unsqueeze(counts, 2), cr_unsqueeze(cr_logical_not(right), 1));
    cr_tensor *loss =
        cr_div_scalar(cr_sum_dim(cr_where_scalar_other(pairs, away, 0), CR_INTS(1, 2)), (double)c);
    return cr_give(r, reduced(single && !INT(2) ? cr_reshape(loss, CR_EMPTY) : loss, INT(2)));
}

COMPOSITE(multilabel_soft_margin_loss)
{
    cr_tensor *x = T(0), *t = T(1), *weight = T(2);
    if (!fit(op, "input and target", x, t) || (weight && !fit(op, "input and weight", x, weight)))
        return -1;
    cr_tensor *loss = cr_neg(cr_add(cr_mul(t, cr_log_sigmoid(x)),
                                    cr_mul(cr_rsub_scalar(t, 1), cr_log_sigmoid(cr_neg(x)))));
    if (weight)
        loss = cr_mul(loss, weight);
    return cr_give(r, reduced(cr_mean_dim(loss, -1), INT(3)));
}

/* ---- connectionist temporal classification: Graves et al., 2006 ---- */

/* log(e^a + e^b), in which -inf stands for nothing and gives no gradient. */
static cr_tensor *log_sum(cr_tensor *a, cr_tensor *b)
{
    cr_tensor *most = cr_detach(cr_maximum(a, b)), *none = cr_eq_scalar(most, -INFINITY);
    cr_tensor *safe = cr_masked_fill_scalar(most, none, 0);
    cr_tensor *sum = cr_add(cr_exp(cr_sub(a, safe)), cr_exp(cr_sub(b, safe)));
    return cr_where_scalar_self(none, -INFINITY,
                                cr_add(cr_log(cr_masked_fill_scalar(sum, none, 1)), safe));
}

static cr_tensor *behind(cr_tensor *alpha, int64_t by)
{
    return cr_narrow(cr_constant_pad_nd(alpha, CR_INTS(by, 0), .value = CR_S(-INFINITY)), 1, 0,
                     alpha->size[1]);
}

/* log_probs [t, n, c]; targets [n, s] or all of them in one row; lengths as integer tensors [n]. */
COMPOSITE_OF_INDICES(ctc_loss, "ctc_loss: target out of range")
{
    cr_tensor *lp = T(0), *targets = T(1), *input_lengths = T(2), *target_lengths = T(3);
    int64_t blank = INT(4), reduction = INT(5);
    bool zero_infinity = INT(6), single = lp->dim == 2;
    if (single) {
        lp = cr_unsqueeze(lp, 1);
        targets = cr_reshape(targets, CR_INTS(1, -1));
        input_lengths = cr_reshape(input_lengths, CR_INTS(1));
        target_lengths = cr_reshape(target_lengths, CR_INTS(1));
    }
    if (!lp || !targets || !input_lengths || !target_lengths || lp->dim != 3 ||
        input_lengths->dim != 1 || target_lengths->dim != 1 ||
        input_lengths->numel != lp->size[1] || target_lengths->numel != lp->size[1])
        return cr_error() ? -1
                          : CR_FAIL_INT("ctc_loss: log_probs must be (T, N, C), and lengths one "
                                        "for each of the batch");
    int64_t time = lp->size[0], n = lp->size[1], c = lp->size[2];
    if (blank < 0 || blank >= c)
        return CR_FAIL_INT("ctc_loss: blank must be in label range");
    int64_t longest = n ? cr_item_int(cr_max(target_lengths)) : 0,
            most_time = n ? cr_item_int(cr_max(input_lengths)) : 0;
    if (cr_error() || most_time > time || (n && cr_item_int(cr_min(input_lengths)) < 0) ||
        (n && cr_item_int(cr_min(target_lengths)) < 0))
        return cr_error() ? -1
                          : CR_FAIL_INT("ctc_loss: Expected input_lengths to have value at most "
                                        "%lld, but got value %lld",
                                        (long long)time, (long long)most_time);
    const char *device = cr_tensor_device(lp);
    target_lengths = cr_to_dtype(target_lengths, CR_I64);
    input_lengths = cr_to_dtype(input_lengths, CR_I64);
    targets = cr_to_dtype(targets, CR_I64);
    if (targets && targets->dim == 1) { /* one behind the other: to rows */
        cr_tensor *start = cr_sub(cr_cumsum(target_lengths, 0), target_lengths);
        cr_tensor *at =
            cr_add(cr_unsqueeze(start, 1), cr_arange(longest, .dtype = CR_I64, .device = device));
        targets = targets->numel
                      ? cr_reshape(cr_index_select(targets, 0,
                                                   cr_reshape(cr_clamp_max(at, targets->numel - 1),
                                                              CR_INTS(-1))),
                                   CR_INTS(n, longest))
                      : cr_zeros(CR_INTS(n, longest), .dtype = CR_I64, .device = device);
    }
    if (!targets || targets->size[1] < longest)
        return cr_error() ? -1
                          : CR_FAIL_INT("ctc_loss: targets are shorter than target_lengths say");
    targets = cr_narrow(targets, 1, 0, longest);
    /* Blanks between the labels: [n, 2 s + 1]. */
    int64_t states = 2 * longest + 1;
    cr_tensor *spread = cr_full(CR_INTS(n, longest, 2), blank, .dtype = CR_I64, .device = device);
    if (longest)
        cr_copy_(cr_select(spread, 2, 1), targets);
    cr_tensor *last = cr_full(CR_INTS(n, 1), blank, .dtype = CR_I64, .device = device);
    cr_tensor *label =
        cr_cat(CR_TENSORS(cr_reshape(spread, CR_INTS(n, 2 * longest)), last), .dim = 1);
    cr_tensor *state = cr_arange(states, .dtype = CR_I64, .device = device);
    cr_tensor *earlier =
        cr_narrow(cr_constant_pad_nd(label, CR_INTS(2, 0), .value = CR_S(blank)), 1, 0, states);
    cr_tensor *skips = cr_logical_and(cr_ne(label, earlier), cr_ge_scalar(state, 2));
    cr_tensor *emit = cr_gather(lp, 2, cr_expand(cr_unsqueeze(label, 0), CR_INTS(time, n, states)));
    if (!emit)
        return -1;
    cr_tensor *begins = cr_expand(cr_lt_scalar(state, 2), CR_INTS(n, states));
    cr_tensor *alpha = cr_where_scalar_other(begins, cr_select(emit, 0, 0), -INFINITY);
    for (int64_t t = 1; t < most_time && alpha; t++) {
        cr_tensor *sum = log_sum(alpha, behind(alpha, 1));
        sum = log_sum(sum, cr_where_scalar_other(skips, behind(alpha, 2), -INFINITY));
        cr_tensor *live = cr_unsqueeze(cr_gt_scalar(input_lengths, t), 1);
        alpha = cr_where(live, cr_add(sum, cr_select(emit, 0, t)), alpha);
    }
    cr_tensor *end = cr_unsqueeze(cr_mul_scalar(target_lengths, 2), 1);
    cr_tensor *at_blank = cr_gather(alpha, 1, end),
              *at_label = cr_gather(alpha, 1, cr_clamp_min(cr_sub_scalar(end, 1), 0));
    at_label = cr_where_scalar_other(cr_gt_scalar(end, 0), at_label, -INFINITY);
    cr_tensor *loss = cr_neg(cr_squeeze_dim(log_sum(at_blank, at_label), 1));
    if (zero_infinity)
        loss = cr_where_scalar_self(cr_eq_scalar(loss, INFINITY), 0, loss);
    if (reduction == 1)
        return cr_give(
            r, cr_mean(cr_div(loss, cr_to_dtype(cr_clamp_min(target_lengths, 1), dtype_of(loss)))));
    return cr_give(r, reduced(single ? cr_reshape(loss, CR_EMPTY) : loss, reduction));
}
