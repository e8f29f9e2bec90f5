/* Metrics of numbers: mean absolute and mean squared error. */
#include <math.h>
#include <stdlib.h>

#include <cresset/metrics.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/train/numbers.h"

double *cr_numbers_read(cr_tensor *tensor)
{
    if (!tensor)
        return NULL;
    size_t bytes = (size_t)cr_tensor_numel(tensor) * sizeof(double);
    double *to = malloc(bytes ? bytes : 1);
    if (!to)
        return cr_fail_memory("a metric's numbers", bytes);
    int status = -1;
    CR_SCOPE
        CR_NO_GRAD
            status = cr_tensor_read(cr_to_dtype(cr_detach(tensor), CR_F64), to, bytes);
    if (!status)
        return to;
    free(to);
    return NULL;
}

void cr_numbers_mismatch(const char *who, const cr_tensor *prediction, const cr_tensor *target)
{
    cr_text text = {0};
    cr_text_add(&text, "%s: a prediction ", who);
    cr_text_add_sizes(&text, cr_tensor_sizes(prediction), cr_tensor_dim(prediction));
    cr_text_add(&text, " doesn't fit a target ");
    cr_text_add_sizes(&text, cr_tensor_sizes(target), cr_tensor_dim(target));
    cr_fail("%s", text.data ? text.data : who);
    cr_text_free(&text);
}

static int update(cr_metric *m, cr_tensor *prediction, cr_tensor *target, bool square)
{
    double *s = cr_metric_state(m, 2);
    int64_t count = cr_tensor_numel(target);
    if (!s)
        return -1;
    if (cr_tensor_numel(prediction) != count) {
        cr_numbers_mismatch(cr_metric_name(m), prediction, target);
        return -1;
    }
    double *p = cr_numbers_read(prediction), *t = cr_numbers_read(target);
    for (int64_t i = 0; i < count && p && t; i++) {
        double d = p[i] - t[i];
        s[0] += square ? d * d : fabs(d);
    }
    s[1] += (double)count;
    int status = p && t ? 0 : -1;
    free(p);
    free(t);
    return status;
}

static int update_absolute(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    return update(m, prediction, target, false);
}

static int update_squared(cr_metric *m, cr_tensor *prediction, cr_tensor *target)
{
    return update(m, prediction, target, true);
}

static double mean(const cr_metric *m)
{
    size_t n;
    const double *s = cr_metric_values(m, &n);
    return n && s[1] > 0 ? s[0] / s[1] : NAN;
}

cr_metric *cr_mean_absolute_error_with(const cr_metric_options *options)
{
    static const cr_metric_class kind = {"mae", true, update_absolute, mean};
    return cr_metric_new(&kind, options);
}

cr_metric *cr_mean_squared_error_with(const cr_metric_options *options)
{
    static const cr_metric_class kind = {"mse", true, update_squared, mean};
    return cr_metric_new(&kind, options);
}
