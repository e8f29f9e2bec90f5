/* A model put together from named layers, and its summary. */
#include <cresset/cresset.h>

static cr_module *create_net(void)
{
    /* clang-format off */
    return cr_sequential("linear1", cr_linear(15, 20), "relu1", cr_relu_layer(),
                         "linear2", cr_linear(20, 15), "relu2", cr_relu_layer(),
                         "linear3", cr_linear(15, 1), "sigmoid", cr_sigmoid_layer());
    /* clang-format on */
}

int main(void)
{
    cr_summary(create_net(), 15);
    return cr_exit();
}
