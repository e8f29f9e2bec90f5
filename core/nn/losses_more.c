/* Losses beyond losses.c: regression, likelihood, margin and distance ones. Each keeps its options and applies one operation. */
#include <string.h>

#include <cresset/losses.h>

#include "core/nn/layer.h"

typedef struct loss {
    cr_module module;
    cr_tensor *weight;
    cr_module *distance;
    int64_t reduction; /* as the operations have it: 0 none, 1 mean, 2 sum */
    int64_t blank;
    double a, p, eps; /* a: beta, delta or margin */
    bool batchmean, full, log_form, swap;
} loss;

/* The number of a reduction; -1, with the error set, for another word. */
static int64_t reduction_of(const char *type, const char *word)
{
    static const char *const names[] = {"none", "mean", "sum"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(word ? word : "mean", names[i]))
            return i;
    cr_fail("%s: %s is not a valid value for reduction (none, mean, sum)", type, word);
    return -1;
}

/* Options that PyTorch refuses when the loss is made or called. */
static bool checked(const char *type, const loss *s)
{
    if (!strcmp(type, "SmoothL1Loss") && !(s->a >= 0))
        return cr_fail("SmoothL1Loss: does not support negative values for beta, got %g", s->a);
    if (!strcmp(type, "HuberLoss") && !(s->a > 0))
        return cr_fail("HuberLoss: does not support non-positive values for delta, got %g", s->a);
    if (!strcmp(type, "MultiMarginLoss") && s->p != 1 && s->p != 2)
        return cr_fail("MultiMarginLoss: only p == 1 and p == 2 supported, got %g", s->p);
    if (!strcmp(type, "CTCLoss") && s->blank < 0)
        return cr_fail("CTCLoss: blank must be in label range, got %lld", (long long)s->blank);
    return true;
}

static cr_module *new_loss(const cr_module_type *type, const char *reduction, loss members)
{
    cr_tensor *weight = members.weight;
    members.weight = NULL;
    if (!checked(type->name, &members))
        return NULL;
    members.reduction = reduction_of(type->name, reduction);
    loss *self = members.reduction < 0 ? NULL : cr_module_new(type, &members);
    if (self && weight && !CR_SET_BUFFER(self, weight, weight))
        return NULL;
    return (cr_module *)self;
}

static cr_tensor *kl_div(const loss *s, cr_tensor *x, cr_tensor *t)
{
    cr_tensor *y = cr_kl_div(x, t, .reduction = CR_SOME(s->batchmean ? 2 : s->reduction),
                             .log_target = s->log_form);
    return s->batchmean && y && cr_tensor_dim(x) ? cr_div_scalar(y, (double)cr_tensor_sizes(x)[0])
                                                 : y;
}

static cr_tensor *reduced(const loss *s, cr_tensor *y)
{
    return s->reduction == 0 ? y : s->reduction == 1 ? cr_mean(y) : cr_sum(y);
}

static cr_tensor *triplet(const loss *s, cr_tensor *anchor, cr_tensor *positive,
                          cr_tensor *negative)
{
    cr_tensor *near = cr_forward(s->distance, anchor, positive);
    cr_tensor *far = cr_forward(s->distance, anchor, negative);
    if (s->swap)
        far = cr_minimum(far, cr_forward(s->distance, positive, negative));
    return reduced(s, cr_clamp(cr_add_scalar(cr_sub(near, far), s->a), .min = CR_S(0.0)));
}

/* LOSS(constructor, options, name, inputs, call, members…): x, t, u, v are the inputs, s the loss, o its options. */
#define LOSS(id, options, words, count, call, ...)                                    \
    static size_t forward_##id(cr_module *module, cr_tensor *const *inputs, size_t n, \
                               cr_tensor **outputs)                                   \
    {                                                                                 \
        const loss *s = (const loss *)(const void *)module;                           \
        if (!cr_module_check_inputs(module, count, n))                                \
            return 0;                                                                 \
        cr_tensor *x = inputs[0], *t = inputs[1], *u = inputs[count > 2 ? 2 : 0],     \
                  *v = inputs[count > 3 ? 3 : 0];                                     \
        (void)u, (void)v, (void)s;                                                    \
        outputs[0] = (call);                                                          \
        return outputs[0] != NULL;                                                    \
    }                                                                                 \
    cr_module *cr_##id##_layer_with(const options *o)                                 \
    {                                                                                 \
        static const cr_module_type type = {                                          \
            .name = words, .size = sizeof(loss), .forward = forward_##id};            \
        const loss members = {__VA_ARGS__};                                           \
        return new_loss(&type, CR_OPTION(o, reduction), members);                     \
    }

#define REDUCTION .reduction = CR_SOME(s->reduction)
#define A         CR_SOME(s->a)

LOSS(smooth_l1_loss, cr_smooth_l1_loss_layer_options, "SmoothL1Loss", 2,
     cr_smooth_l1_loss(x, t, .beta = A, REDUCTION), .a = cr_or_default(CR_OPTION(o, beta), 1))
LOSS(huber_loss, cr_huber_loss_layer_options, "HuberLoss", 2,
     cr_huber_loss(x, t, .delta = A, REDUCTION), .a = cr_or_default(CR_OPTION(o, delta), 1))
LOSS(poisson_nll_loss, cr_poisson_nll_loss_layer_options, "PoissonNLLLoss", 2,
     cr_poisson_nll_loss(x, t, s->log_form, s->full, s->eps, s->reduction),
     .log_form = !CR_OPTION(o, no_log_input), .full = CR_OPTION(o, full),
     .eps = cr_or_default(CR_OPTION(o, eps), 1e-8))
LOSS(gaussian_nll_loss, cr_gaussian_nll_loss_layer_options, "GaussianNLLLoss", 3,
     cr_gaussian_nll_loss(x, t, u, .full = s->full, .eps = CR_SOME(s->eps), REDUCTION),
     .full = CR_OPTION(o, full), .eps = cr_or_default(CR_OPTION(o, eps), 1e-6))
LOSS(soft_margin_loss, cr_loss_options, "SoftMarginLoss", 2, cr_soft_margin_loss(x, t, REDUCTION),
     .a = 0)
LOSS(multilabel_margin_loss, cr_loss_options, "MultiLabelMarginLoss", 2,
     cr_multilabel_margin_loss(x, t, REDUCTION), .a = 0)
LOSS(multilabel_soft_margin_loss, cr_weighted_loss_options, "MultiLabelSoftMarginLoss", 2,
     cr_multilabel_soft_margin_loss(x, t, .weight = s->weight, REDUCTION),
     .weight = CR_OPTION(o, weight))
LOSS(multi_margin_loss, cr_multi_margin_loss_layer_options, "MultiMarginLoss", 2,
     cr_multi_margin_loss(x, t, .p = CR_S(s->p), .margin = CR_S(s->a), .weight = s->weight,
                          REDUCTION),
     .p = cr_or_default(CR_OPTION(o, p), 1), .a = cr_or_default(CR_OPTION(o, margin), 1),
     .weight = CR_OPTION(o, weight))
LOSS(hinge_embedding_loss, cr_hinge_embedding_loss_layer_options, "HingeEmbeddingLoss", 2,
     cr_hinge_embedding_loss(x, t, .margin = A, REDUCTION),
     .a = cr_or_default(CR_OPTION(o, margin), 1))
LOSS(margin_ranking_loss, cr_margin_loss_options, "MarginRankingLoss", 3,
     cr_margin_ranking_loss(x, t, u, .margin = s->a, REDUCTION), .a = CR_OPTION(o, margin))
LOSS(cosine_embedding_loss, cr_margin_loss_options, "CosineEmbeddingLoss", 3,
     cr_cosine_embedding_loss(x, t, u, .margin = s->a, REDUCTION), .a = CR_OPTION(o, margin))
LOSS(triplet_margin_loss, cr_triplet_margin_loss_layer_options, "TripletMarginLoss", 3,
     cr_triplet_margin_loss(x, t, u, .margin = A, .p = CR_SOME(s->p), .eps = CR_SOME(s->eps),
                            .swap = s->swap, REDUCTION),
     .a = cr_or_default(CR_OPTION(o, margin), 1), .p = cr_or_default(CR_OPTION(o, p), 2),
     .eps = cr_or_default(CR_OPTION(o, eps), 1e-6), .swap = CR_OPTION(o, swap))
LOSS(ctc_loss, cr_ctc_loss_layer_options, "CTCLoss", 4,
     cr_ctc_loss(x, t, u, v, .blank = s->blank, .zero_infinity = s->log_form, REDUCTION),
     .blank = CR_OPTION(o, blank), .log_form = CR_OPTION(o, zero_infinity))

/* ---- those whose options need more than being kept ---- */

#define FORWARD(id, count, call)                                                      \
    static size_t forward_##id(cr_module *module, cr_tensor *const *inputs, size_t n, \
                               cr_tensor **outputs)                                   \
    {                                                                                 \
        const loss *s = (const loss *)(const void *)module;                           \
        if (!cr_module_check_inputs(module, count, n))                                \
            return 0;                                                                 \
        outputs[0] = (call);                                                          \
        return outputs[0] != NULL;                                                    \
    }

FORWARD(kl_div, 2, kl_div(s, inputs[0], inputs[1]))

cr_module *cr_kl_div_loss_with(const cr_kl_div_loss_options *o)
{
    static const cr_module_type type = {
        .name = "KLDivLoss", .size = sizeof(loss), .forward = forward_kl_div};
    const char *reduction = CR_OPTION(o, reduction);
    bool batchmean = reduction && !strcmp(reduction, "batchmean");
    return new_loss(&type, batchmean ? "sum" : reduction,
                    (loss){.batchmean = batchmean, .log_form = CR_OPTION(o, log_target)});
}

FORWARD(triplet, 3, triplet(s, inputs[0], inputs[1], inputs[2]))

cr_module *cr_triplet_margin_with_distance_loss_with(
    const cr_triplet_margin_with_distance_loss_options *o)
{
    static const cr_module_type type = {
        .name = "TripletMarginWithDistanceLoss", .size = sizeof(loss), .forward = forward_triplet};
    loss *self = (loss *)(void *)new_loss(
        &type, CR_OPTION(o, reduction),
        (loss){.a = cr_or_default(CR_OPTION(o, margin), 1), .swap = CR_OPTION(o, swap)});
    cr_module *distance = CR_OPTION(o, distance_function);
    if (!self || !cr_module_set_child(&self->module, "distance_function", &self->distance,
                                      distance ? distance : cr_pairwise_distance_layer_with(NULL)))
        return NULL;
    return &self->module;
}
