/* Patterns of einops: the first byte chooses the function and the tensor, the rest is the pattern. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t shapes[4][4] = {{2, 3, 4, 6}, {6, 4, 1, 1}, {1, 1, 1, 1}, {0, 3, 2, 1}};
    if (size < 1 || size > 2000)
        return 0;
    char *pattern = malloc(size);
    memcpy(pattern, data + 1, size - 1);
    pattern[size - 1] = 0;
    CR_SCOPE {
        cr_tensor *x = cr_empty(cr_make_ints(shapes[data[0] >> 3 & 3], 1 + (data[0] >> 5 & 3)),
                                .device = "cpu");
        const cr_axis axes[] = {{"a", 2}, {NULL, 0}}, *given = data[0] & 128 ? axes : NULL;
        cr_packed_shape shape;
        int64_t found;
        cr_tensor *y = NULL;
        switch (data[0] & 7) {
        case 0: y = cr_rearrange_with(x, pattern, given); break;
        case 1: y = cr_reduce_with(x, pattern, "sum", given); break;
        case 2: {
            /* sizes in a pattern are the user's wish: no fuzzer needs gigabytes */
            int digits = 0;
            for (const char *p = pattern; *p; p++)
                digits += *p >= '0' && *p <= '9';
            y = digits > 4 ? x : cr_einops_repeat_with(x, pattern, given);
            break;
        }
        case 3: y = cr_einops_einsum(pattern, CR_TENSORS(x, x)); break;
        case 4: y = cr_pack(CR_TENSORS(x), pattern, &shape); break;
        case 5: y = cr_parse_shape(x, pattern, {"a", &found}) ? NULL : x; break;
        case 6: y = cr_einops_einsum(pattern, CR_TENSORS(x)); break;
        default: {
            cr_module *mix = cr_einmix(pattern, "c d", .axes = {{"c", 2}, {"d", 3}});
            y = mix ? x : NULL;
        }
        }
        fuzz_finish(y);
    }
    free(pattern);
    return 0;
}
