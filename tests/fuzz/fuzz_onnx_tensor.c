/* Tensors of ONNX. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        cr_tensor *t = cr_load_onnx_tensor(fuzz_file(data, size));
        fuzz_touch(t);
        fuzz_finish(t);
    }
    return 0;
}
