/* LeNet on Fashion-MNIST in bf16 by autocast over f32 weights: within a point of the accuracy that f32 reaches. Passes by where the
 * data set isn't installed. */
#include "nn/golden.h"

enum { EPOCHS = 1 };

static cr_module *make_lenet(void)
{
    cr_manual_seed(5);
    return cr_sequential(cr_conv2d(1, 6, 5, .padding = 2), cr_relu_layer(), cr_max_pool2d(2),
                         cr_conv2d(6, 16, 5), cr_relu_layer(), cr_max_pool2d(2), cr_flatten_layer(),
                         cr_linear(400, 120), cr_relu_layer(), cr_linear(120, 84), cr_relu_layer(),
                         cr_linear(84, 10));
}

/* Trains a LeNet and gives the part of the test set that it gets right. */
static double accuracy(bool autocast)
{
    cr_module *net = make_lenet();
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.05, .momentum = 0.9);
    cr_loader *loader = cr_data_loader(cr_fashion_mnist(NULL, CR_TRAIN), .batch_size = 128,
                                       .shuffle = true, .seed = 7);
    cr_scheduler *schedule = cr_one_cycle_lr(sgd, 0.05, .epochs = EPOCHS, .no_cycle_momentum = true,
                                             .steps_per_epoch = cr_loader_length(loader));
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        CR_FOREACH_BATCH (batch, loader) {
            cr_tensor *loss = NULL;
            CR_AUTOCAST (NULL, .dtype = CR_BF16, .disabled = !autocast) {
                cr_tensor *out = cr_forward(net, batch.input);
                ck_assert(cr_tensor_dtype(out) == (autocast ? CR_BF16 : CR_F32));
                loss = cr_cross_entropy(out, batch.target);
            }
            cr_zero_grad(sgd);
            cr_backward(loss);
            cr_step(sgd);
            cr_step(schedule);
        }
    CR_FOREACH_PARAMETER (p, net)
        ck_assert(cr_tensor_dtype(p.tensor) == CR_F32);
    int64_t right = 0, count = 0;
    cr_eval(net);
    cr_loader *test = cr_data_loader(cr_fashion_mnist(NULL, CR_TEST), .batch_size = 1000);
    CR_NO_GRAD
        CR_FOREACH_BATCH (batch, test) {
            cr_tensor *out = NULL;
            CR_AUTOCAST (NULL, .disabled = !autocast)
                out = cr_forward(net, batch.input);
            right += cr_item_int(cr_sum(cr_eq(cr_argmax(out, .dim = CR_SOME(1)), batch.target)));
            count += batch.count;
        }
    assert_no_error();
    return (double)right / (double)count;
}

START_TEST(bf16_over_f32_weights_reaches_what_f32_reaches)
{
    if (!cr_fashion_mnist(NULL, CR_TEST)) {
        printf("Fashion-MNIST is not installed: nothing to train on\n");
        cr_clear_error();
        return;
    }
    double plain = accuracy(false), mixed = accuracy(true);
    printf("f32 %.4f, bf16 autocast %.4f\n", plain, mixed);
    ck_assert_msg(plain > 0.8, "f32 reaches only %.4f", plain);
    ck_assert_msg(mixed > plain - 0.01, "f32 %.4f, bf16 autocast %.4f", plain, mixed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("autocast_training");
    TCase *all = tcase_create("autocast_training");
    tcase_set_timeout(all, 1200);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, bf16_over_f32_weights_reaches_what_f32_reaches);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
