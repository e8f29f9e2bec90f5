/* .npy files. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        cr_tensor *t = cr_load_npy(fuzz_file(data, size));
        fuzz_touch(t);
        fuzz_finish(t);
    }
    return 0;
}
