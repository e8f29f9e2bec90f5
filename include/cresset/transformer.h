/* Attention and Transformers (Vaswani et al., 2017). Options and defaults are written as layers.h says. N is the batch, E an
 * embedding's size, L and S the lengths of the queries and of what they look at. Sequences are (L, N, E), with batch_first
 * (N, L, E), unbatched (L, E).
 *
 * Masks are null where nothing is masked. A mask of bools hides where it is true; one of floats is added to the scores. An
 * attn_mask is (L, S) or (N·num_heads, L, S), a key_padding_mask (N, S), or (S) unbatched. */
#ifndef CRESSET_TRANSFORMER_H
#define CRESSET_TRANSFORMER_H

#include <cresset/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- attention ---- */

/* MultiHead(Q, K, V) = Concat(head_1, …, head_h) Wᴼ,   head_i = softmax(Q W_iQ (K W_iK)ᵀ / √(E / h)) V W_iV
 *
 * Called with query (L, N, E), key (S, N, kdim), value (S, N, vdim), key_padding_mask and attn_mask; the last two may be left
 * out or null. Outputs: (L, N, E) and, for those who ask for two (see cr_forward_many), the weights, averaged over the heads:
 * (N, L, S). Asking for one is PyTorch's need_weights=False, and never holds L × S scores of many queries
 * at once, forward or backward.
 *
 * Parameters: in_proj_weight (3·E, E) or, with kdim or vdim, q_proj_weight (E, E), k_proj_weight (E, kdim), v_proj_weight
 * (E, vdim), Xavier-uniform; in_proj_bias (3·E), 0; out_proj.weight (E, E), as a Linear's; out_proj.bias (E), 0; bias_k and
 * bias_v (1, 1, E), Xavier-normal. Errors: E that num_heads does not divide, and, when called, what does not fit. */
typedef struct cr_multihead_attention_options {
    int64_t embed_dim, num_heads;
    double dropout; /* of the weights, in training */
    bool no_bias, add_bias_kv, add_zero_attn;
    int64_t kdim, vdim; /* embed_dim */
    bool batch_first;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_multihead_attention_options;
CR_API cr_module *cr_multihead_attention_with(const cr_multihead_attention_options *options);

/* A call with everything that PyTorch's forward knows, hooks included. Returns the output; weights, unless null, gets what it
 * says, of one head each with no_average_attn_weights: (N, num_heads, L, S). is_causal hides what comes after each query, with
 * no attn_mask given; a key_padding_mask may come with it, and no mask of L × S is made. */
typedef struct cr_attend_options {
    cr_tensor *key_padding_mask, *attn_mask;
    cr_tensor **weights;
    bool no_average_attn_weights, is_causal;
    int end_;
} cr_attend_options;
CR_API cr_tensor *cr_attend_with(cr_module *attention, cr_tensor *query, cr_tensor *key,
                                 cr_tensor *value, const cr_attend_options *options);

/* torch.nn.functional's form: the same with everything given, sequences first: query (L, N, E), key (S, N, kdim), value (S, N, vdim) to
 * (L, N, E). in_proj_weight (3·E, E), or q_proj_weight (E, E), k_proj_weight (E, kdim) and v_proj_weight (E, vdim); in_proj_bias (3·E),
 * out_proj_weight (E, E), out_proj_bias (E), bias_k and bias_v (1, 1, E), or null. Dropout works unless no_training. weights as in
 * cr_attend. static_k and static_v, (N·num_heads, S', E / num_heads), stand in place of what would be projected from key and value; masks
 * are then of S'. Errors: weights that are missing or don't fit, one of bias_k and bias_v alone or with a static one, what attention
 * refuses. */
typedef struct cr_multi_head_attention_forward_options {
    int64_t num_heads;
    cr_tensor *in_proj_weight, *in_proj_bias, *bias_k, *bias_v;
    bool add_zero_attn;
    double dropout_p;
    cr_tensor *out_proj_weight, *out_proj_bias;
    bool no_training;
    cr_tensor *key_padding_mask, *attn_mask;
    cr_tensor *q_proj_weight, *k_proj_weight, *v_proj_weight;
    cr_tensor *static_k, *static_v;
    cr_tensor **weights;
    bool no_average_attn_weights;
    int end_;
} cr_multi_head_attention_forward_options;
CR_API cr_tensor *cr_multi_head_attention_forward_with(
    cr_tensor *query, cr_tensor *key, cr_tensor *value,
    const cr_multi_head_attention_forward_options *options);

/* ---- Transformers ---- */

typedef struct cr_transformer_layer_options {
    int64_t d_model, nhead;
    int64_t dim_feedforward; /* 2048 */
    double dropout;          /* 0.1; CR_ZERO for none */
    const char *activation;  /* "relu" or "gelu" */
    double layer_norm_eps;   /* 1e-5 */
    bool batch_first;
    bool
        norm_first; /* normalise before attention and feed-forward, rather than after (Xiong et al., 2020) */
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_transformer_layer_options;
/* x = norm1(x + self_attn(x)); x = norm2(x + linear2(activation(linear1(x)))), with dropout before each sum and between the
 * linear layers. Called with src (S, N, E), src_mask (S, S), src_key_padding_mask (N, S), which may be left out: (S, N, E), or
 * unbatched and batch first as above. Errors: d_model that nhead does not divide, dropout outside of 0 to 1, another activation; when
 * called, what attention refuses. */
CR_API cr_module *cr_transformer_encoder_layer_with(const cr_transformer_layer_options *options);
/* The same with attention to a memory (S, N, E) between: norm1 and self_attn, norm2 and multihead_attn, norm3 and feed-forward.
 * Called with tgt (T, N, E), memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask; the masks may be left
 * out. */
CR_API cr_module *cr_transformer_decoder_layer_with(const cr_transformer_layer_options *options);

typedef struct cr_transformer_stack_options {
    cr_module *norm; /* applied to the result, or null */
    int end_;
} cr_transformer_stack_options;
/* num_layers copies of a layer, with its values, one after the other, and norm. Called as the layer is, with its output's shape. The
 * given layer stays the caller's. Errors: null, num_layers below 1. */
CR_API cr_module *cr_transformer_encoder_with(cr_module *encoder_layer, int64_t num_layers,
                                              const cr_transformer_stack_options *options);
CR_API cr_module *cr_transformer_decoder_with(cr_module *decoder_layer, int64_t num_layers,
                                              const cr_transformer_stack_options *options);

/* Encoder and decoder, both with a norm at the end; parameters of two dimensions and more are Xavier-uniform. Called with src
 * (S, N, E), tgt (T, N, E), src_mask, tgt_mask, memory_mask, src_key_padding_mask, tgt_key_padding_mask,
 * memory_key_padding_mask, of which the masks may be left out: (T, N, E). */
typedef struct cr_transformer_options {
    int64_t d_model, nhead;                         /* 512, 8 */
    int64_t num_encoder_layers, num_decoder_layers; /* 6, 6 */
    int64_t dim_feedforward;                        /* 2048 */
    double dropout;                                 /* 0.1; CR_ZERO for none */
    const char *activation;                         /* "relu" or "gelu" */
    cr_module *custom_encoder, *custom_decoder;
    double layer_norm_eps; /* 1e-5 */
    bool batch_first, norm_first;
    const char *device;
    cr_dtype dtype;
    int end_;
} cr_transformer_options;
CR_API cr_module *cr_transformer_with(const cr_transformer_options *options);

/* (size, size) floats, of the scope: 0 up to the diagonal, -∞ above. */
CR_API cr_tensor *cr_generate_square_subsequent_mask(int64_t size);

#ifndef __cplusplus
#define cr_multihead_attention(...) \
    cr_multihead_attention_with(&(const cr_multihead_attention_options){__VA_ARGS__, .end_ = 0})
#define cr_attend(attention, query, key, ...)                        \
    cr_attend_with(attention, query, key, CR_FIRST_(__VA_ARGS__, 0), \
                   &(const cr_attend_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_multi_head_attention_forward(query, key, ...) \
    cr_multi_head_attention_forward_with(                \
        query, key, CR_FIRST_(__VA_ARGS__, 0),           \
        &(const cr_multi_head_attention_forward_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_transformer_encoder_layer(...) \
    cr_transformer_encoder_layer_with(&(const cr_transformer_layer_options){__VA_ARGS__, .end_ = 0})
#define cr_transformer_decoder_layer(...) \
    cr_transformer_decoder_layer_with(&(const cr_transformer_layer_options){__VA_ARGS__, .end_ = 0})
#define cr_transformer_encoder(layer, ...) \
    cr_transformer_encoder_with(           \
        layer, CR_FIRST_(__VA_ARGS__, 0),  \
        &(const cr_transformer_stack_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_transformer_decoder(layer, ...) \
    cr_transformer_decoder_with(           \
        layer, CR_FIRST_(__VA_ARGS__, 0),  \
        &(const cr_transformer_stack_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_transformer(...) \
    cr_transformer_with(&(const cr_transformer_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif
