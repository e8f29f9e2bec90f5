/* PNG and JPEG images of at most a million pixels. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        cr_tensor *t = cr_load_image(fuzz_file(data, size), .max_pixels = 1 << 20);
        fuzz_touch(t);
        fuzz_finish(t);
    }
    return 0;
}
