/* Embedding. */
#include "core/nn/layer.h"

typedef struct embedding {
    cr_module module;
    cr_tensor *weight;
    int64_t num_embeddings, embedding_dim, padding_idx; /* -1: none */
    bool scale_grad_by_freq;
} embedding;

static size_t forward_embedding(cr_module *module, cr_tensor *const *inputs, size_t n,
                                cr_tensor **outputs)
{
    const embedding *self = (const embedding *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = cr_f_embedding(self->weight, inputs[0], .padding_idx = CR_SOME(self->padding_idx),
                                .scale_grad_by_freq = self->scale_grad_by_freq);
    return outputs[0] != NULL;
}

static int embedding_repr(const cr_module *module, char *to, size_t bytes)
{
    const embedding *self = (const embedding *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld", (long long)self->num_embeddings,
                (long long)self->embedding_dim);
    if (self->padding_idx >= 0)
        cr_text_add(&text, ", padding_idx=%lld", (long long)self->padding_idx);
    if (self->scale_grad_by_freq)
        cr_text_add(&text, ", scale_grad_by_freq=True");
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type embedding_type = {.name = "Embedding",
                                              .size = sizeof(embedding),
                                              .forward = forward_embedding,
                                              .extra_repr = embedding_repr};

cr_module *cr_embedding_with(const cr_embedding_options *o)
{
    if (!o || o->num_embeddings < 1 || o->embedding_dim < 0)
        return cr_fail("Embedding: num_embeddings must be positive, embedding_dim not negative, "
                       "got %lld and %lld",
                       (long long)CR_OPTION(o, num_embeddings),
                       (long long)CR_OPTION(o, embedding_dim));
    int64_t padding = o->padding_idx.given ? o->padding_idx.value : -1;
    if (o->padding_idx.given && (padding < -o->num_embeddings || padding >= o->num_embeddings))
        return cr_fail("Embedding: Padding_idx must be within num_embeddings, got %lld of %lld",
                       (long long)padding, (long long)o->num_embeddings);
    embedding *self = cr_module_new(&embedding_type, NULL);
    if (!self)
        return NULL;
    self->num_embeddings = o->num_embeddings;
    self->embedding_dim = o->embedding_dim;
    self->padding_idx = o->padding_idx.given && padding < 0 ? padding + o->num_embeddings : padding;
    self->scale_grad_by_freq = o->scale_grad_by_freq;
    bool good = false;
    CR_SCOPE
        CR_NO_GRAD {
            cr_tensor *weight = cr_layer_parameter(self, "weight", &self->weight,
                                                   CR_INTS(o->num_embeddings, o->embedding_dim),
                                                   o->device, o->dtype);
            good = cr_init_normal_(weight, 0, 1) &&
                   (self->padding_idx < 0 || cr_zero_(cr_select(weight, 0, self->padding_idx)));
        }
    return good ? &self->module : NULL;
}
