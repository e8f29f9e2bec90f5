/* MultiheadAttention, and multi_head_attention_forward. */
#include <string.h>

#include <cresset/transformer.h>

#include "core/nn/layer.h"

typedef struct attention {
    cr_module module;
    cr_tensor *in_proj_weight, *q_proj_weight, *k_proj_weight, *v_proj_weight, *in_proj_bias;
    cr_tensor *bias_k, *bias_v;
    cr_module *out_proj;
    int64_t embed_dim, heads, kdim, vdim;
    double dropout;
    bool add_zero_attn, batch_first;
} attention;

/* ---- masks ---- */

/* Bools, true where hidden, and floats, added, become one that scaled_dot_product_attention takes: bools true where seen, or
 * floats. a and b are null or broadcast to one another. */
static cr_tensor *as_floats(cr_tensor *mask, cr_dtype dtype)
{
    if (cr_tensor_dtype(mask) != CR_B8)
        return cr_tensor_dtype(mask) == dtype ? mask : cr_to_dtype(mask, dtype);
    cr_tensor *zeros = cr_zeros(cr_make_ints(cr_tensor_sizes(mask), (size_t)cr_tensor_dim(mask)),
                                .dtype = dtype, .device = cr_tensor_device(mask));
    return cr_masked_fill_scalar_(zeros, mask, -INFINITY);
}

static cr_tensor *merge_masks(cr_tensor *a, cr_tensor *b, cr_dtype dtype)
{
    if (a && b) {
        if (cr_tensor_dtype(a) == CR_B8 && cr_tensor_dtype(b) == CR_B8)
            return cr_logical_not(cr_logical_or(a, b));
        return cr_add(as_floats(a, dtype), as_floats(b, dtype));
    }
    a = a ? a : b;
    return !a ? NULL : cr_tensor_dtype(a) == CR_B8 ? cr_logical_not(a) : as_floats(a, dtype);
}

/* A mask with one more key, seen by all. */
static cr_tensor *with_more(cr_tensor *mask)
{
    if (!mask)
        return NULL;
    cr_tensor *more = cr_zeros_like(cr_narrow(mask, -1, 0, 1));
    return more && cr_tensor_size(mask, -1) > 0 ? cr_cat(CR_TENSORS(mask, more), .dim = -1) : NULL;
}

static bool is_mask(const cr_tensor *mask, const char *what)
{
    cr_dtype dtype = cr_tensor_dtype(mask);
    if (dtype == CR_B8 || cr_dtype_is_floating(dtype))
        return true;
    cr_fail("MultiheadAttention: only bool and floating types of %s are supported, got %s", what,
            cr_dtype_name(dtype));
    return false;
}

/* ---- a call ---- */

typedef struct attending {
    const attention *self;
    cr_tensor *out_weight, *out_bias; /* without a module's out_proj */
    cr_tensor *fixed[3];              /* static_k and static_v in 1 and 2, by heads, or null */
    cr_tensor *query, *key, *value, *key_padding_mask, *attn_mask;
    int64_t batch, targets, sources;
    int batch_dim;
    bool unbatched, causal, weights, average;
} attending;

static bool fits(const attending *a, const char *what, const cr_tensor *x, int64_t features)
{
    const int64_t *s = cr_tensor_sizes(x);
    if (s[2] == features && s[a->batch_dim] == a->batch)
        return true;
    cr_fail("MultiheadAttention: was expecting %s of %lld features in a batch of %lld, but got %s",
            what, (long long)features, (long long)a->batch, cr_shape_text(x));
    return false;
}

/* static_k or static_v as a view by heads; S' is the length of the keys, then. */
static bool fix(attending *a, int i, const char *what, cr_tensor *given, int64_t *length)
{
    int64_t heads = a->self->heads, width = a->self->embed_dim / heads;
    if (!given)
        return true;
    const int64_t *s = cr_tensor_sizes(given);
    if (cr_tensor_dim(given) != 3 || s[0] != a->batch * heads || s[2] != width) {
        cr_fail("multi_head_attention_forward: expecting %s of [%lld, S, %lld], but got %s", what,
                (long long)(a->batch * heads), (long long)width, cr_shape_text(given));
        return false;
    }
    *length = s[1];
    a->fixed[i] = cr_reshape(given, CR_INTS(a->batch, heads, s[1], width));
    return a->fixed[i] != NULL;
}

/* Checks the sizes; gives unbatched inputs a batch. */
static bool prepare(attending *a)
{
    const attention *self = a->self;
    int dim = cr_tensor_dim(a->query);
    if ((dim != 2 && dim != 3) || cr_tensor_dim(a->key) != dim || cr_tensor_dim(a->value) != dim) {
        cr_fail("MultiheadAttention: query, key and value should all be 3-D (batched) or all 2-D "
                "(unbatched) tensors, got %s, %s and %s",
                cr_shape_text(a->query), cr_shape_text(a->key), cr_shape_text(a->value));
        return false;
    }
    a->unbatched = dim == 2;
    a->batch_dim = self->batch_first ? 0 : 1;
    if (a->unbatched) {
        bool one = a->key == a->query, two = a->value == a->key;
        a->query = cr_unsqueeze(a->query, a->batch_dim);
        a->key = one ? a->query : cr_unsqueeze(a->key, a->batch_dim);
        a->value = two ? a->key : cr_unsqueeze(a->value, a->batch_dim);
        if (!a->query || !a->key || !a->value)
            return false;
    }
    a->batch = cr_tensor_size(a->query, a->batch_dim);
    a->targets = cr_tensor_size(a->query, 1 - a->batch_dim);
    a->sources = cr_tensor_size(a->key, 1 - a->batch_dim);
    if (!fits(a, "a query", a->query, self->embed_dim) || !fits(a, "a key", a->key, self->kdim) ||
        !fits(a, "a value", a->value, self->vdim))
        return false;
    int64_t values = cr_tensor_size(a->value, 1 - a->batch_dim);
    cr_tensor *k = a->fixed[1], *v = a->fixed[2];
    if (!fix(a, 1, "static_k", k, &a->sources) || !fix(a, 2, "static_v", v, &values))
        return false;
    if (values != a->sources) {
        cr_fail("MultiheadAttention: key's sequence %s does not match value's %s",
                cr_shape_text(k ? k : a->key), cr_shape_text(v ? v : a->value));
        return false;
    }
    if (a->causal && a->attn_mask) {
        cr_fail("MultiheadAttention: is_causal takes no attn_mask");
        return false;
    }
    if (a->attn_mask && cr_tensor_dtype(a->attn_mask) == CR_U8) /* PyTorch's old form */
        a->attn_mask = cr_to_dtype(a->attn_mask, CR_B8);
    cr_tensor *m = a->attn_mask, *p = a->key_padding_mask;
    if (m) {
        int rank = cr_tensor_dim(m);
        const int64_t *s = cr_tensor_sizes(m);
        bool good = (rank == 2 || rank == 3) && s[rank - 2] == a->targets &&
                    s[rank - 1] == a->sources && (rank == 2 || s[0] == a->batch * self->heads);
        if (!good)
            cr_fail(
                "MultiheadAttention: The shape of the attn_mask is %s, but should be [%lld, %lld] "
                "or [%lld, %lld, %lld]",
                cr_shape_text(m), (long long)a->targets, (long long)a->sources,
                (long long)(a->batch * self->heads), (long long)a->targets, (long long)a->sources);
        if (!good || !is_mask(m, "attn_mask"))
            return false;
    }
    if (p && a->unbatched && cr_tensor_dim(p) == 1)
        a->key_padding_mask = p = cr_unsqueeze(p, 0);
    if (p && (cr_tensor_dim(p) != 2 || cr_tensor_sizes(p)[0] != a->batch ||
              cr_tensor_sizes(p)[1] != a->sources)) {
        cr_fail("MultiheadAttention: key_padding_mask should be [%lld, %lld], got %s",
                (long long)a->batch, (long long)a->sources, cr_shape_text(p));
        return false;
    }
    return !p || is_mask(p, "key_padding_mask");
}

/* Part i (of n) of rows of E in the projection's bias, or null. */
static cr_tensor *bias_part(const attention *self, int64_t i, int64_t n)
{
    return self->in_proj_bias
               ? cr_narrow(self->in_proj_bias, 0, i * self->embed_dim, n * self->embed_dim)
               : NULL;
}

static cr_tensor *weight_part(const attention *self, int64_t i, int64_t n)
{
    return cr_narrow(self->in_proj_weight, 0, i * self->embed_dim, n * self->embed_dim);
}

/* The three projections, with as few products as the inputs allow. */
static bool project(const attending *a, cr_tensor *to[3])
{
    const attention *self = a->self;
    int64_t e = self->embed_dim;
    bool apart = !self->in_proj_weight || a->fixed[1] || a->fixed[2];
    if (!apart && a->query == a->key && a->key == a->value) {
        cr_tensor *all = cr_f_linear(a->query, self->in_proj_weight, .bias = self->in_proj_bias);
        for (int i = 0; i < 3; i++)
            to[i] = cr_narrow(all, 2, i * e, e);
    } else if (!apart && a->key == a->value) {
        to[0] = cr_f_linear(a->query, weight_part(self, 0, 1), .bias = bias_part(self, 0, 1));
        cr_tensor *both =
            cr_f_linear(a->key, weight_part(self, 1, 2), .bias = bias_part(self, 1, 2));
        to[1] = cr_narrow(both, 2, 0, e);
        to[2] = cr_narrow(both, 2, e, e);
    } else {
        cr_tensor *in[3] = {a->query, a->key, a->value};
        cr_tensor *own[3] = {self->q_proj_weight, self->k_proj_weight, self->v_proj_weight};
        for (int i = 0; i < 3; i++)
            to[i] =
                a->fixed[i]
                    ? a->fixed[i]
                    : cr_f_linear(in[i], self->in_proj_weight ? weight_part(self, i, 1) : own[i],
                                  .bias = bias_part(self, i, 1));
    }
    return to[0] && to[1] && to[2];
}

/* (N, heads, length, E / heads), a view. */
static cr_tensor *by_heads(const attending *a, cr_tensor *x)
{
    const int64_t *s = cr_tensor_sizes(x);
    int64_t heads = a->self->heads;
    cr_tensor *wide = x ? cr_reshape(x, CR_INTS(s[0], s[1], heads, s[2] / heads)) : NULL;
    return a->batch_dim ? cr_permute(wide, CR_INTS(1, 2, 0, 3))
                        : cr_permute(wide, CR_INTS(0, 2, 1, 3));
}

/* bias_k or bias_v as one more key or value. */
static cr_tensor *with_bias(const attending *a, cr_tensor *x, cr_tensor *bias)
{
    int64_t e = a->self->embed_dim;
    cr_tensor *row = a->batch_dim ? cr_expand(bias, CR_INTS(1, a->batch, e))
                                  : cr_expand(bias, CR_INTS(a->batch, 1, e));
    return cr_cat(CR_TENSORS(x, row), .dim = 1 - a->batch_dim);
}

static cr_tensor *with_zero(cr_tensor *x)
{
    const int64_t *s = cr_tensor_sizes(x);
    cr_tensor *zero = x ? cr_zeros(CR_INTS(s[0], s[1], 1, s[3]), .dtype = cr_tensor_dtype(x),
                                   .device = cr_tensor_device(x))
                        : NULL;
    return cr_cat(CR_TENSORS(x, zero), .dim = 2);
}

/* The scores' mask, (N or 1, heads or 1, L or 1, S), or null. */
static bool make_mask(attending *a, cr_dtype dtype, cr_tensor **mask)
{
    cr_tensor *m = a->attn_mask, *p = a->key_padding_mask;
    *mask = NULL;
    if (a->causal && (a->weights || a->self->bias_k || a->self->add_zero_attn)) {
        a->causal = false;
        m = cr_triu(cr_ones(CR_INTS(a->targets, a->sources), .dtype = CR_B8,
                            .device = cr_tensor_device(a->query)),
                    .diagonal = 1);
        if (!m)
            return false;
    }
    bool had = m || p;
    for (int i = 0; i < (a->self->bias_k != NULL) + a->self->add_zero_attn; i++) {
        m = with_more(m);
        p = with_more(p);
    }
    if (m && cr_tensor_dim(m) == 3)
        m = cr_reshape(m, CR_INTS(a->batch, a->self->heads, a->targets, cr_tensor_size(m, 2)));
    if (p)
        p = cr_unsqueeze(cr_unsqueeze(p, 1), 1);
    *mask = merge_masks(m, p, dtype);
    return !had || *mask;
}

/* Scores and weights held as such, for those who want to see the weights. */
static cr_tensor *attend_openly(const attending *a, cr_tensor *q, cr_tensor *k, cr_tensor *v,
                                cr_tensor *mask, cr_tensor **weights)
{
    double scale = 1 / sqrt((double)(a->self->embed_dim / a->self->heads));
    cr_tensor *scores = cr_matmul(cr_mul_scalar(q, scale), cr_transpose(k, -1, -2));
    if (mask)
        scores = cr_tensor_dtype(mask) == CR_B8
                     ? cr_masked_fill_scalar(scores, cr_logical_not(mask), -INFINITY)
                     : cr_add(scores, mask);
    cr_tensor *w = cr_softmax(scores, -1);
    if (a->self->module.training && a->self->dropout > 0)
        w = cr_f_dropout(w, a->self->dropout, true);
    *weights = a->average ? cr_mean_dim(w, 1) : w;
    if (a->unbatched)
        *weights = cr_squeeze_dim(*weights, 0);
    return cr_matmul(w, v);
}

static size_t attend(attending *a, cr_tensor **outputs)
{
    const attention *self = a->self;
    cr_tensor *x[3], *mask;
    if (!prepare(a) || !project(a, x) || !make_mask(a, cr_tensor_dtype(x[0]), &mask))
        return 0;
    if (self->bias_k) {
        x[1] = with_bias(a, x[1], self->bias_k);
        x[2] = with_bias(a, x[2], self->bias_v);
    }
    for (int i = 0; i < 3; i++) {
        x[i] = a->fixed[i] ? x[i] : by_heads(a, x[i]);
        if (i && self->add_zero_attn)
            x[i] = with_zero(x[i]);
    }
    cr_tensor *y;
    outputs[1] = NULL;
    if (a->weights)
        y = attend_openly(a, x[0], x[1], x[2], mask, &outputs[1]);
    else
        y = cr_scaled_dot_product_attention(x[0], x[1], x[2], .attn_mask = mask,
                                            .dropout_p = self->module.training ? self->dropout : 0,
                                            .is_causal = a->causal);
    y = a->batch_dim ? cr_permute(y, CR_INTS(2, 0, 1, 3)) : cr_permute(y, CR_INTS(0, 2, 1, 3));
    const int64_t *s = cr_tensor_sizes(y);
    y = y ? cr_reshape(y, CR_INTS(s[0], s[1], self->embed_dim)) : NULL;
    if (!self->out_proj)
        y = cr_f_linear(y, a->out_weight, .bias = a->out_bias);
    else
        y = y ? cr_forward(self->out_proj, y) : NULL;
    outputs[0] = a->unbatched ? cr_squeeze_dim(y, a->batch_dim) : y;
    return !outputs[0] ? 0 : !a->weights ? 1 : outputs[1] ? 2 : 0;
}

/* What a call by cr_attend says beside its tensors, until the module's forward takes it. */
static _Thread_local struct {
    const cr_module *module;
    bool causal, each_head;
} said;

static size_t forward_attention(cr_module *module, cr_tensor *const *inputs, size_t n,
                                cr_tensor **outputs)
{
    attending a = {.self = (const attention *)(const void *)module,
                   .weights = cr_outputs_wanted() > 1,
                   .average = true};
    if (said.module == module) {
        a.causal = said.causal;
        a.average = !said.each_head;
        said.module = NULL;
    }
    if (n < 3 || n > 5 || !inputs[1] || !inputs[2])
        return cr_fail(
                   "MultiheadAttention: forward takes query, key and value, and up to two masks"),
               0;
    a.query = inputs[0];
    a.key = inputs[1];
    a.value = inputs[2];
    a.key_padding_mask = n > 3 ? inputs[3] : NULL;
    a.attn_mask = n > 4 ? inputs[4] : NULL;
    return attend(&a, outputs);
}

cr_tensor *cr_multi_head_attention_forward_with(cr_tensor *query, cr_tensor *key, cr_tensor *value,
                                                const cr_multi_head_attention_forward_options *o)
{
    const char *who = "multi_head_attention_forward";
    if (!query || !key || !value)
        return NULL;
    if (!o || o->num_heads < 1 || !o->out_proj_weight ||
        (!o->in_proj_weight && (!o->q_proj_weight || !o->k_proj_weight || !o->v_proj_weight)))
        return cr_fail("%s: num_heads, out_proj_weight and in_proj_weight (or q_, k_ and "
                       "v_proj_weight) are needed",
                       who);
    int64_t e = cr_tensor_size(query, -1);
    cr_tensor *w = o->in_proj_weight ? o->in_proj_weight : o->q_proj_weight;
    if (cr_tensor_dim(w) != 2 || cr_tensor_sizes(w)[1] != e || e % o->num_heads)
        return cr_fail("%s: embed_dim %lld doesn't fit num_heads %lld and the weight %s", who,
                       (long long)e, (long long)o->num_heads, cr_shape_text(w));
    if (!o->bias_k != !o->bias_v)
        return cr_fail("%s: bias_k and bias_v are needed together", who);
    if (o->bias_k && (o->static_k || o->static_v))
        return cr_fail("%s: bias cannot be added to static %s", who, o->static_k ? "key" : "value");
    attention self = {.module = {.training = !o->no_training},
                      .in_proj_weight = o->in_proj_weight,
                      .q_proj_weight = o->q_proj_weight,
                      .k_proj_weight = o->k_proj_weight,
                      .v_proj_weight = o->v_proj_weight,
                      .in_proj_bias = o->in_proj_bias,
                      .bias_k = o->bias_k,
                      .bias_v = o->bias_v,
                      .embed_dim = e,
                      .heads = o->num_heads,
                      .kdim = cr_tensor_size(key, -1),
                      .vdim = cr_tensor_size(value, -1),
                      .dropout = o->dropout_p,
                      .add_zero_attn = o->add_zero_attn};
    attending a = {.self = &self,
                   .out_weight = o->out_proj_weight,
                   .out_bias = o->out_proj_bias,
                   .fixed = {NULL, o->static_k, o->static_v},
                   .query = query,
                   .key = key,
                   .value = value,
                   .key_padding_mask = o->key_padding_mask,
                   .attn_mask = o->attn_mask,
                   .weights = o->weights != NULL,
                   .average = !o->no_average_attn_weights};
    cr_tensor *outputs[2] = {NULL};
    bool good = attend(&a, outputs) > 0;
    if (o->weights)
        *o->weights = good ? outputs[1] : NULL;
    return good ? outputs[0] : NULL;
}

/* ---- making ---- */

static const cr_module_type attention_type = {
    .name = "MultiheadAttention", .size = sizeof(attention), .forward = forward_attention};

cr_tensor *cr_attend_with(cr_module *module, cr_tensor *query, cr_tensor *key, cr_tensor *value,
                          const cr_attend_options *o)
{
    if (!cr_is_module(module, "cr_attend"))
        return NULL;
    if (module->type != &attention_type)
        return cr_fail("cr_attend: %s is no MultiheadAttention", module->type->name);
    cr_tensor *const inputs[5] = {query, key, value, CR_OPTION(o, key_padding_mask),
                                  CR_OPTION(o, attn_mask)};
    cr_tensor *outputs[2] = {NULL};
    said.module = module;
    said.causal = CR_OPTION(o, is_causal);
    said.each_head = CR_OPTION(o, no_average_attn_weights);
    int failed = cr_forward_many_with(module, inputs, 5, outputs, CR_OPTION(o, weights) ? 2 : 1);
    said.module = NULL;
    if (CR_OPTION(o, weights))
        *o->weights = outputs[1];
    return failed ? NULL : outputs[0];
}

static bool add_weight(attention *self, const cr_multihead_attention_options *o, const char *name,
                       cr_tensor **place, cr_ints sizes, bool normal)
{
    cr_tensor *t = cr_layer_parameter(self, name, place, sizes, o->device, o->dtype);
    return normal ? cr_init_xavier_normal_(t, 1) : cr_init_xavier_uniform_(t, 1);
}

static bool add_weights(attention *self, const cr_multihead_attention_options *o)
{
    int64_t e = self->embed_dim;
    if (self->kdim == e && self->vdim == e) {
        if (!add_weight(self, o, "in_proj_weight", &self->in_proj_weight, CR_INTS(3 * e, e), false))
            return false;
    } else if (!add_weight(self, o, "q_proj_weight", &self->q_proj_weight, CR_INTS(e, e), false) ||
               !add_weight(self, o, "k_proj_weight", &self->k_proj_weight, CR_INTS(e, self->kdim),
                           false) ||
               !add_weight(self, o, "v_proj_weight", &self->v_proj_weight, CR_INTS(e, self->vdim),
                           false)) {
        return false;
    }
    if (!o->no_bias && !cr_init_zeros_(cr_layer_parameter(self, "in_proj_bias", &self->in_proj_bias,
                                                          CR_INTS(3 * e), o->device, o->dtype)))
        return false;
    if (o->add_bias_kv && (!add_weight(self, o, "bias_k", &self->bias_k, CR_INTS(1, 1, e), true) ||
                           !add_weight(self, o, "bias_v", &self->bias_v, CR_INTS(1, 1, e), true)))
        return false;
    const cr_linear_options linear = {.in_features = e,
                                      .out_features = e,
                                      .no_bias = o->no_bias,
                                      .device = o->device,
                                      .dtype = o->dtype};
    if (!CR_SET(self, out_proj, cr_linear_non_quantizable(&linear)))
        return false;
    return o->no_bias || cr_init_zeros_(cr_module_tensor(self->out_proj, "bias"));
}

cr_module *cr_multihead_attention_with(const cr_multihead_attention_options *o)
{
    if (!o || o->embed_dim < 1 || o->num_heads < 1 || o->kdim < 0 || o->vdim < 0 ||
        o->embed_dim > INT32_MAX || o->kdim > INT32_MAX || o->vdim > INT32_MAX)
        return cr_fail("MultiheadAttention: embed_dim and num_heads must be greater than 0, got "
                       "embed_dim=%lld and num_heads=%lld",
                       (long long)CR_OPTION(o, embed_dim), (long long)CR_OPTION(o, num_heads));
    if (o->embed_dim % o->num_heads)
        return cr_fail("MultiheadAttention: embed_dim must be divisible by num_heads, got %lld and "
                       "%lld",
                       (long long)o->embed_dim, (long long)o->num_heads);
    if (!(o->dropout >= 0 && o->dropout <= 1))
        return cr_fail(
            "MultiheadAttention: dropout probability has to be between 0 and 1, but got %g",
            o->dropout);
    attention *self = cr_module_new(&attention_type, NULL);
    if (!self)
        return NULL;
    self->embed_dim = o->embed_dim;
    self->heads = o->num_heads;
    self->kdim = cr_or_default_int(o->kdim, o->embed_dim);
    self->vdim = cr_or_default_int(o->vdim, o->embed_dim);
    self->dropout = o->dropout;
    self->add_zero_attn = o->add_zero_attn;
    self->batch_first = o->batch_first;
    bool good = false;
    CR_SCOPE
        good = add_weights(self, o);
    return good ? &self->module : NULL;
}
