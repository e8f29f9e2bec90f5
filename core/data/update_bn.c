/* update_bn: a module's batch norm statistics over one epoch of a loader. */
#include <cresset/autograd.h>
#include <cresset/nn.h>
#include <cresset/swa.h>

int cr_update_bn(cr_loader *loader, cr_module *module, const char *device)
{
    if (!loader || !module) {
        if (!cr_error())
            cr_fail("cr_update_bn: %s is null", loader ? "module" : "loader");
        return -1;
    }
    if (!cr_batch_norm_averages_begin(module))
        return cr_error() ? -1 : 0;
    bool was = module->training;
    cr_train(module);
    CR_NO_GRAD
        CR_FOREACH_BATCH (batch, loader)
            cr_forward(module, device ? cr_tensor_to(batch.input, device) : batch.input);
    if (!was)
        cr_eval(module);
    cr_batch_norm_averages_end(module);
    return cr_error() ? -1 : 0;
}
