/* What BatchNorm and InstanceNorm have in common: weight, bias and running statistics of each channel, made at once or,
 * in lazy ones, at the first input or when a state dict that has them is loaded. */
#ifndef CRESSET_CORE_NN_CHANNEL_NORM_H
#define CRESSET_CORE_NN_CHANNEL_NORM_H

#include "core/nn/layer.h"

typedef struct cr_channel_norm {
    cr_module module;
    cr_tensor *weight, *bias, *running_mean, *running_var, *num_batches_tracked; /* or null */
    int64_t num_features;
    double eps, momentum; /* momentum 0 with no_momentum */
    int dims;             /* spatial; BatchNorm, 0: any number */
    bool no_momentum, affine, tracks;
    bool averages; /* for a while, as if there were no momentum: update_bn */
    const cr_module_type
        *lazy_for; /* what it becomes at the first input; null: it is that already */
    cr_layer_place place;
} cr_channel_norm;

/* What both kinds' options say. */
typedef struct cr_channel_norm_options {
    int64_t num_features;
    double eps, momentum; /* 0: 1e-5, 0.1 */
    bool no_momentum, affine, tracks;
    const char *device;
    cr_dtype dtype;
} cr_channel_norm_options;

/* A module of the type, whose size is a cr_channel_norm's; null, with the error set. Where lazy_for isn't null num_features
 * doesn't count and tensors are made later. */
cr_module *cr_channel_norm_new(const cr_module_type *type, int dims,
                               const cr_channel_norm_options *o, const cr_module_type *lazy_for);

/* Makes what a lazy one has not made yet, for so many channels. False with the error set. */
bool cr_channel_norm_ready(cr_channel_norm *self, int64_t channels);

/* The types' extra_repr, and lazy types' loading. */
int cr_channel_norm_repr(const cr_module *module, char *to, size_t bytes);
bool cr_channel_norm_loading(cr_module *module, const cr_state_dict *dict, const char *prefix);

#endif
