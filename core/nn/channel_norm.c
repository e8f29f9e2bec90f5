/* See channel_norm.h. */
#include "core/nn/channel_norm.h"

static bool add_running_stats(cr_channel_norm *self)
{
    cr_dtype dtype = self->place.dtype ? self->place.dtype : cr_default_dtype();
    const char *device = cr_layer_device(&self->place);
    return CR_SET_BUFFER(self, running_mean,
                         cr_zeros(self->num_features, .dtype = dtype, .device = device)) &&
           CR_SET_BUFFER(self, running_var,
                         cr_ones(self->num_features, .dtype = dtype, .device = device)) &&
           CR_SET_BUFFER(self, num_batches_tracked,
                         cr_zeros(CR_EMPTY, .dtype = CR_I64, .device = device));
}

static bool make_tensors(cr_channel_norm *self)
{
    bool good = true;
    CR_SCOPE {
        if (self->affine)
            good = cr_layer_affine(self, &self->weight, &self->bias, CR_INTS(self->num_features),
                                   cr_layer_device(&self->place), self->place.dtype);
        if (self->tracks)
            good = good && add_running_stats(self);
    }
    return good;
}

bool cr_channel_norm_ready(cr_channel_norm *self, int64_t channels)
{
    if (!self->lazy_for)
        return true;
    self->num_features = channels;
    if (!make_tensors(self))
        return false;
    self->module.type = self->lazy_for;
    self->lazy_for = NULL;
    return true;
}

bool cr_channel_norm_loading(cr_module *module, const cr_state_dict *dict, const char *prefix)
{
    cr_channel_norm *self = (cr_channel_norm *)(void *)module;
    const cr_tensor *saved = cr_layer_saved(dict, prefix, self->affine ? "weight" : "running_mean");
    return !saved || cr_tensor_dim(saved) != 1 ||
           cr_channel_norm_ready(self, cr_tensor_sizes(saved)[0]);
}

int cr_channel_norm_repr(const cr_module *module, char *to, size_t bytes)
{
    const cr_channel_norm *self = (const cr_channel_norm *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, eps=", (long long)self->num_features);
    cr_repr_float(&text, self->eps);
    cr_text_add(&text, ", momentum=");
    if (self->no_momentum)
        cr_text_add(&text, "None");
    else
        cr_repr_float(&text, self->momentum);
    cr_text_add(&text, ", affine=%s, track_running_stats=%s", cr_repr_bool(self->affine),
                cr_repr_bool(self->tracks));
    return cr_repr_finish(&text, to, bytes);
}

cr_module *cr_channel_norm_new(const cr_module_type *type, int dims,
                               const cr_channel_norm_options *o, const cr_module_type *lazy_for)
{
    if (!lazy_for && o->num_features < 1)
        return cr_fail("%s: num_features must be positive, got %lld", type->name,
                       (long long)o->num_features);
    cr_channel_norm *self = cr_module_new(type, NULL);
    if (!self || !cr_layer_set_place(&self->place, type, o->device, o->dtype))
        return NULL;
    self->num_features = o->num_features;
    self->eps = cr_or_default(o->eps, 1e-5);
    self->momentum = o->no_momentum ? 0 : cr_or_default(o->momentum, 0.1);
    self->no_momentum = o->no_momentum;
    self->affine = o->affine;
    self->tracks = o->tracks;
    self->dims = dims;
    self->lazy_for = lazy_for;
    return lazy_for || make_tensors(self) ? &self->module : NULL;
}
