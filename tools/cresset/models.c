/* The networks that are timed, in any size, and a step of their training. */
#include "models.h"

void train_step(void *p)
{
    training *s = p;
    cr_zero_grad(s->optimizer);
    cr_tensor *out = cr_forward(s->net, s->x);
    if (!out)
        return;
    out = cr_reshape(out, CR_INTS(-1, cr_tensor_size(out, -1)));
    cr_backward(cr_cross_entropy(out, cr_reshape(s->y, CR_INTS(-1))));
    cr_step(s->optimizer);
}

/* ---- a residual network: He et al., 2015 ---- */

CR_MODULE(ResBlock, a, b, na, nb, d);
CR_FORWARD(ResBlock, x)
{
    cr_tensor *y = cr_relu(cr_forward(self->na, cr_forward(self->a, x)));
    y = cr_forward(self->nb, cr_forward(self->b, y));
    return cr_relu(cr_add(y, cr_forward(self->d, x)));
}

CR_MODULE(ResNet, body, fc);
CR_FORWARD(ResNet, x)
{
    return cr_forward(self->fc, cr_mean_dim(cr_forward(self->body, x), CR_INTS(-1, -2)));
}

static cr_module *make_block(int64_t in, int64_t out, int64_t stride)
{
    cr_module *shortcut =
        stride > 1 || in != out
            ? cr_sequential(cr_conv2d(in, out, 1, stride, .no_bias = true), cr_batch_norm2d(out))
            : cr_identity();
    return CR_NEW(ResBlock, .a = cr_conv2d(in, out, 3, stride, 1, .no_bias = true),
                  .b = cr_conv2d(out, out, 3, 1, 1, .no_bias = true), .na = cr_batch_norm2d(out),
                  .nb = cr_batch_norm2d(out), .d = shortcut);
}

cr_module *make_resnet18(int64_t w)
{
    cr_module *body = cr_sequential(
        cr_conv2d(3, w, 7, 2, 3, .no_bias = true), cr_batch_norm2d(w), cr_relu_layer(),
        cr_max_pool2d(3, 2, 1), make_block(w, w, 1), make_block(w, w, 1), make_block(w, 2 * w, 2),
        make_block(2 * w, 2 * w, 1), make_block(2 * w, 4 * w, 2), make_block(4 * w, 4 * w, 1),
        make_block(4 * w, 8 * w, 2), make_block(8 * w, 8 * w, 1));
    return CR_NEW(ResNet, .body = body, .fc = cr_linear(8 * w, 10));
}

/* ---- a small GPT: Radford et al., 2019; pre-norm blocks, causal ---- */

enum { HEADS = 4 };

CR_MODULE(GptBlock, n1, n2, qkv, o, u, v);
CR_FORWARD(GptBlock, x)
{
    int64_t b = cr_tensor_size(x, 0), t = cr_tensor_size(x, 1), d = cr_tensor_size(x, 2);
    cr_tensor *qkv =
        cr_view(cr_forward(self->qkv, cr_forward(self->n1, x)), CR_INTS(b, t, 3, HEADS, d / HEADS));
    qkv = cr_permute(qkv, CR_INTS(2, 0, 3, 1, 4));
    cr_tensor *q = cr_select(qkv, 0, 0), *k = cr_select(qkv, 0, 1), *v = cr_select(qkv, 0, 2);
    cr_tensor *heads = cr_scaled_dot_product_attention(q, k, v, .is_causal = true);
    cr_tensor *mixed = cr_reshape(cr_transpose(heads, 1, 2), CR_INTS(b, t, d));
    x = cr_add(x, cr_forward(self->o, mixed));
    return cr_add(x, cr_forward(self->v, cr_gelu(cr_forward(self->u, cr_forward(self->n2, x)))));
}

CR_MODULE(Gpt, e, p, b, n, head);
CR_FORWARD(Gpt, i)
{
    cr_tensor *position = cr_arange(cr_tensor_size(i, 1), .dtype = CR_I64);
    cr_tensor *x = cr_add(cr_forward(self->e, i), cr_forward(self->p, position));
    return cr_forward(self->head, cr_forward(self->n, cr_forward(self->b, x)));
}

static cr_module *make_gpt_block(int64_t w)
{
    return CR_NEW(GptBlock, .n1 = cr_layer_norm(CR_INTS(w)), .n2 = cr_layer_norm(CR_INTS(w)),
                  .qkv = cr_linear(w, 3 * w), .o = cr_linear(w, w), .u = cr_linear(w, 4 * w),
                  .v = cr_linear(4 * w, w));
}

cr_module *make_gpt(int layers, int64_t width)
{
    cr_module *blocks = cr_sequential(make_gpt_block(width));
    for (int i = 1; i < layers; i++)
        cr_module_append(blocks, make_gpt_block(width));
    return CR_NEW(Gpt, .e = cr_embedding(GPT_VOCABULARY, width),
                  .p = cr_embedding(GPT_CONTEXT, width), .b = blocks,
                  .n = cr_layer_norm(CR_INTS(width)),
                  .head = cr_linear(width, GPT_VOCABULARY, .no_bias = true));
}
