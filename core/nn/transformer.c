/* Transformer, its encoder and decoder, and their layers. */
#include <string.h>

#include <cresset/transformer.h>

#include "core/nn/layer.h"

/* ---- layers ---- */

typedef struct layer {
    cr_module module;
    cr_child self_attn, multihead_attn, linear1, dropout, linear2, norm1, norm2, norm3, dropout1,
        dropout2, dropout3; /* without an encoder's: multihead_attn, norm3, dropout3 */
    cr_transformer_layer_options options; /* completed; strings are static */
} layer;

static cr_tensor *attended(cr_module *attention, cr_module *dropout, cr_tensor *x,
                           cr_tensor *memory, cr_tensor *mask, cr_tensor *padding)
{
    cr_tensor *y = x && memory ? cr_forward(attention, x, memory, memory, padding, mask) : NULL;
    return y ? cr_forward(dropout, y) : NULL;
}

static cr_tensor *fed_forward(const layer *self, cr_module *dropout, cr_tensor *x)
{
    cr_tensor *y = x ? cr_forward(self->linear1, x) : NULL;
    y = !strcmp(self->options.activation, "gelu") ? cr_gelu(y) : cr_relu(y);
    y = y ? cr_forward(self->dropout, y) : NULL;
    y = y ? cr_forward(self->linear2, y) : NULL;
    return y ? cr_forward(dropout, y) : NULL;
}

static cr_tensor *normal(cr_module *norm, cr_tensor *x)
{
    return x ? cr_forward(norm, x) : NULL;
}

static size_t forward_encoder_layer(cr_module *module, cr_tensor *const *in, size_t n,
                                    cr_tensor **outputs)
{
    const layer *self = (const layer *)(const void *)module;
    if (n > 3)
        return cr_fail("%s: forward takes src and up to 2 masks, %zu inputs given",
                       module->type->name, n),
               0;
    cr_tensor *x = in[0], *mask = n > 1 ? in[1] : NULL, *padding = n > 2 ? in[2] : NULL, *y;
    if (self->options.norm_first) {
        y = normal(self->norm1, x);
        x = cr_add(x, attended(self->self_attn, self->dropout1, y, y, mask, padding));
        x = cr_add(x, fed_forward(self, self->dropout2, normal(self->norm2, x)));
    } else {
        x = normal(self->norm1,
                   cr_add(x, attended(self->self_attn, self->dropout1, x, x, mask, padding)));
        x = normal(self->norm2, cr_add(x, fed_forward(self, self->dropout2, x)));
    }
    outputs[0] = x;
    return x != NULL;
}

static size_t forward_decoder_layer(cr_module *module, cr_tensor *const *in, size_t n,
                                    cr_tensor **outputs)
{
    const layer *self = (const layer *)(const void *)module;
    if (n < 2 || n > 6 || !in[1])
        return cr_fail("%s: forward takes tgt, memory and up to 4 masks", module->type->name), 0;
    cr_tensor *given[6] = {NULL};
    memcpy(given, in, n * sizeof *given);
    cr_tensor *x = in[0], *memory = in[1], *y;
    if (self->options.norm_first) {
        y = normal(self->norm1, x);
        x = cr_add(x, attended(self->self_attn, self->dropout1, y, y, given[2], given[4]));
        y = normal(self->norm2, x);
        x = cr_add(x,
                   attended(self->multihead_attn, self->dropout2, y, memory, given[3], given[5]));
        x = cr_add(x, fed_forward(self, self->dropout3, normal(self->norm3, x)));
    } else {
        y = attended(self->self_attn, self->dropout1, x, x, given[2], given[4]);
        x = normal(self->norm1, cr_add(x, y));
        y = attended(self->multihead_attn, self->dropout2, x, memory, given[3], given[5]);
        x = normal(self->norm2, cr_add(x, y));
        x = normal(self->norm3, cr_add(x, fed_forward(self, self->dropout3, x)));
    }
    outputs[0] = x;
    return x != NULL;
}

static const cr_module_type encoder_layer_type = {
    .name = "TransformerEncoderLayer", .size = sizeof(layer), .forward = forward_encoder_layer};
static const cr_module_type decoder_layer_type = {
    .name = "TransformerDecoderLayer", .size = sizeof(layer), .forward = forward_decoder_layer};

static cr_module *new_attention(const cr_transformer_layer_options *o)
{
    return cr_multihead_attention(o->d_model, o->nhead, .dropout = o->dropout,
                                  .batch_first = o->batch_first, .device = o->device,
                                  .dtype = o->dtype);
}

static cr_module *new_norm(const cr_transformer_layer_options *o)
{
    return cr_layer_norm(o->d_model, .eps = o->layer_norm_eps == 0 ? CR_ZERO : o->layer_norm_eps,
                         .device = o->device, .dtype = o->dtype);
}

/* In PyTorch's order, which the state dict and the printed form show. */
static bool add_children(layer *self, bool decoder)
{
    const cr_transformer_layer_options *o = &self->options;
    const int64_t e = o->d_model, f = o->dim_feedforward;
    return CR_SET(self, self_attn, new_attention(o)) &&
           (!decoder || CR_SET(self, multihead_attn, new_attention(o))) &&
           CR_SET(self, linear1, cr_linear(e, f, .device = o->device, .dtype = o->dtype)) &&
           CR_SET(self, dropout, cr_dropout(o->dropout)) &&
           CR_SET(self, linear2, cr_linear(f, e, .device = o->device, .dtype = o->dtype)) &&
           CR_SET(self, norm1, new_norm(o)) && CR_SET(self, norm2, new_norm(o)) &&
           (!decoder || CR_SET(self, norm3, new_norm(o))) &&
           CR_SET(self, dropout1, cr_dropout(o->dropout)) &&
           CR_SET(self, dropout2, cr_dropout(o->dropout)) &&
           (!decoder || CR_SET(self, dropout3, cr_dropout(o->dropout)));
}

/* o is complete: nothing in it stands for a default. */
static cr_module *new_layer(const cr_transformer_layer_options *o, bool decoder)
{
    layer *self = cr_module_new(decoder ? &decoder_layer_type : &encoder_layer_type, NULL);
    if (!self)
        return NULL;
    self->options = *o;
    bool good = false;
    CR_SCOPE
        good = add_children(self, decoder);
    self->options.device = NULL; /* borrowed; copies are made where the layer is then */
    return good ? &self->module : NULL;
}

/* Fills the defaults in; false and an error for an activation that there isn't. */
static bool complete(cr_transformer_layer_options *o, const char *name)
{
    o->dim_feedforward = cr_or_default_int(o->dim_feedforward, 2048);
    o->dropout = cr_or_default(o->dropout, 0.1);
    o->layer_norm_eps = cr_or_default(o->layer_norm_eps, 1e-5);
    bool gelu = o->activation && !strcmp(o->activation, "gelu");
    if (o->activation && !gelu && strcmp(o->activation, "relu")) {
        cr_fail("%s: activation should be relu/gelu, not %s", name, o->activation);
        return false;
    }
    o->activation = gelu ? "gelu" : "relu";
    return true;
}

static cr_module *new_layer_of(const cr_transformer_layer_options *given, bool decoder)
{
    cr_transformer_layer_options o = given ? *given : (cr_transformer_layer_options){0};
    return complete(&o, decoder ? decoder_layer_type.name : encoder_layer_type.name)
               ? new_layer(&o, decoder)
               : NULL;
}

cr_module *cr_transformer_encoder_layer_with(const cr_transformer_layer_options *options)
{
    return new_layer_of(options, false);
}

cr_module *cr_transformer_decoder_layer_with(const cr_transformer_layer_options *options)
{
    return new_layer_of(options, true);
}

/* ---- stacks ---- */

typedef struct stack {
    cr_module module;
    cr_child layers, norm;
} stack;

static size_t forward_stack(cr_module *module, cr_tensor *const *given, size_t n,
                            cr_tensor **outputs)
{
    const stack *self = (const stack *)(const void *)module;
    cr_tensor *in[6] = {NULL};
    if (n > 6)
        return cr_fail("%s: forward takes at most 6 inputs, %zu given", module->type->name, n), 0;
    memcpy(in, given, n * sizeof *in);
    size_t count = cr_module_count(self->layers);
    for (size_t i = 0; i < count && in[0]; i++)
        in[0] = cr_forward_with(cr_module_at(self->layers, (int64_t)i), in, n);
    outputs[0] = in[0] && self->norm ? cr_forward(self->norm, in[0]) : in[0];
    return outputs[0] != NULL;
}

static const cr_module_type encoder_type = {
    .name = "TransformerEncoder", .size = sizeof(stack), .forward = forward_stack};
static const cr_module_type decoder_type = {
    .name = "TransformerDecoder", .size = sizeof(stack), .forward = forward_stack};

static cr_module *new_stack(cr_module *module, int64_t count, const cr_transformer_stack_options *o,
                            bool decoder)
{
    const cr_module_type *type = decoder ? &decoder_type : &encoder_type;
    if (!cr_is_module(module, type->name))
        return NULL;
    if (count < 1)
        return cr_fail("%s: num_layers must be positive, got %lld", type->name, (long long)count);
    stack *self = cr_module_new(type, NULL);
    if (!self)
        return NULL;
    bool good = false;
    CR_SCOPE {
        good = CR_SET(self, layers, cr_module_list_with(NULL, 0));
        for (int64_t i = 0; i < count && good; i++)
            good = cr_module_append(self->layers, cr_module_copy(module));
        if (good && CR_OPTION(o, norm))
            good = CR_SET(self, norm, o->norm);
    }
    return good ? &self->module : NULL;
}

cr_module *cr_transformer_encoder_with(cr_module *encoder_layer, int64_t num_layers,
                                       const cr_transformer_stack_options *options)
{
    return new_stack(encoder_layer, num_layers, options, false);
}

cr_module *cr_transformer_decoder_with(cr_module *decoder_layer, int64_t num_layers,
                                       const cr_transformer_stack_options *options)
{
    return new_stack(decoder_layer, num_layers, options, true);
}

/* ---- Transformer ---- */

typedef struct transformer {
    cr_module module;
    cr_child encoder, decoder;
    int64_t d_model;
    bool batch_first;
} transformer;

static size_t forward_transformer(cr_module *module, cr_tensor *const *in, size_t n,
                                  cr_tensor **outputs)
{
    const transformer *self = (const transformer *)(const void *)module;
    if (n < 2 || n > 8 || !in[1])
        return cr_fail("Transformer: forward takes src, tgt and up to 6 masks"), 0;
    cr_tensor *g[8] = {NULL}, *src = in[0], *tgt = in[1];
    memcpy(g, in, n * sizeof *g);
    int dim = cr_tensor_dim(src), batch = self->batch_first ? 0 : 1;
    if (dim != cr_tensor_dim(tgt) || (dim != 2 && dim != 3) ||
        (dim == 3 && cr_tensor_sizes(src)[batch] != cr_tensor_sizes(tgt)[batch]))
        return cr_fail("Transformer: the batch number of src and tgt must be equal, got %s and %s",
                       cr_shape_text(src), cr_shape_text(tgt)),
               0;
    if (cr_tensor_size(src, -1) != self->d_model || cr_tensor_size(tgt, -1) != self->d_model)
        return cr_fail(
                   "Transformer: the feature number of src and tgt must be equal to d_model=%lld, "
                   "got %s and %s",
                   (long long)self->d_model, cr_shape_text(src), cr_shape_text(tgt)),
               0;
    cr_tensor *memory = cr_forward(self->encoder, src, g[2], g[5]);
    outputs[0] = memory ? cr_forward(self->decoder, tgt, memory, g[3], g[4], g[6], g[7]) : NULL;
    return outputs[0] != NULL;
}

static const cr_module_type transformer_type = {
    .name = "Transformer", .size = sizeof(transformer), .forward = forward_transformer};

static cr_module *half(const cr_transformer_layer_options *o, int64_t count, bool decoder)
{
    const cr_transformer_stack_options stacked = {.norm = new_norm(o)};
    cr_module *one = stacked.norm ? new_layer(o, decoder) : NULL;
    return one ? new_stack(one, count, &stacked, decoder) : NULL;
}

cr_module *cr_transformer_with(const cr_transformer_options *given)
{
    const cr_transformer_options o = given ? *given : (cr_transformer_options){0};
    cr_transformer_layer_options l = {.d_model = cr_or_default_int(o.d_model, 512),
                                      .nhead = cr_or_default_int(o.nhead, 8),
                                      .dim_feedforward = o.dim_feedforward,
                                      .dropout = o.dropout,
                                      .activation = o.activation,
                                      .layer_norm_eps = o.layer_norm_eps,
                                      .batch_first = o.batch_first,
                                      .norm_first = o.norm_first,
                                      .device = o.device,
                                      .dtype = o.dtype};
    transformer *self = complete(&l, "Transformer") ? cr_module_new(&transformer_type, NULL) : NULL;
    if (!self)
        return NULL;
    self->d_model = l.d_model;
    self->batch_first = o.batch_first;
    int64_t encoders = cr_or_default_int(o.num_encoder_layers, 6),
            decoders = cr_or_default_int(o.num_decoder_layers, 6);
    bool good = false;
    CR_SCOPE {
        good =
            CR_SET(self, encoder,
                   o.custom_encoder ? o.custom_encoder : half(&l, encoders, false)) &&
            CR_SET(self, decoder, o.custom_decoder ? o.custom_decoder : half(&l, decoders, true));
        for (cr_named_tensor p = cr_parameters(&self->module); good && cr_next_tensor(&p);)
            if (cr_tensor_dim(p.tensor) > 1 && !cr_init_xavier_uniform_(p.tensor, 1))
                good = false;
    }
    return good ? &self->module : NULL;
}

cr_tensor *cr_generate_square_subsequent_mask(int64_t size)
{
    if (size < 0)
        return cr_fail("generate_square_subsequent_mask: size can't be negative, got %lld",
                       (long long)size);
    return cr_triu(cr_full(CR_INTS(size, size), -INFINITY), .diagonal = 1);
}
