/* Metrics of classes: accuracy, precision, recall, F1, intersection over union, area under the curve. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/metrics.h>
#include <cresset/ops.h>

#include "core/train/numbers.h"

enum { MOST_CLASSES = 65536 };

/* Predicted and true classes, or a score for each target. */
typedef struct pairs {
    int64_t count;
    double *predicted, *target;
    bool scores; /* one number for each target */
} pairs;

static void free_pairs(pairs *p)
{
    free(p->predicted);
    free(p->target);
}

/* Reads a batch. Of scores of several classes: the winner, or with `score` class 1's lead over class 0. */
static int read_pairs(const char *who, cr_tensor *prediction, cr_tensor *target, bool score,
                      pairs *p)
{
    *p = (pairs){.count = cr_tensor_numel(target)};
    int status = -1, dim = cr_tensor_dim(prediction);
    CR_SCOPE
        CR_NO_GRAD {
            prediction = cr_detach(prediction);
            if (dim == cr_tensor_dim(target) + 1 && cr_tensor_size(prediction, 1) > 1 &&
                cr_tensor_numel(prediction) == p->count * cr_tensor_size(prediction, 1)) {
                if (score && cr_tensor_size(prediction, 1) != 2)
                    cr_fail("%s: scores of %lld classes; it is for two", who,
                            (long long)cr_tensor_size(prediction, 1));
                prediction = score
                                 ? cr_sub(cr_select(prediction, 1, 1), cr_select(prediction, 1, 0))
                                 : cr_argmax(prediction, .dim = CR_SOME(1));
            } else if (cr_tensor_numel(prediction) == p->count) {
                p->scores = cr_is_floating_point(prediction);
            } else {
                cr_numbers_mismatch(who, prediction, target);
                prediction = NULL;
            }
            p->predicted = cr_numbers_read(prediction);
            p->target = cr_numbers_read(target);
            status = p->predicted && p->target && !cr_error() ? 0 : -1;
        }
    if (status)
        free_pairs(p);
    return status;
}

static int read_classes(const char *who, cr_metric *m, cr_tensor *prediction, cr_tensor *target,
                        pairs *p)
{
    const cr_metric_options *o = cr_metric_settings(m);
    double threshold = o->threshold != 0 || o->from_logits ? o->threshold : 0.5;
    if (read_pairs(who, prediction, target, false, p))
        return -1;
    for (int64_t i = 0; i < p->count; i++) {
        if (p->scores)
            p->predicted[i] = p->predicted[i] > threshold;
        double t = p->target[i], c = p->predicted[i];
        if (!(t >= 0 && t < MOST_CLASSES && c >= 0 && c < MOST_CLASSES && t == floor(t))) {
            cr_fail("%s: class %g predicted for class %g; classes are integers from 0 to %d", who,
                    c, t, MOST_CLASSES - 1);
            free_pairs(p);
            return -1;
        }
    }
    return 0;
}

/* ---- accuracy: right, all ---- */

static int update_accuracy(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    pairs p;
    double *s = cr_metric_state(m, 2);
    if (!s || read_classes("accuracy", m, prediction, target, &p))
        return -1;
    for (int64_t i = 0; i < p.count; i++)
        s[0] += p.predicted[i] == p.target[i];
    s[1] += (double)p.count;
    free_pairs(&p);
    return 0;
}

static double ratio(const cr_metric *m)
{
    size_t n;
    const double *s = cr_metric_values(m, &n);
    return n && s[1] > 0 ? s[0] / s[1] : NAN;
}

/* ---- counts of every class: true positive, false positive, false negative ---- */

static int update_counts(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    pairs p;
    if (read_classes(cr_metric_name(m), m, prediction, target, &p))
        return -1;
    double most = 1;
    for (int64_t i = 0; i < p.count; i++)
        most = fmax(most, fmax(p.predicted[i], p.target[i]));
    double *s = cr_metric_state(m, 3 * ((size_t)most + 1));
    for (int64_t i = 0; i < p.count && s; i++) {
        size_t c = (size_t)p.predicted[i], t = (size_t)p.target[i];
        if (c == t) {
            s[3 * c]++;
        } else {
            s[3 * c + 1]++;
            s[3 * t + 2]++;
        }
    }
    free_pairs(&p);
    return s ? 0 : -1;
}

typedef double (*quotient)(double tp, double fp, double fn);

static double part(double a, double b)
{
    return b > 0 ? a / b : 0;
}
static double precision(double tp, double fp, double fn)
{
    (void)fn;
    return part(tp, tp + fp);
}
static double recall(double tp, double fp, double fn)
{
    (void)fp;
    return part(tp, tp + fn);
}
static double f1(double tp, double fp, double fn)
{
    return part(2 * tp, 2 * tp + fp + fn);
}
static double iou(double tp, double fp, double fn)
{
    return part(tp, tp + fp + fn);
}

static double average(const cr_metric *m, quotient q, cr_average how)
{
    size_t n, present = 0;
    const double *s = cr_metric_values(m, &n);
    double sum = 0, tp = 0, fp = 0, fn = 0;
    if (!n)
        return NAN;
    if (how == CR_AVERAGE_DEFAULT)
        how = n == 6 ? CR_AVERAGE_BINARY : CR_AVERAGE_MACRO;
    if (how == CR_AVERAGE_BINARY)
        return q(s[3], s[4], s[5]);
    for (size_t i = 0; i < n; i += 3) {
        tp += s[i];
        fp += s[i + 1];
        fn += s[i + 2];
        if (s[i] + s[i + 1] + s[i + 2] > 0) {
            sum += q(s[i], s[i + 1], s[i + 2]);
            present++;
        }
    }
    return how == CR_AVERAGE_MICRO ? q(tp, fp, fn) : present ? sum / (double)present : NAN;
}

static double compute_precision(const cr_metric *m)
{
    return average(m, precision, cr_metric_settings(m)->average);
}
static double compute_recall(const cr_metric *m)
{
    return average(m, recall, cr_metric_settings(m)->average);
}
static double compute_f1(const cr_metric *m)
{
    return average(m, f1, cr_metric_settings(m)->average);
}
static double compute_iou(const cr_metric *m)
{
    cr_average how = cr_metric_settings(m)->average;
    return average(m, iou, how ? how : CR_AVERAGE_MACRO);
}

/* ---- area under the curve: score, class, score, class, … ---- */

static int update_auc(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    pairs p;
    size_t n;
    if (read_pairs("auc", prediction, target, true, &p))
        return -1;
    cr_metric_values(m, &n);
    double *s = cr_metric_state(m, n + 2 * (size_t)p.count);
    int status = s ? 0 : -1;
    for (int64_t i = 0; i < p.count && !status; i++) {
        s[n + 2 * (size_t)i] = p.predicted[i];
        s[n + 2 * (size_t)i + 1] = p.target[i];
        if (p.target[i] != 0 && p.target[i] != 1)
            status = (cr_fail("auc: class %g; expected 0 or 1", p.target[i]), -1);
    }
    free_pairs(&p);
    return status;
}

static int by_score(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By ranks: the part of pairs (positive, negative) in which the positive has the higher score. */
static double compute_auc(const cr_metric *m)
{
    size_t n;
    const double *s = cr_metric_values(m, &n);
    double *sorted = n ? malloc(n * sizeof *sorted) : NULL, won = 0, below = 0, positives = 0;
    if (!sorted)
        return NAN;
    memcpy(sorted, s, n * sizeof *sorted);
    qsort(sorted, n / 2, 2 * sizeof *sorted, by_score);
    for (size_t i = 0, end; i < n; i = end) {
        double up = 0, down = 0;
        for (end = i; end < n && sorted[end] == sorted[i]; end += 2)
            *(sorted[end + 1] != 0 ? &up : &down) += 1;
        if (end == i) { /* NaN equals nothing */
            positives = NAN;
            break;
        }
        won += up * (below + down / 2);
        below += down;
        positives += up;
    }
    free(sorted);
    return positives > 0 && below > 0 ? won / (positives * below) : NAN;
}

/* ---- */

#define CR_CLASS_METRIC(function, title, update, compute)                    \
    cr_metric *cr_##function##_with(const cr_metric_options *options)        \
    {                                                                        \
        static const cr_metric_class kind = {title, false, update, compute}; \
        return cr_metric_new(&kind, options);                                \
    }
CR_CLASS_METRIC(accuracy, "accuracy", update_accuracy, ratio)
CR_CLASS_METRIC(precision, "precision", update_counts, compute_precision)
CR_CLASS_METRIC(recall, "recall", update_counts, compute_recall)
CR_CLASS_METRIC(f1_score, "f1", update_counts, compute_f1)
CR_CLASS_METRIC(iou, "iou", update_counts, compute_iou)
CR_CLASS_METRIC(auc, "auc", update_auc, compute_auc)
