/* A walk through all that a first day with PyTorch shows: tensors and memory, the graph, three ways to build a model, summaries, a
 * training loop, state dicts. What it prints is what PyTorch 1.13 and torchkeras print (tools/golden/make_seed.py);
 * tests/golden/examples/seed.txt has it. */
#include <cresset/cresset.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *truth(bool b)
{
    return b ? "True" : "False";
}

/* The beginning of the error that was expected, without what we add to PyTorch's sentence, and away with it. */
static void print_error(const char *before)
{
    const char *text = cr_error() ? cr_error() : "no error", *more = strstr(text, " (output");
    size_t length = more ? (size_t)(more - text) : strlen(text);
    printf("%s%.*s\n", before, (int)(length < 110 ? length : 110), text);
    cr_clear_error();
}

/* As NumPy prints an array of integers: in columns of one width. */
static void print_array(const int64_t *a, int n)
{
    int width = 0, length;
    for (int i = 0; i < n; i++)
        width = (length = snprintf(NULL, 0, "%lld", (long long)a[i])) > width ? length : width;
    for (int i = 0; i < n; i++)
        printf("%s%*lld", i ? " " : "[", width, (long long)a[i]);
    printf("]");
}

/* ---- tensors from memory: shared, copied, converted ---- */

static void memory(void)
{
    int64_t a[3] = {1, 2, 3}, three = 3;
    cr_tensor *shared = cr_tensor_from_memory(a, sizeof a, CR_I64, 1, &three, NULL, 0);
    cr_fill_scalar_(cr_select(shared, 0, 0), -1);
    print_array(a, 3);
    printf(" torch.%s\n", cr_dtype_name(cr_tensor_dtype(shared)));
    cr_tensor *copied = cr_tensor_copy_from(a, CR_I64, 1, &three, NULL);
    cr_fill_scalar_(cr_select(copied, 0, 1), 7);
    cr_print(copied);
    print_array(a, 3);
    cr_tensor *floats = cr_to_dtype(cr_abs(shared), CR_F32);
    char *text = cr_tensor_to_string(floats);
    printf("\n%s torch.%s\n", text ? text : "", cr_dtype_name(cr_tensor_dtype(floats)));
    cr_free(text);
    int64_t b[3];
    cr_abs_(shared); /* in place: the array changes with it */
    cr_fill_scalar_(cr_select(cr_clone(shared), 0, 0), 9);
    cr_tensor_read(shared, b, sizeof b); /* and this is a copy in the array b */
    print_array(b, 3);
    printf("\n");
}

/* ---- the graph ---- */

static void name(const char *label, cr_tensor *t)
{
    printf("%s:%s ", label, cr_grad_node_name(cr_grad_fn(t)));
}

static void graph_names(void)
{
    cr_tensor *x = cr_requires_grad_(cr_ones(CR_INTS(2, 2)), 1), *v = cr_ones(2);
    cr_tensor *half = cr_sigmoid(x), *image = cr_requires_grad_(cr_ones(CR_INTS(1, 1, 4, 4)), 1);
    name("add", cr_add(x, x));
    name("mul", cr_mul(x, x));
    name("mean", cr_mean(x));
    name("sum", cr_sum(x));
    name("sub", cr_sub(x, x));
    name("div", cr_div(x, x));
    name("neg", cr_neg(x));
    name("pow", cr_pow_scalar(x, 2));
    name("exp", cr_exp(x));
    name("mm", cr_mm(x, x));
    name("mv", cr_mv(x, v));
    name("view", cr_view(x, CR_INTS(4)));
    name("t", cr_t(x));
    name("relu", cr_relu(x));
    name("sig", half);
    name("sel", cr_select(x, 0, 0));
    name("sl", cr_slice(x, .start = CR_SOME(1)));
    name("lin", cr_forward(cr_linear(2, 2), x));
    name("clone", cr_clone(x));
    name("cat", cr_cat(CR_TENSORS(x, x)));
    name("maxd", cr_max_dim(x, 0).values);
    name("mx", cr_max(x));
    name("bce", cr_binary_cross_entropy(half, cr_ones(CR_INTS(2, 2))));
    name("bcel", cr_binary_cross_entropy_with_logits(x, cr_ones(CR_INTS(2, 2))));
    name("ce", cr_cross_entropy(x, cr_tensor_i64(2, 0, 1)));
    name("mse", cr_mse_loss(x, cr_zeros(CR_INTS(2, 2))));
    name("conv", cr_forward(cr_conv2d(1, 1, 3), image));
    name("sm", cr_softmax(x, 0));
    name("mp", cr_forward(cr_max_pool2d(2), image));
    name("tanh", cr_tanh(x));
    name("log", cr_log(x));
    name("perm", cr_permute(x, CR_INTS(1, 0)));
    name("ex", cr_expand(x, CR_INTS(3, 2, 2)));
    name("sq", cr_squeeze(cr_unsqueeze(x, 0)));
    printf("\n");
}

static void autograd(void)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(2, 1, 1), 1);
    printf("%s %s %s %s\n", cr_grad_fn(x) ? "grad_fn" : "None", truth(cr_requires_grad(x)),
           truth(cr_is_leaf(x)), truth(cr_is_leaf(cr_mul(x, x))));
    cr_tensor *y = cr_tensor_f32(2, 1, 1);
    printf("%s\n", truth(cr_equal(x, y)));
    cr_tensor *z = cr_mul_scalar(cr_mul_scalar(cr_add_scalar(x, 1), cr_float_scalar(0.5)), 1);
    cr_print(cr_mean(z));
    cr_tensor *loss = cr_sum(cr_mul_scalar(cr_pow_scalar(x, 3), 1));
    cr_backward(loss);
    cr_print(cr_grad(x));
    cr_backward(loss);
    print_error("2nd backward: ");
    cr_backward(cr_mul_scalar(x, 2));
    print_error("");
    cr_backward(cr_sum(y));
    print_error("");
}

/* ---- three ways to build a model ---- */

static cr_module *create_net(void)
{
    /* clang-format off */
    return cr_sequential("linear1", cr_linear(15, 20), "relu1", cr_relu_layer(),
                         "linear2", cr_linear(20, 15), "relu2", cr_relu_layer(),
                         "linear3", cr_linear(15, 1), "sigmoid", cr_sigmoid_layer());
    /* clang-format on */
}

/* The same layer by layer, as net.add_module does. */
static cr_module *add_layers(void)
{
    cr_module *net = cr_sequential();
    cr_add_module(net, "linear1", cr_linear(15, 20));
    cr_add_module(net, "relu1", cr_relu_layer());
    cr_add_module(net, "linear2", cr_linear(20, 15));
    cr_add_module(net, "relu2", cr_relu_layer());
    cr_add_module(net, "linear3", cr_linear(15, 1));
    cr_add_module(net, "sigmoid", cr_sigmoid_layer());
    return net;
}

CR_MODULE(Net, conv1, pool, conv2, dropout, adaptive_pool, flatten, linear1, relu, linear2,
          sigmoid);
CR_FORWARD(Net, x)
{
    x = cr_forward(self->pool, cr_forward(self->conv1, x));
    x = cr_forward(self->pool, cr_forward(self->conv2, x));
    x = cr_forward(self->adaptive_pool, cr_forward(self->dropout, x));
    x = cr_forward(self->flatten, x);
    x = cr_forward(self->relu, cr_forward(self->linear1, x));
    return cr_forward(self->sigmoid, cr_forward(self->linear2, x));
}

static cr_module *make_net(void)
{
    return CR_NEW(Net, .conv1 = cr_conv2d(3, 32, 3), .pool = cr_max_pool2d(2, 2),
                  .conv2 = cr_conv2d(32, 64, 5), .dropout = cr_dropout2d(0.1),
                  .adaptive_pool = cr_adaptive_max_pool2d(.output_size_hw = {1, 1}),
                  .flatten = cr_flatten_layer(), .linear1 = cr_linear(64, 32),
                  .relu = cr_relu_layer(), .linear2 = cr_linear(32, 1),
                  .sigmoid = cr_sigmoid_layer());
}

static cr_module *make_lenet(void)
{
    return cr_sequential(cr_conv2d(1, 6, 5, .padding = 2), cr_relu_layer(), cr_max_pool2d(2),
                         cr_conv2d(6, 16, 5), cr_relu_layer(), cr_max_pool2d(2), cr_flatten_layer(),
                         cr_linear(400, 120), cr_relu_layer(), cr_linear(120, 84), cr_relu_layer(),
                         cr_linear(84, 10));
}

/* ---- a training loop: a line through four points ---- */

static void train(void)
{
    cr_tensor *x = cr_tensor_f32(CR_INTS(4, 1), -1, 0, 1, 2),
              *y = cr_tensor_f32(CR_INTS(4, 1), -3, -1, 1, 3);
    cr_module *net = cr_sequential(cr_linear(1, 1));
    CR_FOREACH_PARAMETER (p, net)
        CR_NO_GRAD
            cr_zero_(p.tensor);
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.1, .momentum = 0.9);
    cr_module *criterion = cr_mse_loss_layer();
    cr_loader *loader = cr_data_loader(cr_tensor_dataset(x, y), .batch_size = 2);
    for (int epoch = 1; epoch <= 40; epoch++) {
        double total = 0;
        CR_FOREACH_BATCH (batch, loader) {
            cr_zero_grad(sgd);
            cr_tensor *loss = cr_forward(criterion, cr_forward(net, batch.input), batch.target);
            cr_backward(loss);
            cr_step(sgd);
            total += cr_item(loss);
        }
        if (epoch % 10 == 0)
            printf("epoch %d loss %.4f\n", epoch, total / 2);
    }
    CR_NO_GRAD
        printf("f(5) = %.3f\n", cr_item(cr_forward(net, cr_tensor_f32(CR_INTS(1, 1), 5))));
}

/* ---- what a model and an optimiser hold ---- */

/* The names of a dict that begin with a prefix, without it, up to its next part: a Python list of keys. */
static void print_keys(const cr_state_dict *dict, const char *prefix, char end)
{
    const char *before = NULL;
    size_t skip = strlen(prefix), length = 0;
    printf("[");
    CR_FOREACH_STATE(s, dict)
    {
        const char *key = s.name + skip;
        if (strncmp(s.name, prefix, skip) || (before && !strncmp(before, key, length + 1)))
            continue;
        length = end ? strcspn(key, (char[]){end, 0}) : strlen(key);
        printf("%s'%.*s'", before ? ", " : "", (int)length, key);
        before = key;
    }
    printf("]");
}

static void print_value(const cr_value *v)
{
    if (v->tag == CR_FLOAT_LIST || v->tag == CR_INT_LIST) {
        printf(v->tag == CR_INT_LIST ? "[" : "(");
        for (int64_t i = 0; i < v->count; i++)
            printf("%s%g", i ? ", " : "",
                   v->tag == CR_INT_LIST ? (double)v->as.ints[i] : v->as.floats[i]);
        printf(v->tag == CR_INT_LIST ? "]" : ")");
    } else if (v->tag == CR_BOOL) {
        printf("%s", truth(v->as.i));
    } else {
        printf("%g", v->tag == CR_FLOAT ? v->as.f : (double)v->as.i);
    }
}
/* A Python dict of the options of the first group, and the names of what is there beside it. */
static void print_options(const cr_state_dict *dict)
{
    static const char first[] = "param_groups.0.";
    bool more = false;
    print_keys(dict, "", '.');
    printf(" {");
    CR_FOREACH_STATE(s, dict)
    {
        if (strncmp(s.name, first, strlen(first)))
            continue;
        printf("%s'%s': ", more ? ", " : "", s.name + strlen(first));
        print_value(s.value);
        more = true;
    }
    printf("}\n");
}

static void state_dicts(cr_module *net)
{
    const char *before = "";
    printf("[");
    CR_FOREACH_PARAMETER (p, net) {
        if (strncmp(p.name, "conv1", 5))
            continue;
        printf("%s'%s'", before, p.name);
        before = ", ";
    }
    printf("]\n");
    cr_module *norm = cr_batch_norm2d(4);
    print_keys(cr_module_state_dict(norm), "", 0);
    printf(" [");
    CR_FOREACH_PARAMETER (p, norm)
        printf("%s'%s'", strcmp(p.name, "weight") ? ", " : "", p.name);
    printf("]\n");
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.1, .momentum = 0.9), *adam = cr_adam(net);
    cr_backward(cr_sum(cr_forward(net, cr_ones(CR_INTS(1, 3, 32, 32)))));
    cr_step(sgd);
    cr_step(adam);
    print_options(cr_optimizer_state_dict(sgd));
    print_options(cr_optimizer_state_dict(adam));
    print_keys(cr_optimizer_state_dict(adam), "state.0.", 0);
    printf("\n");
    cr_module *inner = cr_module_dict("z", cr_linear(2, 2, .no_bias = true));
    cr_module *outer = cr_module_dict("_latents", inner);
    print_keys(cr_module_state_dict(outer), "", 0);
    printf("\n");
    cr_state_dict *wrong = cr_state_dict_new();
    cr_state_dict_set(wrong, "linear1.weight", cr_ones(CR_INTS(3, 3)));
    cr_state_dict_set(wrong, "foo", cr_ones(1));
    cr_module_load_state_dict(cr_sequential("linear1", cr_linear(15, 20), "linear2",
                                            cr_linear(20, 15), "linear3", cr_linear(15, 1)),
                              wrong);
    printf("%s\n", cr_error() ? cr_error() : "no error");
    cr_clear_error();
}

int main(void)
{
    fprintf(stderr, "Cresset %s\n", cr_version());
    cr_manual_seed(0);
    memory();
    graph_names();
    autograd();
    cr_summary(create_net(), 15);
    cr_summary(add_layers(), 15);
    cr_module *net = make_net();
    cr_summary(net, CR_INTS(3, 32, 32));
    cr_module_print(net);
    cr_summary(make_lenet(), CR_INTS(1, 28, 28));
    train();
    state_dicts(net);
    return cr_exit();
}
