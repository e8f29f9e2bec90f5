/* A Vulkan device without integers of 64 bits, or without small ones in memory (CRESSET_VULKAN_WITHOUT makes one): what is computed
 * there is what cpu computes, to the bit, on the device itself; the device is opened without these features, and no shader
 * that it gets declares them. Two of Vulkan's functions are this program's own, which look. */
#include "loader.h"

#include "bits.h"
#include "first_device.h"

#include <check.h>

#include <math.h>

static const char *device;
static int modules, devices;
static uint32_t
    forbidden; /* the last capability, or 1000 and more, a feature, that should not have been */

static bool is_lean(uint32_t capability)
{
    switch (capability) {
    case 10:   /* Float64 */
    case 11:   /* Int64 */
    case 12:   /* Int64Atomics */
    case 22:   /* Int16 */
    case 39:   /* Int8 */
    case 4433: /* StorageBuffer16BitAccess, and its like */
    case 4434:
    case 4435:
    case 4448: /* StorageBuffer8BitAccess, and its like */
    case 4449:
    case 4450: return false;
    default: return true;
    }
}

INSTEAD VkResult vkCreateShaderModule(VkDevice handle, const VkShaderModuleCreateInfo *info,
                                      const VkAllocationCallbacks *callbacks,
                                      VkShaderModule *module)
{
    enum { HEADER = 5, CAPABILITY = 2 << 16 | 17 };
    modules++;
    for (size_t i = HEADER; i + 1 < info->codeSize / 4 && info->pCode[i] == CAPABILITY; i += 2)
        if (!is_lean(info->pCode[i + 1]))
            forbidden = info->pCode[i + 1];
    return CALL_REAL(vkCreateShaderModule, handle, info, callbacks, module);
}

INSTEAD VkResult vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                const VkAllocationCallbacks *callbacks, VkDevice *handle)
{
    devices++;
    for (const VkBaseInStructure *at = info->pNext; at; at = at->pNext) {
        if (at->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 &&
            (((const VkPhysicalDeviceFeatures2 *)at)->features.shaderInt64 ||
             ((const VkPhysicalDeviceFeatures2 *)at)->features.shaderFloat64))
            forbidden = 1064;
        if (at->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES &&
            ((const VkPhysicalDeviceVulkan11Features *)at)->storageBuffer16BitAccess)
            forbidden = 1016;
        if (at->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES &&
            ((const VkPhysicalDeviceVulkan12Features *)at)->storageBuffer8BitAccess)
            forbidden = 1008;
    }
    return CALL_REAL(vkCreateDevice, physical, info, callbacks, handle);
}

/* ---- comparing ---- */

enum { MOST = 32 };

typedef int (*computation)(cr_tensor *const *in, cr_tensor **out);

/* in: of cpu. */
static void is_the_cpus(const char *what, computation f, cr_tensor *const *in, int nin)
{
    cr_tensor *there[MOST], *out[2][MOST];
    for (int i = 0; i < nin; i++)
        there[i] = cr_tensor_to(in[i], device);
    int n = f(there, out[0]);
    ck_assert_int_eq(n, f(in, out[1]));
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
    for (int i = 0; i < n; i++)
        ck_assert_msg(same_bits(out[0][i], out[1][i]), "%s: result %d", what, i);
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
}

/* ---- small elements share words ---- */

static int write_between(cr_tensor *const *in, cr_tensor **out)
{
    int n = 0;
    for (int64_t step = 1; step < 4; step++)
        for (int64_t from = 0; from < 4; from++) {
            cr_tensor *all = cr_clone(in[0]),
                      *some = cr_slice(all, 0, .start = CR_SOME(from), .end = CR_SOME(700 + from),
                                       .step = CR_SOME(step)),
                      *source = cr_narrow(in[1], 0, from, cr_tensor_sizes(some)[0]);
            cr_copy_(some, source);
            out[n++] = all;
            if (n < 24)
                out[n++] =
                    cr_clone(cr_slice(all, 0, .start = CR_SOME(from + 1), .end = CR_SOME(900)));
        }
    return n;
}

START_TEST(what_stands_beside_stays)
{
    const cr_dtype dtypes[] = {CR_U8, CR_B8, CR_I8, CR_I16, CR_F16, CR_BF16};
    CR_SCOPE
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
            cr_tensor *numbers = cr_randint(100, CR_INTS(2, 1003), .device = "cpu");
            cr_tensor *in[2] = {cr_to_dtype(cr_select(numbers, 0, 0), dtypes[i]),
                                cr_to_dtype(cr_select(numbers, 0, 1), CR_F32)};
            is_the_cpus(cr_dtype_name(dtypes[i]), write_between, in, 2);
        }
}
END_TEST

/* ---- casts ---- */

static int cast_to_all(cr_tensor *const *in, cr_tensor **out)
{
    const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16, CR_I64, CR_I32,
                               CR_I16, CR_I8,  CR_U8,   CR_B8};
    int n = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        out[n++] = cr_to_dtype(in[0], dtypes[i]);
    return n;
}

START_TEST(casts_are_the_cpus)
{
    CR_SCOPE {
        const int64_t longs[] = {0,
                                 1,
                                 -1,
                                 INT64_MAX,
                                 INT64_MIN,
                                 INT64_MIN + 1,
                                 16777217,
                                 -16777219,
                                 4294967295,
                                 4294967296,
                                 (INT64_C(1) << 40) + (1 << 16),
                                 (INT64_C(1) << 40) + (1 << 16) + 1,
                                 (INT64_C(3) << 40) + (1 << 17),
                                 -(INT64_C(1) << 62) - 1,
                                 (INT64_C(1) << 62) + (INT64_C(1) << 38),
                                 (INT64_C(1) << 62) + (INT64_C(1) << 38) + 1,
                                 (INT64_C(1) << 62) + (INT64_C(3) << 38),
                                 INT32_MIN,
                                 INT32_MAX,
                                 65535,
                                 -32769,
                                 255,
                                 256};
        const float floats[] = {0,
                                -0.0f,
                                1.5f,
                                -1.5f,
                                2147483648.0f,
                                -2147483904.0f,
                                4294967296.0f,
                                1e10f,
                                -1e10f,
                                9e18f,
                                -9e18f,
                                1e19f,
                                -1e19f,
                                INFINITY,
                                -INFINITY,
                                123456789.0f,
                                -4294967040.0f,
                                1099511627776.0f};
        enum { LONGS = sizeof longs / sizeof *longs, FLOATS = sizeof floats / sizeof *floats };
        cr_tensor *in[1] = {cr_tensor_copy_from(longs, CR_I64, 1, (const int64_t[]){LONGS}, "cpu")};
        is_the_cpus("of whole numbers", cast_to_all, in, 1);
        in[0] = cr_tensor_copy_from(floats, CR_F32, 1, (const int64_t[]){FLOATS}, "cpu");
        is_the_cpus("of floats", cast_to_all, in, 1);
    }
}
END_TEST

/* ---- whole numbers of 64 bits ---- */

static int compute_longs(cr_tensor *const *in, cr_tensor **out)
{
    cr_tensor *a = in[0], *b = in[1], *index = in[2];
    int n = 0;
    out[n++] = cr_add(a, b, .alpha = CR_S(3));
    out[n++] = cr_sub(a, b);
    out[n++] = cr_mul(a, b);
    out[n++] = cr_abs(a);
    out[n++] = cr_neg(a);
    out[n++] = cr_sign(a);
    out[n++] = cr_eq(a, b);
    out[n++] = cr_lt(a, b);
    out[n++] = cr_le(a, b);
    out[n++] = cr_maximum(a, b);
    out[n++] = cr_minimum(a, b);
    out[n++] = cr_bitwise_xor(a, b);
    out[n++] = cr_bitwise_not(a);
    out[n++] = cr_bitwise_left_shift(a, index);
    out[n++] = cr_bitwise_right_shift(a, index);
    out[n++] = cr_where(cr_lt(a, b), a, b);
    out[n++] = cr_div_mode(a, b, "trunc");
    out[n++] = cr_div_mode(a, b, "floor");
    out[n++] = cr_remainder(b, a);
    out[n++] = cr_fmod(a, b);
    out[n++] = cr_pow(a, index);
    out[n++] = cr_sum(a);
    out[n++] = cr_prod(cr_narrow(b, 0, 0, 20));
    out[n++] = cr_amax(a);
    out[n++] = cr_amin(b);
    out[n++] = cr_argmax(a);
    out[n++] = cr_cumsum(a, 0);
    out[n++] = cr_cummax(a, 0).indices;
    out[n++] = cr_sort(a).values;
    out[n++] = cr_scatter(a, 0, index, cr_narrow(b, 0, 0, 70));
    out[n++] = cr_gather(a, 0, index);
    out[n++] = cr_index_select(b, 0, index);
    return n;
}

START_TEST(whole_numbers_of_64_bits_are_the_cpus)
{
    CR_SCOPE {
        cr_manual_seed(5);
        cr_tensor *in[3] = {cr_random_bits(CR_INTS(70), .dtype = CR_I64, .device = "cpu"),
                            cr_random_bits(CR_INTS(70), .dtype = CR_I64, .device = "cpu"),
                            cr_randperm(70, .device = "cpu")};
        is_the_cpus("random bits", compute_longs, in, 3);
        in[0] = cr_bitwise_right_shift(in[0],
                                       cr_full(CR_INTS(70), 40, .dtype = CR_I64, .device = "cpu"));
        in[1] = cr_bitwise_right_shift(in[1],
                                       cr_full(CR_INTS(70), 29, .dtype = CR_I64, .device = "cpu"));
        is_the_cpus("fewer bits", compute_longs, in, 3);
    }
}
END_TEST

/* ---- captured chains ---- */

static size_t chain(void *context, cr_tensor *const *in, size_t nin, cr_tensor **out)
{
    (void)context;
    (void)nin;
    out[0] = cr_mul(cr_relu(cr_add(in[0], in[1])), in[0]);
    return 1;
}

START_TEST(chains_are_one_plan)
{
    const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_I32, CR_I16, CR_I8};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        CR_NO_GRAD
            CR_SCOPE {
                cr_tensor *numbers =
                    cr_sub_scalar(cr_randint(9, CR_INTS(2, 7, 31), .device = "cpu"), 4);
                numbers = cr_tensor_to(cr_to_dtype(numbers, dtypes[i]), device);
                cr_tensor *in[2] = {cr_select(numbers, 0, 0),
                                    cr_narrow(cr_select(numbers, 0, 1), 1, 3, 1)};
                cr_tensor *right[1], *out[1];
                cr_compiled *c = cr_compile_function(chain, NULL, NULL);
                chain(NULL, in, 2, right);
                for (int k = 0; k < 4; k++)
                    ck_assert_msg(!cr_compiled_call_many(c, in, 2, out, 1), "%s", cr_error());
                cr_compile_stats stats;
                ck_assert_int_eq(cr_compile_get_stats(c, &stats), 0);
                ck_assert_msg(!cr_compile_reason(c), "%s", cr_compile_reason(c));
                ck_assert_uint_eq(stats.plans, 1);
                ck_assert_msg(same_bits(out[0], right[0]), "%s", cr_dtype_name(dtypes[i]));
                ck_assert_msg(!cr_error(), "%s", cr_error());
            }
}
END_TEST

START_TEST(a_bad_index_is_told)
{
    CR_SCOPE {
        cr_tensor *x = cr_ones(10), *index = cr_tensor_i64(CR_INTS(2), 3, -4294967295);
        cr_tensor_read(cr_gather(x, 0, index), (float[2]){0}, 8);
        ck_assert_ptr_nonnull(cr_error());
        ck_assert_msg(
            strstr(cr_error(), "index -4294967295 is out of bounds for dimension 0 with size 10"),
            "%s", cr_error());
        cr_clear_error();
    }
}
END_TEST

START_TEST(nothing_forbidden_was_used)
{
    ck_assert_int_ge(modules, 10);
    ck_assert_int_gt(devices, 0);
    ck_assert_msg(!forbidden, "number %u", (unsigned)forbidden);
}
END_TEST

int main(void)
{
    int status;
    if (!(device = first_device(&status)))
        return status;
    Suite *suite = suite_create("vulkan, a lean device");
    TCase *tests = tcase_create("lean");
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, what_stands_beside_stays);
    tcase_add_test(tests, casts_are_the_cpus);
    tcase_add_test(tests, whole_numbers_of_64_bits_are_the_cpus);
    tcase_add_test(tests, chains_are_one_plan);
    tcase_add_test(tests, a_bad_index_is_told);
    tcase_add_test(tests, nothing_forbidden_was_used); /* the last */
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
