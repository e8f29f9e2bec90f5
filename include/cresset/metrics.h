/* Metrics: numbers that are added up over batches, as torchmetrics has them.
 *
 *     cr_metric *accuracy = cr_accuracy();
 *     CR_FOREACH_BATCH (batch, loader)
 *         cr_metric_update(accuracy, cr_forward(net, batch.input), batch.target);
 *     printf("%.4f\n", cr_metric_compute(accuracy));
 *     cr_metric_reset(accuracy);
 *
 * Metrics of classes take predictions in two forms: scores (N, C, …) of C >= 2 classes with targets
 * (N, …), where the largest score wins; or one number for each target, which says class 1 above the
 * threshold and class 0 otherwise (integers are taken as classes). Targets are classes from 0 on. A
 * prediction (N, 1) fits a target (N). Values are added up in double. Nothing seen gives NaN. A
 * metric belongs to the scope. */
#ifndef CRESSET_METRICS_H
#define CRESSET_METRICS_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_metric cr_metric;

typedef enum cr_average {
    CR_AVERAGE_DEFAULT, /* two classes: class 1's; more: macro */
    CR_AVERAGE_MACRO,   /* the mean of the classes that occur in predictions or targets */
    CR_AVERAGE_MICRO,   /* of all classes' counts together */
    CR_AVERAGE_BINARY   /* class 1's */
} cr_average;

typedef struct cr_metric_options {
    int begin_;
    const char *name; /* in histories: "accuracy"; copied */
    double threshold; /* of one number for each target: 0.5, or 0 from_logits */
    bool from_logits; /* numbers are logits, so the threshold is 0 */
    cr_average average;
    int end_;
} cr_metric_options;

/* Right predictions by all. */
CR_API cr_metric *cr_accuracy_with(const cr_metric_options *options);
/* TP / (TP + FP), TP / (TP + FN), 2 TP / (2 TP + FP + FN); 0 where that is 0 / 0, as scikit-learn. */
CR_API cr_metric *cr_precision_with(const cr_metric_options *options);
CR_API cr_metric *cr_recall_with(const cr_metric_options *options);
CR_API cr_metric *cr_f1_score_with(const cr_metric_options *options);
/* The mean over classes of TP / (TP + FP + FN): the Jaccard index, for segmentation. */
CR_API cr_metric *cr_iou_with(const cr_metric_options *options);
/* The area under the ROC curve of two classes, with ties counted half; keeps all scores. Of scores
 * (N, 2) the difference counts. NaN unless both classes occurred. */
CR_API cr_metric *cr_auc_with(const cr_metric_options *options);
/* The mean of |prediction - target| and of its square, over all elements. */
CR_API cr_metric *cr_mean_absolute_error_with(const cr_metric_options *options);
CR_API cr_metric *cr_mean_squared_error_with(const cr_metric_options *options);

/* A metric of one's own. Its state is a list of doubles (cr_metric_state), which is what is saved
 * with a training's state. `kind` must stay valid (static). */
typedef struct cr_metric_class {
    const char *name;
    bool lower_is_better;
    /* Adds a batch. Returns 0, or -1 after cr_fail. */
    int (*update)(cr_metric *metric, cr_tensor *prediction, cr_tensor *target);
    double (*compute)(const cr_metric *metric);
} cr_metric_class;
CR_API cr_metric *cr_metric_new(const cr_metric_class *kind, const cr_metric_options *options);
/* The state, made at least count long with zeros; null and an error without memory. The pointer
 * holds until the next call. cr_metric_values: as it is, with its length. */
CR_API double *cr_metric_state(cr_metric *metric, size_t count);
CR_API const double *cr_metric_values(const cr_metric *metric, size_t *count);
CR_API const cr_metric_options *cr_metric_settings(const cr_metric *metric);

/* Returns 0, or an error: shapes that don't belong together, classes below 0 or above 65,535. */
CR_API int cr_metric_update(cr_metric *metric, cr_tensor *prediction, cr_tensor *target);
CR_API double cr_metric_compute(const cr_metric *metric);
CR_API void cr_metric_reset(cr_metric *metric);
CR_API const char *cr_metric_name(const cr_metric *metric); /* borrowed */
CR_API bool cr_metric_lower_is_better(const cr_metric *metric);
CR_API cr_metric *cr_metric_retain(cr_metric *metric);
CR_API void cr_metric_release(cr_metric *metric);

#ifndef __cplusplus
#define CR_METRIC_(make, ...)       make(&(const cr_metric_options){.begin_ = 0, __VA_ARGS__})
#define cr_accuracy(...)            CR_METRIC_(cr_accuracy_with, __VA_ARGS__)
#define cr_precision(...)           CR_METRIC_(cr_precision_with, __VA_ARGS__)
#define cr_recall(...)              CR_METRIC_(cr_recall_with, __VA_ARGS__)
#define cr_f1_score(...)            CR_METRIC_(cr_f1_score_with, __VA_ARGS__)
#define cr_iou(...)                 CR_METRIC_(cr_iou_with, __VA_ARGS__)
#define cr_auc(...)                 CR_METRIC_(cr_auc_with, __VA_ARGS__)
#define cr_mean_absolute_error(...) CR_METRIC_(cr_mean_absolute_error_with, __VA_ARGS__)
#define cr_mean_squared_error(...)  CR_METRIC_(cr_mean_squared_error_with, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
