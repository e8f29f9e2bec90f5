/* Losses as modules, called with a prediction and a target: cr_forward(loss, y, target). As
 * functions they are in ops.h: cr_cross_entropy, cr_nll_loss, cr_mse_loss, cr_l1_loss,
 * cr_binary_cross_entropy, cr_binary_cross_entropy_with_logits.
 *
 * Shapes are those of PyTorch's pages: N is the batch, C the number of classes, (*) any shape. `reduction`
 * is "mean" (the default), "sum", which give (), or "none", which gives a loss for each element or
 * sample. Weights are kept as buffers. Constructors give a module of the scope; null, and the error, for
 * another reduction or an option out of range; calls refuse sizes that don't fit. */
#ifndef CRESSET_LOSSES_H
#define CRESSET_LOSSES_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CrossEntropyLoss:   l_n = -w_t log(e^x_t / Σ_c e^x_c),   t the class of sample n; of probabilities t_c:  -Σ_c w_c t_c log softmax_c.
 * x: (N, C), (C) or (N, C, d1, …); target: class numbers, int64, (N), () or (N, d1, …), or probabilities of x's shape. weight: (C).
 * Targets equal to ignore_index (-100) count for nothing; the mean is Σ l / Σ w_t. With label_smoothing ε the target is
 * (1 - ε) t + ε / C (Szegedy et al., "Rethinking the Inception Architecture", 2016). NLLLoss:   l_n = -w_t x_t,   the same for x that
 * are log-probabilities already. Errors: label_smoothing outside of 0 to 1; called with other sizes, a weight that isn't (C), classes
 * outside of 0 to C - 1 (on devices that compute later when somebody reads). */
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

/* MSELoss:   l = (x - t)²;   L1Loss:   l = |x - t|.   x and t: (*), alike. */
typedef struct cr_loss_options {
    int begin_;
    const char *reduction;
    int end_;
} cr_loss_options;
CR_API cr_module *cr_mse_loss_layer_with(const cr_loss_options *options);
CR_API cr_module *cr_l1_loss_layer_with(const cr_loss_options *options);

/* BCELoss: -w (t log x + (1 - t) log(1 - x)) for x in 0 to 1, logarithms clamped at -100.
 * BCEWithLogitsLoss: the same of σ(x), computed stably; pos_weight multiplies the first term. x and t:
 * (*), alike; weight and pos_weight broadcast to it. Errors, when called: t of another size; of BCELoss
 * x outside of 0 to 1 (told, on devices that compute later, when somebody reads). */
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

/* SmoothL1Loss:   l = (x - t)² / (2 beta) where |x - t| is below beta, |x - t| - beta / 2 elsewhere   (Girshick, "Fast R-CNN", 2015).
 * HuberLoss: delta times that, with delta for beta (Huber, "Robust Estimation of a Location Parameter", 1964). x and t: (*), alike.
 * Errors: beta below 0, delta not above 0. */
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

/* KLDivLoss (Kullback and Leibler, 1951):   l = t (log t - x),   x being log-probabilities; with log_target  l = e^t (t - x).  x and
 * t: (*), alike. reduction may also be "batchmean": the sum divided by the first size. */
typedef struct cr_kl_div_loss_options {
    int begin_;
    const char *reduction;
    bool log_target;
    int end_;
} cr_kl_div_loss_options;
CR_API cr_module *cr_kl_div_loss_with(const cr_kl_div_loss_options *options);
/* PoissonNLLLoss:   l = e^x - t x,   with no_log_input  l = x - t log(x + eps);   full adds Stirling's  t log t - t + log(2π t) / 2
 * for t above 1. x and t: (*), alike. */
typedef struct cr_poisson_nll_loss_layer_options {
    int begin_;
    bool no_log_input, full;
    double eps; /* 1e-8 */
    const char *reduction;
    int end_;
} cr_poisson_nll_loss_layer_options;
CR_API cr_module *cr_poisson_nll_loss_layer_with(const cr_poisson_nll_loss_layer_options *options);
/* GaussianNLLLoss (Nix and Weigend, 1994), called with x, target and variance v:   l = (log max(v, eps) + (x - t)² / max(v, eps)) / 2,
 * without a gradient through the max; full adds log(2π) / 2. x and t: (N, *), v the same, or with a last dimension of 1 or none.
 * Errors, when called: another size of v, an element of it below 0. */
typedef struct cr_gaussian_nll_loss_layer_options {
    int begin_;
    bool full;
    double eps; /* 1e-6 */
    const char *reduction;
    int end_;
} cr_gaussian_nll_loss_layer_options;
CR_API cr_module *cr_gaussian_nll_loss_layer_with(
    const cr_gaussian_nll_loss_layer_options *options);
/* CTCLoss (Graves et al., "Connectionist Temporal Classification", 2006):   l_n = -log Σ p(paths that spell target n).   Called with
 * log-probabilities (T, N, C) or (T, C), targets (N, S) or all behind one another (Σ lengths), input lengths and target lengths (N) or
 * (). The mean is over the batch, each divided by its target's length. blank: the class that stands for none (0). zero_infinity makes
 * infinite losses, and their gradients, zero. Errors: blank below 0; called with blank or classes of C or more, input lengths above T,
 * targets shorter than said. */
typedef struct cr_ctc_loss_layer_options {
    int begin_;
    int64_t blank;
    const char *reduction;
    bool zero_infinity;
    int end_;
} cr_ctc_loss_layer_options;
CR_API cr_module *cr_ctc_loss_layer_with(const cr_ctc_loss_layer_options *options);

/* ---- margins ---- */

/* SoftMarginLoss:   l = log(1 + e^(-t x)),   t being ±1; x and t: (*), alike. MultiLabelMarginLoss:
 *   l_n = Σ_j Σ_i max(0, 1 - (x_t[j] - x_i)) / C,   j over the sample's classes, i over the others;
 * x and t: (N, C) or (C), t int64, the classes and -1 behind them. MultiLabelSoftMarginLoss:
 *   l_n = -Σ_c w_c (t_c log σ(x_c) + (1 - t_c) log σ(-x_c)) / C;   x and t: (N, C) or (C), weight: (C).
 * Errors, when called: other sizes, classes outside of -1 to C - 1. */
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
/* MultiMarginLoss:   l_n = w_t Σ_(i ≠ t) max(0, margin - x_t + x_i)ᵖ / C.   x: (N, C) or (C), t: (N) or (), int64, weight: (C). Errors:
 * p other than 1 and 2; called with other sizes, classes out of range. */
typedef struct cr_multi_margin_loss_layer_options {
    int begin_;
    double p, margin; /* 1, 1 */
    cr_tensor *weight;
    const char *reduction;
    int end_;
} cr_multi_margin_loss_layer_options;
CR_API cr_module *cr_multi_margin_loss_layer_with(
    const cr_multi_margin_loss_layer_options *options);
/* HingeEmbeddingLoss:   l = x where t is 1, max(0, margin - x) where it is -1.   x and t: (*), alike. */
typedef struct cr_hinge_embedding_loss_layer_options {
    int begin_;
    double margin; /* 1 */
    const char *reduction;
    int end_;
} cr_hinge_embedding_loss_layer_options;
CR_API cr_module *cr_hinge_embedding_loss_layer_with(
    const cr_hinge_embedding_loss_layer_options *options);
/* Called with x1, x2 and t, which is ±1. MarginRankingLoss:   l = max(0, -t (x1 - x2) + margin),   all (N) or (). CosineEmbeddingLoss:
 *   l = 1 - cos(x1, x2) for 1, max(0, cos(x1, x2) - margin) for -1;   x1 and x2: (N, D) or (D), t: (N) or ().
 * Errors, when called: other ranks or sizes. */
typedef struct cr_margin_loss_options {
    int begin_;
    double margin; /* 0 */
    const char *reduction;
    int end_;
} cr_margin_loss_options;
CR_API cr_module *cr_margin_ranking_loss_layer_with(const cr_margin_loss_options *options);
CR_API cr_module *cr_cosine_embedding_loss_layer_with(const cr_margin_loss_options *options);
/* TripletMarginLoss, TripletMarginWithDistanceLoss:   l = max(0, d(anchor, positive) - d(anchor, negative) + margin)   (Balntas et al.,
 * "Learning local feature descriptors with triplets and shallow convolutional neural networks", 2016), called with these three, each
 * (N, D) or (D); d is the p-norm of the difference plus eps, or any module of two inputs (null: PairwiseDistance). With swap the
 * distance from positive to negative counts if it is less. Errors, when called: other ranks or sizes. */
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

/* CosineSimilarity:   y = x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps))   along dim (1). x1 and x2: (*1, D, *2), alike or broadcast; y:
 * (*1, *2). Errors, when called: a dim that there is not. */
typedef struct cr_cosine_similarity_options {
    int begin_;
    cr_opt_int dim;
    double eps; /* 1e-8 */
    int end_;
} cr_cosine_similarity_options;
CR_API cr_module *cr_cosine_similarity_with(const cr_cosine_similarity_options *options);
/* PairwiseDistance:   y = ‖x1 - x2 + eps‖_p   along the last dimension. x1 and x2: (N, D) or (D); y: (N) or (), with keepdim (N, 1) or
 * (1). */
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
