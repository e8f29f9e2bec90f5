/* States that a training goes on from. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cr_loader *loader;
    if (!loader)
        loader = cr_data_loader(cr_tensor_dataset(cr_ones(CR_INTS(2, 1)), cr_zeros(CR_INTS(2, 1))),
                                .batch_size = 2, .num_workers = CR_NO_WORKERS);
    CR_SCOPE {
        cr_manual_seed(1);
        cr_module *net = cr_linear(1, 1);
        cr_history *h =
            cr_fit(net, loader, .optimizer = cr_sgd(net, .lr = 0.1, .momentum = 0.9),
                   .loss = cr_mse_loss_layer(), .metrics = CR_METRICS(cr_mean_absolute_error()),
                   .validation = loader, .state = fuzz_file(data, size), .no_interrupt = true);
        for (size_t e = 0; e < cr_history_epochs(h); e++)
            cr_history_get(h, e, "loss");
        fuzz_finish(h);
    }
    return 0;
}
