/* CosineSimilarity and PairwiseDistance, called with two tensors. */
#include <cresset/losses.h>

#include "core/nn/layer.h"

typedef struct distance {
    cr_module module;
    int64_t dim;
    double p, eps;
    bool keepdim;
} distance;

static size_t forward_cosine(cr_module *module, cr_tensor *const *inputs, size_t n,
                             cr_tensor **outputs)
{
    const distance *self = (const distance *)(const void *)module;
    if (!cr_module_check_inputs(module, 2, n))
        return 0;
    outputs[0] = cr_f_cosine_similarity(inputs[0], inputs[1], .dim = CR_SOME(self->dim),
                                        .eps = CR_SOME(self->eps));
    return outputs[0] != NULL;
}

cr_module *cr_cosine_similarity_with(const cr_cosine_similarity_options *o)
{
    static const cr_module_type type = {
        .name = "CosineSimilarity", .size = sizeof(distance), .forward = forward_cosine};
    distance *self = cr_module_new(&type, NULL);
    if (!self)
        return NULL;
    self->dim = o && o->dim.given ? o->dim.value : 1;
    self->eps = cr_or_default(CR_OPTION(o, eps), 1e-8);
    return &self->module;
}

static size_t forward_pairwise(cr_module *module, cr_tensor *const *inputs, size_t n,
                               cr_tensor **outputs)
{
    const distance *self = (const distance *)(const void *)module;
    if (!cr_module_check_inputs(module, 2, n))
        return 0;
    outputs[0] = cr_pairwise_distance(inputs[0], inputs[1], .p = CR_SOME(self->p),
                                      .eps = CR_SOME(self->eps), .keepdim = self->keepdim);
    return outputs[0] != NULL;
}

cr_module *cr_pairwise_distance_layer_with(const cr_pairwise_distance_layer_options *o)
{
    static const cr_module_type type = {
        .name = "PairwiseDistance", .size = sizeof(distance), .forward = forward_pairwise};
    distance *self = cr_module_new(&type, NULL);
    if (!self)
        return NULL;
    self->p = cr_or_default(CR_OPTION(o, p), 2);
    self->eps = cr_or_default(CR_OPTION(o, eps), 1e-6);
    self->keepdim = CR_OPTION(o, keepdim);
    return &self->module;
}
