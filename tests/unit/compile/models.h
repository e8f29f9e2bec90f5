/* Models and helpers of this folder's tests. */
#ifndef CRESSET_TESTS_COMPILE_MODELS_H
#define CRESSET_TESTS_COMPILE_MODELS_H

#include <check.h>
#include <cresset/cresset.h>
#include <stdlib.h>
#include <string.h>

static inline void assert_no_error(void)
{
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    cr_clear_error();
    return cr_exit() || failed;
}

/* Equal to the bit (tolerance 0), or close to the largest element. */
static inline void assert_same(const char *what, cr_tensor *a, cr_tensor *b, double tolerance)
{
    ck_assert_msg(a && b, "%s: %s", what, cr_error());
    ck_assert_int_eq(cr_tensor_numel(a), cr_tensor_numel(b));
    size_t bytes = (size_t)cr_tensor_numel(a) * cr_dtype_size(cr_tensor_dtype(a));
    void *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    ck_assert(!cr_tensor_read(a, x, bytes) && !cr_tensor_read(b, y, bytes));
    if (tolerance == 0)
        ck_assert_msg(!memcmp(x, y, bytes), "%s differs", what);
    for (int64_t i = 0; tolerance > 0 && i < cr_tensor_numel(a); i++) {
        double u = ((float *)x)[i], v = ((float *)y)[i];
        ck_assert_msg(u - v <= tolerance * (1 + (v < 0 ? -v : v)) &&
                          v - u <= tolerance * (1 + (v < 0 ? -v : v)),
                      "%s: element %d is %.9g, eagerly %.9g", what, (int)i, u, v);
    }
    free(x);
    free(y);
}

CR_MODULE(Block, a, b, na, nb);
CR_FORWARD(Block, x)
{
    cr_tensor *y = cr_relu(cr_forward(self->na, cr_forward(self->a, x)));
    return cr_relu(cr_add(cr_forward(self->nb, cr_forward(self->b, y)), x));
}

CR_MODULE(Attend, e, n1, n2, qkv, o, u, v, head);
CR_FORWARD(Attend, i)
{
    cr_tensor *x = cr_forward(self->e, i);
    int64_t b = cr_tensor_size(x, 0), t = cr_tensor_size(x, 1), d = cr_tensor_size(x, 2);
    cr_tensor *qkv =
        cr_view(cr_forward(self->qkv, cr_forward(self->n1, x)), CR_INTS(b, t, 3, 2, d / 2));
    qkv = cr_permute(qkv, CR_INTS(2, 0, 3, 1, 4));
    cr_tensor *heads = cr_scaled_dot_product_attention(cr_select(qkv, 0, 0), cr_select(qkv, 0, 1),
                                                       cr_select(qkv, 0, 2), .is_causal = true);
    x = cr_add(x, cr_forward(self->o, cr_reshape(cr_transpose(heads, 1, 2), CR_INTS(b, t, d))));
    x = cr_add(x, cr_forward(self->v, cr_gelu(cr_forward(self->u, cr_forward(self->n2, x)))));
    return cr_reshape(cr_forward(self->head, x), CR_INTS(b * t, 11));
}

CR_MODULE(Recurrent, r, h);
CR_FORWARD(Recurrent, x)
{
    return cr_forward(self->h, cr_select(cr_forward(self->r, x), 1, -1));
}

typedef enum model_kind { LENET, MLP, RESIDUAL, GPT, LSTM, DROPOUT, MODELS } model_kind;

typedef struct model {
    const char *name;
    cr_module *net;
    cr_optimizer *optimizer;
    int64_t batch;
} model;

/* The same model, with the same values, at each call. */
static inline model make_model(model_kind kind)
{
    cr_manual_seed(3);
    model m = {.batch = 4};
    switch (kind) {
    case LENET:
        m.name = "lenet";
        m.net = cr_sequential(cr_conv2d(1, 6, 5, .padding = 2), cr_relu_layer(), cr_max_pool2d(2),
                              cr_conv2d(6, 16, 5), cr_relu_layer(), cr_max_pool2d(2),
                              cr_flatten_layer(), cr_linear(400, 120), cr_relu_layer(),
                              cr_linear(120, 10));
        m.optimizer = cr_sgd(m.net, .lr = 0.05, .momentum = 0.9);
        break;
    case MLP:
        m.name = "mlp";
        m.net = cr_sequential(cr_linear(20, 32), cr_relu_layer(), cr_linear(32, 32),
                              cr_tanh_layer(), cr_linear(32, 10));
        m.optimizer = cr_adam(m.net);
        break;
    case RESIDUAL:
        m.name = "residual";
        m.net = cr_sequential(CR_NEW(Block, .a = cr_conv2d(3, 3, 3, .padding = 1),
                                     .b = cr_conv2d(3, 3, 3, .padding = 1),
                                     .na = cr_batch_norm2d(3), .nb = cr_batch_norm2d(3)),
                              cr_flatten_layer(), cr_linear(3 * 64, 10));
        m.optimizer = cr_sgd(m.net, .lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4);
        break;
    case GPT:
        m.name = "gpt";
        m.net =
            CR_NEW(Attend, .e = cr_embedding(11, 8), .n1 = cr_layer_norm(CR_INTS(8)),
                   .n2 = cr_layer_norm(CR_INTS(8)), .qkv = cr_linear(8, 24), .o = cr_linear(8, 8),
                   .u = cr_linear(8, 32), .v = cr_linear(32, 8), .head = cr_linear(8, 11));
        /* The keys' bias has no gradient but rounding, of which a small eps would make steps. */
        m.optimizer = cr_adamw(m.net, .eps = 1e-5);
        break;
    case LSTM:
        m.name = "lstm";
        m.net = CR_NEW(Recurrent, .r = cr_lstm(5, 7, .batch_first = true), .h = cr_linear(7, 10));
        m.optimizer = cr_adam(m.net);
        break;
    default:
        m.name = "dropout";
        m.net =
            cr_sequential(cr_linear(20, 32), cr_dropout(0.5), cr_relu_layer(), cr_linear(32, 10));
        m.optimizer = cr_sgd(m.net, .lr = 0.1);
    }
    return m;
}

/* A batch of that number: other values each time, of the same kind. */
static inline void make_batch(model_kind kind, int number, cr_tensor *batch[2])
{
    cr_manual_seed((uint64_t)(1000 + number));
    batch[0] = kind == LENET      ? cr_randn(CR_INTS(4, 1, 28, 28))
               : kind == RESIDUAL ? cr_randn(CR_INTS(4, 3, 8, 8))
               : kind == GPT      ? cr_randint(11, CR_INTS(4, 6))
               : kind == LSTM     ? cr_randn(CR_INTS(4, 6, 5))
                                  : cr_randn(CR_INTS(4, 20));
    batch[1] = kind == GPT ? cr_reshape(batch[0], CR_INTS(24)) : cr_randint(10, CR_INTS(4));
}

static inline cr_tensor *loss_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_cross_entropy(cr_forward(net, in[0]), in[1]);
}

static inline cr_compile_stats stats_of(const cr_compiled *c)
{
    cr_compile_stats s;
    ck_assert(!cr_compile_get_stats(c, &s));
    return s;
}

#endif
