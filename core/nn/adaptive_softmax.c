/* AdaptiveLogSoftmaxWithLoss: a head over the frequent classes and the clusters, a small network for each cluster of rare ones,
 * which is computed only for the samples that fall into it. */
#include <string.h>

#include <cresset/losses.h>

#include "core/nn/layer.h"

enum { MOST_CUTOFFS = 32 };

typedef struct adaptive_softmax {
    cr_module module;
    cr_module *head, *tail;
    int64_t cutoffs[MOST_CUTOFFS + 1]; /* the last one is the number of classes */
    int64_t clusters;
} adaptive_softmax;

/* The logarithms of the probabilities of cluster i's classes, within the cluster. */
static cr_tensor *cluster_log_prob(const adaptive_softmax *self, int64_t i, cr_tensor *x)
{
    return cr_log_softmax(cr_forward(cr_module_at(self->tail, i), x), 1);
}

/* Writes the samples of cluster i into *output, and its number in the head into *indices. Returns how many there are, -1 after
 * an error. */
static int64_t add_cluster(const adaptive_softmax *self, int64_t i, cr_tensor *x, cr_tensor *target,
                           cr_tensor **output, cr_tensor **indices)
{
    int64_t low = self->cutoffs[i];
    cr_tensor *inside =
        cr_logical_and(cr_ge_scalar(target, low), cr_lt_scalar(target, self->cutoffs[i + 1]));
    cr_tensor *rows = cr_squeeze_dim(cr_nonzero(inside), 1);
    if (!rows)
        return -1;
    if (!cr_tensor_numel(rows))
        return 0;
    cr_tensor *within = cr_unsqueeze(cr_sub_scalar(cr_index_select(target, 0, rows), low), 1);
    cr_tensor *all = cluster_log_prob(self, i, cr_index_select(x, 0, rows));
    cr_tensor *local = cr_squeeze_dim(cr_gather(all, 1, within), 1);
    *output = cr_index_copy(*output, 0, rows, local);
    *indices = cr_index_fill(*indices, 0, rows, self->cutoffs[0] + i);
    return *output && *indices ? cr_tensor_numel(rows) : -1;
}

static bool check_inputs(const cr_tensor *x, const cr_tensor *target)
{
    int rank = cr_tensor_dim(target);
    if (rank > 1)
        cr_fail("AdaptiveLogSoftmaxWithLoss: 0D or 1D target tensor expected, multi-target not "
                "supported, got %s",
                cr_shape_text(target));
    else if (cr_tensor_dim(x) != rank + 1)
        cr_fail("AdaptiveLogSoftmaxWithLoss: %dD target tensor expects %dD input tensors, but "
                "found inputs with size %s",
                rank, rank + 1, cr_shape_text(x));
    else if (rank && cr_tensor_size(x, 0) != cr_tensor_size(target, 0))
        cr_fail("AdaptiveLogSoftmaxWithLoss: Input and target should have the same size in the "
                "batch dimension, got %s and %s",
                cr_shape_text(x), cr_shape_text(target));
    else
        return true;
    return false;
}

static size_t forward_adaptive(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const adaptive_softmax *self = (const adaptive_softmax *)(const void *)module;
    if (!cr_module_check_inputs(module, 2, n) || !check_inputs(inputs[0], inputs[1]))
        return 0;
    bool batched = cr_tensor_dim(inputs[1]) == 1;
    cr_tensor *x = batched ? inputs[0] : cr_unsqueeze(inputs[0], 0);
    cr_tensor *target = batched ? inputs[1] : cr_unsqueeze(inputs[1], 0), *indices = target;
    cr_tensor *head = cr_log_softmax(cr_forward(self->head, x), 1);
    if (!head || !target)
        return 0;
    cr_tensor *output = cr_zeros(CR_INTS(cr_tensor_size(x, 0)), .dtype = cr_tensor_dtype(head),
                                 .device = cr_tensor_device(head));
    int64_t classes = self->cutoffs[self->clusters];
    if (cr_tensor_numel(target)) {
        double least = cr_item(cr_min(target)), most = cr_item(cr_max(target));
        if (!(least >= 0 && most < (double)classes))
            return cr_fail("AdaptiveLogSoftmaxWithLoss: Target values should be in [0, %lld], but "
                           "values in range [%.0f, %.0f] were found",
                           (long long)classes - 1, least, most),
                   0;
    }
    for (int64_t i = 0; i < self->clusters; i++)
        if (add_cluster(self, i, x, target, &output, &indices) < 0)
            return 0;
    output = cr_add(output, cr_squeeze_dim(cr_gather(head, 1, cr_unsqueeze(indices, 1)), 1));
    outputs[0] = batched ? output : cr_squeeze_dim(output, 0);
    outputs[1] = cr_neg(cr_mean(output));
    return outputs[0] && outputs[1] ? 2 : 0;
}

static const cr_module_type adaptive_type = {.name = "AdaptiveLogSoftmaxWithLoss",
                                             .size = sizeof(adaptive_softmax),
                                             .forward = forward_adaptive};

/* ---- all classes ---- */

static const adaptive_softmax *as_adaptive(const cr_module *module, const char *who)
{
    if (!cr_is_module(module, who))
        return NULL;
    if (module->type == &adaptive_type)
        return (const adaptive_softmax *)(const void *)module;
    return cr_fail("%s: an AdaptiveLogSoftmaxWithLoss is needed, not %s", who, module->type->name);
}

cr_tensor *cr_adaptive_log_prob(cr_module *module, cr_tensor *x)
{
    const adaptive_softmax *self = as_adaptive(module, "cr_adaptive_log_prob");
    if (!self || !x)
        return NULL;
    cr_tensor *result = NULL, *parts[MOST_CUTOFFS + 1];
    int64_t first = self->cutoffs[0];
    cr_scope_begin();
    cr_tensor *head = cr_log_softmax(cr_forward(self->head, x), 1);
    parts[0] = head ? cr_narrow(head, 1, 0, first) : NULL;
    for (int64_t i = 0; i < self->clusters; i++)
        parts[i + 1] =
            head ? cr_add(cluster_log_prob(self, i, x), cr_narrow(head, 1, first + i, 1)) : NULL;
    result = head ? cr_cat(cr_make_tensors(parts, (size_t)self->clusters + 1), .dim = 1) : NULL;
    cr_keep(result);
    cr_scope_end();
    return result;
}

cr_tensor *cr_adaptive_predict(cr_module *module, cr_tensor *x)
{
    cr_tensor *result = NULL;
    if (!as_adaptive(module, "cr_adaptive_predict"))
        return NULL;
    cr_scope_begin();
    result = cr_argmax(cr_adaptive_log_prob(module, x), .dim = CR_SOME(1));
    cr_keep(result);
    cr_scope_end();
    return result;
}

/* ---- making one ---- */

static bool set_cutoffs(adaptive_softmax *self, cr_ints cutoffs, int64_t classes)
{
    const int64_t *values = cutoffs.data ? cutoffs.data : &cutoffs.one;
    bool good = cutoffs.count >= 1 && cutoffs.count <= MOST_CUTOFFS;
    for (int64_t i = 0; good && i < cutoffs.count; i++) {
        good = values[i] > (i ? values[i - 1] : 0) && values[i] < classes;
        self->cutoffs[i] = values[i];
    }
    if (!good) {
        cr_fail("AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of 1 to %d unique, "
                "positive integers sorted in an increasing order, where each value is between 1 "
                "and n_classes-1",
                MOST_CUTOFFS);
        return false;
    }
    self->clusters = cutoffs.count;
    self->cutoffs[cutoffs.count] = classes;
    return true;
}

static bool add_children(adaptive_softmax *self, int64_t in_features,
                         const cr_adaptive_log_softmax_options *o)
{
    double divisor = cr_or_default(o->div_value, 4), width = (double)in_features;
    if (!CR_SET(self, head,
                cr_linear(in_features, self->cutoffs[0] + self->clusters, !o->head_bias,
                          .device = o->device, .dtype = o->dtype)) ||
        !CR_SET(self, tail, cr_module_list()))
        return false;
    for (int64_t i = 0; i < self->clusters; i++) {
        int64_t hidden = (int64_t)floor(width / pow(divisor, (double)i + 1));
        cr_module *down =
            cr_linear(in_features, hidden, .no_bias = true, .device = o->device, .dtype = o->dtype);
        cr_module *up = cr_linear(hidden, self->cutoffs[i + 1] - self->cutoffs[i], .no_bias = true,
                                  .device = o->device, .dtype = o->dtype);
        if (!down || !up || !cr_module_append(self->tail, cr_sequential(down, up)))
            return false;
    }
    return true;
}

cr_module *cr_adaptive_log_softmax_with_loss_with(int64_t in_features, int64_t n_classes,
                                                  cr_ints cutoffs,
                                                  const cr_adaptive_log_softmax_options *o)
{
    static const cr_adaptive_log_softmax_options none = {.end_ = 0};
    o = o ? o : &none;
    if (in_features < 1 || o->div_value < 0)
        return cr_fail("AdaptiveLogSoftmaxWithLoss: in_features and div_value must be positive");
    adaptive_softmax *self = cr_module_new(&adaptive_type, NULL);
    if (!self || !set_cutoffs(self, cutoffs, n_classes))
        return NULL;
    bool good = false;
    CR_SCOPE
        good = add_children(self, in_features, o);
    return good ? &self->module : NULL;
}
