/* Losses as modules, called with a prediction and a target: cr_forward(loss, y, target). As
 * functions they are in ops.h: cr_cross_entropy, cr_nll_loss, cr_mse_loss, cr_l1_loss,
 * cr_binary_cross_entropy, cr_binary_cross_entropy_with_logits.
 *
 * `reduction` is "mean" (the default), "sum" or "none". Weights are kept as buffers. */
#ifndef CRESSET_LOSSES_H
#define CRESSET_LOSSES_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CrossEntropyLoss: the negative log-likelihood of log_softmax(x). x: (N, C), (C) or (N, C, d1, …);
 * target: class numbers, int64, (N), () or (N, d1, …), or probabilities of x's shape. weight: (C).
 * Targets equal to ignore_index (-100) count for nothing. NLLLoss is the same for x that are
 * log-probabilities already, without label_smoothing. */
typedef struct cr_cross_entropy_loss_options {
    int begin_;
    cr_tensor *weight;
    cr_opt_int ignore_index;
    const char *reduction;
    double label_smoothing; /* 0 to 1 */
    int end_;
} cr_cross_entropy_loss_options;
CR_API cr_module *cr_cross_entropy_loss_with(const cr_cross_entropy_loss_options *options);
typedef struct cr_nll_loss_layer_options {
    int begin_;
    cr_tensor *weight;
    cr_opt_int ignore_index;
    const char *reduction;
    int end_;
} cr_nll_loss_layer_options;
CR_API cr_module *cr_nll_loss_layer_with(const cr_nll_loss_layer_options *options);

/* MSELoss: (x - target)²; L1Loss: |x - target|. Any shapes that are alike. */
typedef struct cr_loss_options {
    int begin_;
    const char *reduction;
    int end_;
} cr_loss_options;
CR_API cr_module *cr_mse_loss_layer_with(const cr_loss_options *options);
CR_API cr_module *cr_l1_loss_layer_with(const cr_loss_options *options);

/* BCELoss: -w (t log x + (1 - t) log(1 - x)) for x in 0 to 1, logarithms clamped at -100.
 * BCEWithLogitsLoss: the same of σ(x), computed stably; pos_weight multiplies the first term. Any
 * shapes that are alike. */
typedef struct cr_bce_loss_options {
    int begin_;
    cr_tensor *weight;
    const char *reduction;
    int end_;
} cr_bce_loss_options;
CR_API cr_module *cr_bce_loss_with(const cr_bce_loss_options *options);
typedef struct cr_bce_with_logits_loss_options {
    int begin_;
    cr_tensor *weight;
    const char *reduction;
    cr_tensor *pos_weight;
    int end_;
} cr_bce_with_logits_loss_options;
CR_API cr_module *cr_bce_with_logits_loss_with(const cr_bce_with_logits_loss_options *options);

/* AdaptiveLogSoftmaxWithLoss (Grave et al., "Efficient softmax approximation for GPUs", 2017), for many classes numbered by falling
 * frequency: the first cutoffs[0] have places of their own in the head, beside one place for each cluster of rarer ones, the
 * classes from cutoffs[i] to cutoffs[i + 1] (the last one: to n_classes).
 *   log p(class) = log_softmax(head x)_class,   or   log_softmax(head x)_cluster + log_softmax(up down x)_class
 * Called with x (N, in_features) or (in_features) and target (N) or (), int64. Outputs, see cr_forward_many: the log-probability of
 * each target (N) or (), and the loss, minus their mean, (). Parameters: head.weight (cutoffs[0] + clusters, in_features),
 * head.bias; tail.i.0.weight (⌊in_features / div_value^(i+1)⌋, in_features), tail.i.1.weight (size of cluster i, that). Errors:
 * cutoffs (1 to 32) that don't rise within 1 to n_classes - 1; called with targets outside of 0 to n_classes - 1. */
typedef struct cr_adaptive_log_softmax_options {
    double div_value; /* 4 */
    bool head_bias;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_adaptive_log_softmax_options;
CR_API cr_module *cr_adaptive_log_softmax_with_loss_with(
    int64_t in_features, int64_t n_classes, cr_ints cutoffs,
    const cr_adaptive_log_softmax_options *options);
/* All classes' log-probabilities (N, n_classes) of x (N, in_features), and the most probable class (N), int64. */
CR_API cr_tensor *cr_adaptive_log_prob(cr_module *module, cr_tensor *x);
CR_API cr_tensor *cr_adaptive_predict(cr_module *module, cr_tensor *x);

/* ---- differences ---- */

/* SmoothL1Loss: (x - t)² / (2 beta) where |x - t| is below beta, |x - t| - beta / 2 elsewhere; Girshick, 2015. HuberLoss:
 * delta times that, with delta for beta; Huber, 1964. */
typedef struct cr_smooth_l1_loss_layer_options {
    int begin_;
    const char *reduction;
    double beta; /* 1 */
    int end_;
} cr_smooth_l1_loss_layer_options;
CR_API cr_module *cr_smooth_l1_loss_layer_with(const cr_smooth_l1_loss_layer_options *options);
typedef struct cr_huber_loss_layer_options {
    int begin_;
    const char *reduction;
    double delta; /* 1 */
    int end_;
} cr_huber_loss_layer_options;
CR_API cr_module *cr_huber_loss_layer_with(const cr_huber_loss_layer_options *options);

/* ---- likelihoods ---- */

/* KLDivLoss: t (log t - x), x being log-probabilities; with log_target exp(t) (t - x). reduction may also be "batchmean": the
 * sum divided by the first size. */
typedef struct cr_kl_div_loss_options {
    int begin_;
    const char *reduction;
    bool log_target;
    int end_;
} cr_kl_div_loss_options;
CR_API cr_module *cr_kl_div_loss_with(const cr_kl_div_loss_options *options);
/* PoissonNLLLoss: exp(x) - t x, with no_log_input x - t log(x + eps); full adds Stirling's term for t above 1. */
typedef struct cr_poisson_nll_loss_layer_options {
    int begin_;
    bool no_log_input, full;
    double eps; /* 1e-8 */
    const char *reduction;
    int end_;
} cr_poisson_nll_loss_layer_options;
CR_API cr_module *cr_poisson_nll_loss_layer_with(const cr_poisson_nll_loss_layer_options *options);
/* GaussianNLLLoss, called with x, target and variance v (at least eps): (log v + (x - t)² / v) / 2; full adds log(2π) / 2. */
typedef struct cr_gaussian_nll_loss_layer_options {
    int begin_;
    bool full;
    double eps; /* 1e-6 */
    const char *reduction;
    int end_;
} cr_gaussian_nll_loss_layer_options;
CR_API cr_module *cr_gaussian_nll_loss_layer_with(
    const cr_gaussian_nll_loss_layer_options *options);
/* CTCLoss (Graves et al., 2006), called with log-probabilities (T, N, C) or (T, C), targets (N, S) or all behind one another,
 * input lengths and target lengths (N). zero_infinity makes infinite losses, and their gradients, zero. */
typedef struct cr_ctc_loss_layer_options {
    int begin_;
    int64_t blank;
    const char *reduction;
    bool zero_infinity;
    int end_;
} cr_ctc_loss_layer_options;
CR_API cr_module *cr_ctc_loss_layer_with(const cr_ctc_loss_layer_options *options);

/* ---- margins ---- */

/* SoftMarginLoss: log(1 + e^(-t x)), t being ±1. MultiLabelMarginLoss: x and t (N, C) or (C), t the classes of each sample and
 * -1 behind them. MultiLabelSoftMarginLoss: binary cross entropy of σ(x), the mean over C classes with weight (C). */
CR_API cr_module *cr_soft_margin_loss_layer_with(const cr_loss_options *options);
CR_API cr_module *cr_multilabel_margin_loss_layer_with(const cr_loss_options *options);
typedef struct cr_weighted_loss_options {
    int begin_;
    cr_tensor *weight;
    const char *reduction;
    int end_;
} cr_weighted_loss_options;
CR_API cr_module *cr_multilabel_soft_margin_loss_layer_with(
    const cr_weighted_loss_options *options);
/* Σ over other classes max(0, margin - x_t + x_i)ᵖ / C; x: (N, C), t: (N), weight: (C). p: 1 or 2. */
typedef struct cr_multi_margin_loss_layer_options {
    int begin_;
    double p, margin; /* 1, 1 */
    cr_tensor *weight;
    const char *reduction;
    int end_;
} cr_multi_margin_loss_layer_options;
CR_API cr_module *cr_multi_margin_loss_layer_with(
    const cr_multi_margin_loss_layer_options *options);
/* x where t is 1, max(0, margin - x) where it is -1. */
typedef struct cr_hinge_embedding_loss_layer_options {
    int begin_;
    double margin; /* 1 */
    const char *reduction;
    int end_;
} cr_hinge_embedding_loss_layer_options;
CR_API cr_module *cr_hinge_embedding_loss_layer_with(
    const cr_hinge_embedding_loss_layer_options *options);
/* Called with x1, x2 and t, which is ±1. MarginRankingLoss: max(0, -t (x1 - x2) + margin). CosineEmbeddingLoss: 1 - cos(x1, x2)
 * for 1, max(0, cos(x1, x2) - margin) for -1. */
typedef struct cr_margin_loss_options {
    int begin_;
    double margin; /* 0 */
    const char *reduction;
    int end_;
} cr_margin_loss_options;
CR_API cr_module *cr_margin_ranking_loss_layer_with(const cr_margin_loss_options *options);
CR_API cr_module *cr_cosine_embedding_loss_layer_with(const cr_margin_loss_options *options);
/* max(0, d(anchor, positive) - d(anchor, negative) + margin), Balntas et al., 2016, called with these three; d is the p-norm of
 * the difference plus eps, or any module of two inputs (null: PairwiseDistance). With swap the distance from positive to
 * negative counts if it is less. */
typedef struct cr_triplet_margin_loss_layer_options {
    int begin_;
    double margin, p, eps; /* 1, 2, 1e-6 */
    bool swap;
    const char *reduction;
    int end_;
} cr_triplet_margin_loss_layer_options;
CR_API cr_module *cr_triplet_margin_loss_layer_with(
    const cr_triplet_margin_loss_layer_options *options);
typedef struct cr_triplet_margin_with_distance_loss_options {
    int begin_;
    cr_module *distance_function;
    double margin; /* 1 */
    bool swap;
    const char *reduction;
    int end_;
} cr_triplet_margin_with_distance_loss_options;
CR_API cr_module *cr_triplet_margin_with_distance_loss_with(
    const cr_triplet_margin_with_distance_loss_options *options);

/* ---- distances: called with x1 and x2 ---- */

/* x1 · x2 / max(|x1| |x2|, eps) along dim (1). */
typedef struct cr_cosine_similarity_options {
    int begin_;
    cr_opt_int dim;
    double eps; /* 1e-8 */
    int end_;
} cr_cosine_similarity_options;
CR_API cr_module *cr_cosine_similarity_with(const cr_cosine_similarity_options *options);
/* The p-norm of x1 - x2 + eps along the last dimension. */
typedef struct cr_pairwise_distance_layer_options {
    int begin_;
    double p, eps; /* 2, 1e-6 */
    bool keepdim;
    int end_;
} cr_pairwise_distance_layer_options;
CR_API cr_module *cr_pairwise_distance_layer_with(
    const cr_pairwise_distance_layer_options *options);

#ifndef __cplusplus
/* cr_adaptive_log_softmax_with_loss(64, 10000, CR_INTS(100, 1000)) */
#define cr_adaptive_log_softmax_with_loss(in_features, n_classes, ...) \
    cr_adaptive_log_softmax_with_loss_with(                            \
        in_features, n_classes, CR_I(CR_FIRST_(__VA_ARGS__, 0)),       \
        &(const cr_adaptive_log_softmax_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_smooth_l1_loss_layer(...) \
    cr_smooth_l1_loss_layer_with(&(const cr_smooth_l1_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_huber_loss_layer(...) \
    cr_huber_loss_layer_with(&(const cr_huber_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_poisson_nll_loss_layer(...) \
    cr_poisson_nll_loss_layer_with(    \
        &(const cr_poisson_nll_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_gaussian_nll_loss_layer(...) \
    cr_gaussian_nll_loss_layer_with(    \
        &(const cr_gaussian_nll_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_soft_margin_loss_layer(...) \
    cr_soft_margin_loss_layer_with(&(const cr_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_multilabel_margin_loss_layer(...) \
    cr_multilabel_margin_loss_layer_with(&(const cr_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_multilabel_soft_margin_loss_layer(...) \
    cr_multilabel_soft_margin_loss_layer_with(    \
        &(const cr_weighted_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_multi_margin_loss_layer(...) \
    cr_multi_margin_loss_layer_with(    \
        &(const cr_multi_margin_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_hinge_embedding_loss_layer(...) \
    cr_hinge_embedding_loss_layer_with(    \
        &(const cr_hinge_embedding_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_margin_ranking_loss_layer(...) \
    cr_margin_ranking_loss_layer_with(&(const cr_margin_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_cosine_embedding_loss_layer(...) \
    cr_cosine_embedding_loss_layer_with(&(const cr_margin_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_triplet_margin_loss_layer(...) \
    cr_triplet_margin_loss_layer_with(    \
        &(const cr_triplet_margin_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_pairwise_distance_layer(...) \
    cr_pairwise_distance_layer_with(    \
        &(const cr_pairwise_distance_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_kl_div_loss(...) \
    cr_kl_div_loss_with(&(const cr_kl_div_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_triplet_margin_with_distance_loss(...) \
    cr_triplet_margin_with_distance_loss_with(    \
        &(const cr_triplet_margin_with_distance_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_cosine_similarity(...) \
    cr_cosine_similarity_with(&(const cr_cosine_similarity_options){.begin_ = 0, __VA_ARGS__})
#define cr_ctc_loss_layer(...) \
    cr_ctc_loss_layer_with(&(const cr_ctc_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_cross_entropy_loss(...) \
    cr_cross_entropy_loss_with(&(const cr_cross_entropy_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_nll_loss_layer(...) \
    cr_nll_loss_layer_with(&(const cr_nll_loss_layer_options){.begin_ = 0, __VA_ARGS__})
#define cr_mse_loss_layer(...) \
    cr_mse_loss_layer_with(&(const cr_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_l1_loss_layer(...) \
    cr_l1_loss_layer_with(&(const cr_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_bce_loss(...) cr_bce_loss_with(&(const cr_bce_loss_options){.begin_ = 0, __VA_ARGS__})
#define cr_bce_with_logits_loss(...) \
    cr_bce_with_logits_loss_with(&(const cr_bce_with_logits_loss_options){.begin_ = 0, __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
