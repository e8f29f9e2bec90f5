/* safetensors files. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        cr_state_dict *dict = cr_load(fuzz_file(data, size));
        fuzz_touch_dict(dict);
        fuzz_finish(dict);
    }
    return 0;
}
