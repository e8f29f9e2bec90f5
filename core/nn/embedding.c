/* Embedding and EmbeddingBag, and the latter as a function. */
#include <string.h>

#include <cresset/functional.h>

#include "core/base/thread.h"
#include "core/nn/layer.h"

typedef struct embedding {
    cr_module module;
    cr_tensor *weight;
    int64_t num_embeddings, embedding_dim, padding_idx; /* -1: none */
    double max_norm, norm_type;                         /* max_norm 0: none */
    bool scale_grad_by_freq;
    int mode; /* EmbeddingBag's: 0 sum, 1 mean, 2 max */
    bool include_last_offset;
} embedding;

static const char *const modes[] = {"sum", "mean", "max"};

/* Scales the rows that are looked up, in place, so that their norm is at most max_norm. */
static bool renorm(const embedding *self, cr_tensor *indices)
{
    bool good = true;
    const char *was = cr_indices_mean("embedding: index out of range");
    if (self->max_norm > 0)
        CR_SCOPE
            CR_NO_GRAD {
                cr_tensor *flat = cr_reshape(indices, CR_INTS(-1));
                cr_tensor *rows = cr_renorm(cr_index_select(self->weight, 0, flat), self->norm_type,
                                            0, self->max_norm);
                good = cr_index_copy_(self->weight, 0, flat, rows) != NULL;
            }
    cr_this_thread.index_meaning = was;
    return good;
}

static size_t forward_embedding(cr_module *module, cr_tensor *const *inputs, size_t n,
                                cr_tensor **outputs)
{
    const embedding *self = (const embedding *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n) || !renorm(self, inputs[0]))
        return 0;
    outputs[0] = cr_f_embedding(self->weight, inputs[0], .padding_idx = CR_SOME(self->padding_idx),
                                .scale_grad_by_freq = self->scale_grad_by_freq);
    return outputs[0] != NULL;
}

/* Indices (B, N), or (N) with offsets, and the weights of a sum. */
static cr_tensor *bags_of(const char *who, const embedding *self, cr_tensor *indices,
                          cr_tensor *offsets, cr_tensor *weights)
{
    int rank = cr_tensor_dim(indices);
    if (rank < 1 || rank > 2 || (rank == 2) == (offsets != NULL))
        return cr_fail("%s: the input is 2D, or 1D with offsets; got %s %s offsets", who,
                       cr_shape_text(indices), offsets ? "with" : "without");
    if (weights && self->mode != 0)
        return cr_fail("%s: per_sample_weights are for mode 'sum', not '%s'", who,
                       modes[self->mode]);
    if (weights && (cr_tensor_dim(weights) != rank ||
                    memcmp(cr_tensor_sizes(weights), cr_tensor_sizes(indices),
                           (size_t)rank * sizeof(int64_t))))
        return cr_fail("%s: expected per_sample_weights of the input's shape %s, got %s", who,
                       cr_shape_text(indices), cr_shape_text(weights));
    if (rank == 2) {
        int64_t bags = cr_tensor_sizes(indices)[0], each = cr_tensor_sizes(indices)[1];
        offsets = cr_mul_scalar(
            cr_arange(bags, .dtype = CR_I64, .device = cr_tensor_device(indices)), each);
        indices = cr_reshape(indices, CR_INTS(-1));
        weights = weights ? cr_reshape(weights, CR_INTS(-1)) : NULL;
    }
    if (!renorm(self, indices))
        return NULL;
    cr_embedding_bag_result all = cr_embedding_bag(
        self->weight, indices, offsets, .scale_grad_by_freq = self->scale_grad_by_freq,
        .mode = self->mode, .per_sample_weights = weights,
        .include_last_offset = rank == 1 && self->include_last_offset,
        .padding_idx = CR_SOME(self->padding_idx));
    return all.output0;
}

static size_t forward_bag(cr_module *module, cr_tensor *const *inputs, size_t n,
                          cr_tensor **outputs)
{
    if (n > 3)
        return cr_module_check_inputs(module, 3, n);
    outputs[0] = bags_of("EmbeddingBag", (const embedding *)(const void *)module, inputs[0],
                         n > 1 ? inputs[1] : NULL, n > 2 ? inputs[2] : NULL);
    return outputs[0] != NULL;
}

static void norm_repr(cr_text *text, const embedding *self)
{
    if (self->max_norm > 0)
        cr_text_add(text, ", max_norm=");
    if (self->max_norm > 0)
        cr_repr_float(text, self->max_norm);
    if (self->norm_type != 2)
        cr_text_add(text, ", norm_type=%g", self->norm_type);
}

static int bag_repr(const cr_module *module, char *to, size_t bytes)
{
    const embedding *self = (const embedding *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld", (long long)self->num_embeddings,
                (long long)self->embedding_dim);
    norm_repr(&text, self);
    if (self->scale_grad_by_freq)
        cr_text_add(&text, ", scale_grad_by_freq=True");
    cr_text_add(&text, ", mode=%s", modes[self->mode]);
    if (self->padding_idx >= 0)
        cr_text_add(&text, ", padding_idx=%lld", (long long)self->padding_idx);
    return cr_repr_finish(&text, to, bytes);
}

static int embedding_repr(const cr_module *module, char *to, size_t bytes)
{
    const embedding *self = (const embedding *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "%lld, %lld", (long long)self->num_embeddings,
                (long long)self->embedding_dim);
    if (self->padding_idx >= 0)
        cr_text_add(&text, ", padding_idx=%lld", (long long)self->padding_idx);
    norm_repr(&text, self);
    if (self->scale_grad_by_freq)
        cr_text_add(&text, ", scale_grad_by_freq=True");
    return cr_repr_finish(&text, to, bytes);
}

static const cr_module_type embedding_type = {.name = "Embedding",
                                              .size = sizeof(embedding),
                                              .forward = forward_embedding,
                                              .extra_repr = embedding_repr};

static const cr_module_type bag_type = {.name = "EmbeddingBag",
                                        .size = sizeof(embedding),
                                        .forward = forward_bag,
                                        .extra_repr = bag_repr};

static cr_module *new_embedding(const cr_module_type *type, const cr_embedding_options *o)
{
    if (!o || o->num_embeddings < 1 || o->embedding_dim < 0)
        return cr_fail("%s: num_embeddings must be positive, embedding_dim not negative, "
                       "got %lld and %lld",
                       type->name, (long long)CR_OPTION(o, num_embeddings),
                       (long long)CR_OPTION(o, embedding_dim));
    int64_t padding = o->padding_idx.given ? o->padding_idx.value : -1;
    if (o->padding_idx.given && (padding < -o->num_embeddings || padding >= o->num_embeddings))
        return cr_fail("%s: Padding_idx must be within num_embeddings, got %lld of %lld",
                       type->name, (long long)padding, (long long)o->num_embeddings);
    embedding *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    self->num_embeddings = o->num_embeddings;
    self->embedding_dim = o->embedding_dim;
    self->padding_idx = o->padding_idx.given && padding < 0 ? padding + o->num_embeddings : padding;
    self->scale_grad_by_freq = o->scale_grad_by_freq;
    self->max_norm = o->max_norm;
    self->norm_type = cr_or_default(o->norm_type, 2);
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

cr_module *cr_embedding_with(const cr_embedding_options *options)
{
    return new_embedding(&embedding_type, options);
}

/* -1, and the error, for a word that is none. */
static int mode_of(const char *who, const char *word)
{
    word = word ? word : "mean";
    for (int i = 0; i < 3; i++)
        if (!strcmp(word, modes[i]))
            return i;
    return CR_FAIL_INT("%s: mode has to be one of sum, mean or max, got %s", who, word);
}

cr_tensor *cr_f_embedding_bag_with(cr_tensor *input, cr_tensor *weight,
                                   const cr_f_embedding_bag_options *o)
{
    static const cr_f_embedding_bag_options none = {0};
    o = o ? o : &none;
    embedding e = {.weight = weight,
                   .max_norm = o->max_norm,
                   .norm_type = cr_or_default(o->norm_type, 2),
                   .scale_grad_by_freq = o->scale_grad_by_freq,
                   .mode = mode_of("embedding_bag", o->mode),
                   .include_last_offset = o->include_last_offset};
    if (!input || !weight || e.mode < 0)
        return NULL;
    int64_t padding = o->padding_idx.given ? o->padding_idx.value : -1;
    int64_t rows = cr_tensor_dim(weight) ? cr_tensor_sizes(weight)[0] : 0;
    if (o->padding_idx.given && (padding < -rows || padding >= rows))
        return cr_fail("embedding_bag: padding_idx must be within the number of embeddings, got "
                       "%lld of %lld",
                       (long long)padding, (long long)rows);
    e.padding_idx = o->padding_idx.given && padding < 0 ? padding + rows : padding;
    return bags_of("embedding_bag", &e, input, o->offsets, o->per_sample_weights);
}

cr_module *cr_embedding_bag_layer_with(const cr_embedding_bag_layer_options *o)
{
    int mode = mode_of("EmbeddingBag", CR_OPTION(o, mode));
    if (!o || mode < 0)
        return o ? NULL : cr_fail("EmbeddingBag: options are needed");
    embedding *self = (embedding *)(void *)new_embedding(
        &bag_type, &(const cr_embedding_options){.num_embeddings = o->num_embeddings,
                                                 .embedding_dim = o->embedding_dim,
                                                 .padding_idx = o->padding_idx,
                                                 .scale_grad_by_freq = o->scale_grad_by_freq,
                                                 .max_norm = o->max_norm,
                                                 .norm_type = o->norm_type,
                                                 .device = o->device,
                                                 .dtype = o->dtype});
    if (!self)
        return NULL;
    self->mode = mode;
    self->include_last_offset = o->include_last_offset;
    return &self->module;
}
