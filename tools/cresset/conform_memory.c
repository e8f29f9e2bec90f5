/* The first level of conformance: what a device has to do before it computes anything. */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool memory_test(const char *device);

/* What was written comes back, for sizes around every alignment. */
static bool copies_come_back(const char *device)
{
    static const int64_t sizes[] = {0,  1,  2,  3,    4,    7,    8,     15,
                                    63, 64, 65, 1000, 4095, 4096, 65537, 1 << 20};
    bool same = true;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && same; i++) {
        size_t n = (size_t)sizes[i];
        unsigned char *out = malloc(n + 1), *in = malloc(n + 1);
        for (size_t k = 0; out && k < n; k++)
            out[k] = (unsigned char)(k * 31 + i);
        CR_SCOPE {
            cr_tensor *t = out && in ? cr_tensor_copy_from(out, CR_U8, 1, &sizes[i], device) : NULL;
            same = t && !cr_tensor_read(t, in, n) && !memcmp(in, out, n);
        }
        free(out);
        free(in);
    }
    return same;
}

/* Many live tensors don't share memory. */
static bool tensors_lie_apart(const char *device)
{
    enum { COUNT = 200 };
    cr_tensor *t[COUNT];
    bool good = true;
    for (int i = 0; i < COUNT; i++)
        t[i] = cr_full(CR_INTS(1 + i * 7), i, .dtype = CR_I32, .device = device);
    for (int i = 0; i < COUNT && good; i++)
        good = cr_item_int(cr_min(t[i])) == i && cr_item_int(cr_max(t[i])) == i;
    return good;
}

static bool writes_reach_views(const char *device)
{
    cr_tensor *t = cr_zeros(CR_INTS(4, 6), .dtype = CR_I64, .device = device);
    cr_fill_scalar_(
        cr_slice(cr_t(t), .dim = 0, .start = CR_SOME(1), .end = CR_SOME(6), .step = CR_SOME(2)), 5);
    return cr_item_int(cr_sum(t)) == 5 * 3 * 4 &&
           cr_item_int(cr_select(cr_select(t, 0, 3), 0, 5)) == 5 &&
           cr_item_int(cr_select(cr_select(t, 0, 3), 0, 4)) == 0;
}

/* Between overlapping and strided views, in every dtype. */
static bool strided_copies(const char *device)
{
    static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_BF16, CR_I64,
                                      CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};
    bool good = true;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && good; i++) {
        cr_tensor *a = cr_remainder_scalar(cr_arange(60, .dtype = CR_I64, .device = device), 2);
        a = cr_to_dtype(cr_reshape(a, CR_INTS(3, 4, 5)), dtypes[i]);
        cr_tensor *b = cr_zeros(CR_INTS(5, 3, 4), .dtype = dtypes[i], .device = device);
        cr_copy_(cr_permute(b, CR_INTS(1, 2, 0)), a);
        good = cr_equal(cr_contiguous(cr_permute(a, CR_INTS(2, 0, 1))), b);
    }
    return good;
}

static bool a_freed_tensor_is_used_again(const char *device)
{
    cr_memory_stats_result before, after;
    CR_SCOPE
        cr_zeros(CR_INTS(1000), .device = device);
    cr_memory_stats(device, &before);
    for (int i = 0; i < 100; i++)
        CR_SCOPE
            cr_zeros(CR_INTS(1000), .device = device);
    return !cr_memory_stats(device, &after) &&
           after.backend_allocations == before.backend_allocations &&
           after.allocated_bytes == before.allocated_bytes;
}

static bool too_much_is_an_error(const char *device)
{
    cr_tensor *t = cr_empty(CR_INTS((int64_t)1 << 50), .device = device);
    bool refused = !t && cr_error();
    cr_clear_error();
    return refused && cr_item(cr_sum(cr_ones(CR_INTS(3), .device = device))) == 3;
}

int conform_memory(const char *device, bool quiet)
{
    static const struct {
        const char *name;
        memory_test *test;
    } tests[] = {{"copies come back", copies_come_back},
                 {"tensors lie apart", tensors_lie_apart},
                 {"writes reach views", writes_reach_views},
                 {"copies between strides, in every dtype", strided_copies},
                 {"freed memory is used again", a_freed_tensor_is_used_again},
                 {"too large an allocation is an error", too_much_is_an_error}};
    int failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        bool good = false;
        CR_SCOPE
            good = tests[i].test(device) && !cr_error();
        if (!quiet || !good)
            printf("memory: %-44s %s%s%s\n", tests[i].name, good ? "pass" : "FAIL",
                   cr_error() ? ": " : "", cr_error() ? cr_error() : "");
        cr_clear_error();
        failed += !good;
    }
    return failed;
}
