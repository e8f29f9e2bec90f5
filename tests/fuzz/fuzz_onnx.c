/* ONNX models, run on inputs of ones when they load. A model may ask for as much memory as it likes when it runs: use
 * -fork=1 -ignore_ooms=1 -ignore_timeouts=1. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        cr_module *m = cr_load_onnx(fuzz_file(data, size));
        fuzz_finish(m);
        cr_tensor *x = cr_ones(CR_INTS(1, 2, 3), .device = "cpu"),
                  *inputs[8] = {x, x, x, x, x, x, x, x};
        cr_tensor *outputs[CR_MODULE_OUTPUTS] = {NULL};
        if (m && cr_onnx_inputs(m) <= 8 && !m->type->forward(m, inputs, cr_onnx_inputs(m), outputs))
            fuzz_finish(NULL);
    }
    return 0;
}
