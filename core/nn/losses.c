/* The losses as modules: options kept, and one operation. */
#include <string.h>

#include <cresset/losses.h>

#include "core/nn/layer.h"

typedef struct loss {
    cr_module module;
    cr_tensor *weight, *pos_weight;
    int64_t reduction; /* as the operations have it: 0 none, 1 mean, 2 sum */
    int64_t ignore_index;
    double label_smoothing;
} loss;

#define LOSS(id, words, call)                                                         \
    static size_t forward_##id(cr_module *module, cr_tensor *const *inputs, size_t n, \
                               cr_tensor **outputs)                                   \
    {                                                                                 \
        const loss *s = (const loss *)(const void *)module;                           \
        if (!cr_module_check_inputs(module, 2, n))                                    \
            return 0;                                                                 \
        cr_tensor *x = inputs[0], *t = inputs[1];                                     \
        outputs[0] = (call);                                                          \
        return outputs[0] != NULL;                                                    \
    }                                                                                 \
    static const cr_module_type id##_type = {                                         \
        .name = words, .size = sizeof(loss), .forward = forward_##id};

#define REDUCTION .reduction = CR_SOME(s->reduction)
LOSS(cross_entropy, "CrossEntropyLoss",
     cr_cross_entropy(x, t, .weight = s->weight, .ignore_index = CR_SOME(s->ignore_index),
                      .label_smoothing = s->label_smoothing, REDUCTION))
LOSS(nll, "NLLLoss",
     cr_nll_loss(x, t, .weight = s->weight, .ignore_index = CR_SOME(s->ignore_index), REDUCTION))
LOSS(mse, "MSELoss", cr_mse_loss(x, t, REDUCTION))
LOSS(l1, "L1Loss", cr_l1_loss(x, t, REDUCTION))
LOSS(bce, "BCELoss", cr_binary_cross_entropy(x, t, .weight = s->weight, REDUCTION))
LOSS(bce_with_logits, "BCEWithLogitsLoss",
     cr_binary_cross_entropy_with_logits(x, t, .weight = s->weight, .pos_weight = s->pos_weight,
                                         REDUCTION))
#undef REDUCTION

static loss *new_loss(const cr_module_type *type, const char *reduction, cr_tensor *weight)
{
    static const char *const names[] = {"none", "mean", "sum"};
    int64_t number = reduction ? -1 : 1;
    for (int i = 0; reduction && i < 3; i++)
        if (!strcmp(reduction, names[i]))
            number = i;
    if (number < 0)
        return cr_fail("%s: %s is not a valid value for reduction (none, mean, sum)", type->name,
                       reduction);
    loss *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->reduction = number;
    if (weight)
        CR_SET_BUFFER(self, weight, weight);
    return weight && !self->weight ? NULL : self;
}

cr_module *cr_cross_entropy_loss_with(const cr_cross_entropy_loss_options *o)
{
    static const cr_cross_entropy_loss_options none = {.end_ = 0};
    o = o ? o : &none;
    if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        return cr_fail("CrossEntropyLoss: label_smoothing must be between 0.0 and 1.0. Got: %g",
                       o->label_smoothing);
    loss *self = new_loss(&cross_entropy_type, o->reduction, o->weight);
    if (!self)
        return NULL;
    self->ignore_index = o->ignore_index.given ? o->ignore_index.value : -100;
    self->label_smoothing = o->label_smoothing;
    return &self->module;
}

cr_module *cr_nll_loss_layer_with(const cr_nll_loss_layer_options *o)
{
    loss *self = new_loss(&nll_type, CR_OPTION(o, reduction), CR_OPTION(o, weight));
    if (!self)
        return NULL;
    self->ignore_index = o && o->ignore_index.given ? o->ignore_index.value : -100;
    return &self->module;
}

cr_module *cr_mse_loss_layer_with(const cr_loss_options *o)
{
    return (cr_module *)new_loss(&mse_type, CR_OPTION(o, reduction), NULL);
}

cr_module *cr_l1_loss_layer_with(const cr_loss_options *o)
{
    return (cr_module *)new_loss(&l1_type, CR_OPTION(o, reduction), NULL);
}

cr_module *cr_bce_loss_with(const cr_bce_loss_options *o)
{
    return (cr_module *)new_loss(&bce_type, CR_OPTION(o, reduction), CR_OPTION(o, weight));
}

cr_module *cr_bce_with_logits_loss_with(const cr_bce_with_logits_loss_options *o)
{
    loss *self = new_loss(&bce_with_logits_type, CR_OPTION(o, reduction), CR_OPTION(o, weight));
    if (self && CR_OPTION(o, pos_weight) && !CR_SET_BUFFER(self, pos_weight, o->pos_weight))
        return NULL;
    return (cr_module *)self;
}
