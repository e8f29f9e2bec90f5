/* A model with a forward of its own, its summary and its printed form. */
#include <cresset/cresset.h>

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

int main(void)
{
    cr_module *net =
        CR_NEW(Net, .conv1 = cr_conv2d(3, 32, 3), .pool = cr_max_pool2d(2, 2),
               .conv2 = cr_conv2d(32, 64, 5), .dropout = cr_dropout2d(0.1),
               .adaptive_pool = cr_adaptive_max_pool2d(.output_size_hw = {1, 1}),
               .flatten = cr_flatten_layer(), .linear1 = cr_linear(64, 32), .relu = cr_relu_layer(),
               .linear2 = cr_linear(32, 1), .sigmoid = cr_sigmoid_layer());
    cr_summary(net, CR_INTS(3, 32, 32));
    cr_module_print(net);
    return cr_exit();
}
