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

#ifndef __cplusplus
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
