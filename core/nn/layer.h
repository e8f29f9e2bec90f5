/* What layers share: options with defaults, and parameters made and initialised. */
#ifndef CRESSET_CORE_NN_LAYER_H
#define CRESSET_CORE_NN_LAYER_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cresset/init.h>
#include <cresset/layers.h>
#include <cresset/ops.h>

#include "core/nn/nn.h"
#include "core/nn/repr.h"

/* A member of options that may be null. */
#define CR_OPTION(o, member) ((o) ? (o)->member : 0)

/* A number whose zero means the default and whose minus zero (CR_ZERO) means zero. */
static inline double cr_or_default(double given, double fallback)
{
    return given == 0 && !signbit(given) ? fallback : given + 0.0;
}

static inline int64_t cr_or_default_int(int64_t given, int64_t fallback)
{
    return given ? given : fallback;
}

/* A new parameter, not initialised; null, with the error set. */
static inline cr_tensor *cr_layer_parameter(void *self, const char *name, cr_tensor **place,
                                            cr_ints sizes, const char *device, cr_dtype dtype)
{
    cr_tensor *t =
        cr_empty_with(sizes, &(const cr_empty_options){.dtype = dtype ? dtype : cr_default_dtype(),
                                                       .device = device});
    return cr_module_set_parameter(self, name, place, t);
}

/* A norm's weight of ones and bias of zeros; false, with the error set. */
static inline bool cr_layer_affine(void *self, cr_tensor **weight, cr_tensor **bias, cr_ints sizes,
                                   const char *device, cr_dtype dtype)
{
    return cr_init_ones_(cr_layer_parameter(self, "weight", weight, sizes, device, dtype)) &&
           cr_init_zeros_(cr_layer_parameter(self, "bias", bias, sizes, device, dtype));
}

/* Where a lazy layer will make its parameters, and in what. */
typedef struct cr_layer_place {
    char device[32]; /* "": the default one */
    cr_dtype dtype;
} cr_layer_place;

/* False, with the error set, for a name that is too long for a device. */
static inline bool cr_layer_set_place(cr_layer_place *place, const cr_module_type *type,
                                      const char *device, cr_dtype dtype)
{
    place->dtype = dtype;
    if (snprintf(place->device, sizeof place->device, "%s", device ? device : "") <
        (int)sizeof place->device)
        return true;
    cr_fail("%s: there is no device %s", type->name, device);
    return false;
}

static inline const char *cr_layer_device(const cr_layer_place *place)
{
    return *place->device ? place->device : NULL;
}

/* The tensor that a state dict has for a module's own `name`; null, and no error, where there is none. */
static inline cr_tensor *cr_layer_saved(const cr_state_dict *dict, const char *prefix,
                                        const char *name)
{
    cr_text full = {0};
    cr_text_add(&full, "%s%s", prefix, name);
    cr_tensor *found = full.failed ? NULL : cr_state_dict_get(dict, full.data);
    cr_text_free(&full);
    return found;
}

/* Linear and convolution layers' initial values: kaiming_uniform with a = √5, which is uniform in ±1/√fan_in, and the bias (or
 * null) in the same. Returns whether it worked. */
bool cr_layer_reset(cr_tensor *weight, cr_tensor *bias);

/* A Linear that prints as NonDynamicallyQuantizableLinear, as attention's out_proj does. */
cr_module *cr_linear_non_quantizable(const cr_linear_options *options);

#endif
