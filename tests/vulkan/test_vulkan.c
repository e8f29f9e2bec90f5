/* The vulkan backend through the library: memory that runs out, several threads, and a device that is lost. The program
 * has two of Vulkan's functions of its own, which the backend then calls and which fail when a test wants it. */
#include "loader.h"

#include "first_device.h"

#include <check.h>

#include <cresset/cresset.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int allocations_to_fail, submissions_to_lose;

INSTEAD VkResult vkAllocateMemory(VkDevice handle, const VkMemoryAllocateInfo *info,
                                  const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory)
{
    if (atomic_load(&allocations_to_fail) > 0 && atomic_fetch_sub(&allocations_to_fail, 1) > 0)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return CALL_REAL(vkAllocateMemory, handle, info, callbacks, memory);
}

INSTEAD VkResult vkQueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos,
                               VkFence fence)
{
    if (atomic_load(&submissions_to_lose) > 0)
        return VK_ERROR_DEVICE_LOST;
    return CALL_REAL(vkQueueSubmit, queue, count, infos, fence);
}

/* ---- a driver that tells a budget: what a test wants of each heap to be left, else all of it ---- */

static atomic_llong budget_left;

INSTEAD VkResult vkEnumerateDeviceExtensionProperties(VkPhysicalDevice physical, const char *layer,
                                                      uint32_t *count, VkExtensionProperties *all)
{
    uint32_t room = *count;
    VkResult result = CALL_REAL(vkEnumerateDeviceExtensionProperties, physical, layer, count, all);
    if (result != VK_SUCCESS || layer)
        return result;
    if (all && *count < room)
        all[*count] = (VkExtensionProperties){.extensionName = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME};
    ++*count;
    return result;
}

INSTEAD VkResult vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *from,
                                const VkAllocationCallbacks *callbacks, VkDevice *handle)
{
    const char *kept[16];
    VkDeviceCreateInfo info = *from;
    info.enabledExtensionCount = 0;
    info.ppEnabledExtensionNames = kept;
    for (uint32_t i = 0; i < from->enabledExtensionCount; i++)
        if (strcmp(from->ppEnabledExtensionNames[i], VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) != 0)
            kept[info.enabledExtensionCount++] = from->ppEnabledExtensionNames[i];
    return CALL_REAL(vkCreateDevice, physical, &info, callbacks, handle);
}

INSTEAD void vkGetPhysicalDeviceMemoryProperties2(VkPhysicalDevice physical,
                                                  VkPhysicalDeviceMemoryProperties2 *properties)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = properties->pNext;
    properties->pNext = NULL;
    CALL_REAL(vkGetPhysicalDeviceMemoryProperties2, physical, properties);
    properties->pNext = budget;
    for (uint32_t i = 0; budget && i < properties->memoryProperties.memoryHeapCount; i++) {
        VkDeviceSize left = (VkDeviceSize)atomic_load(&budget_left);
        budget->heapUsage[i] = 1000;
        budget->heapBudget[i] =
            left ? left + 1000 : properties->memoryProperties.memoryHeaps[i].size;
    }
}

static const char *device;

static double sum_of_ones(int64_t n)
{
    double sum = 0;
    CR_SCOPE
        sum = cr_item(cr_sum(cr_ones(n)));
    return sum;
}

static void it_works(void)
{
    ck_assert_msg(sum_of_ones(1000) == 1000, "%s", cr_error() ? cr_error() : "another sum");
}

START_TEST(an_impossible_size_is_refused)
{
    CR_SCOPE
        ck_assert_ptr_null(cr_ones((int64_t)1 << 44));
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "70368744177664 bytes"), "%s", cr_error());
    cr_clear_error();
    it_works();
}
END_TEST

START_TEST(memory_that_runs_out_empties_the_cache_once)
{
    cr_memory_stats_result before, after;
    ck_assert_int_eq(cr_memory_stats(device, &before), 0);
    atomic_store(&allocations_to_fail, 1);
    double sum = sum_of_ones(40000000); /* more than a block has */
    ck_assert_msg(sum == 40000000, "%.17g; %s", sum, cr_error() ? cr_error() : "no error");
    ck_assert_int_eq(atomic_load(&allocations_to_fail), 0);
    ck_assert_int_eq(cr_memory_stats(device, &after), 0);
    ck_assert_uint_eq(after.out_of_memory_retries, before.out_of_memory_retries + 1);
    cr_empty_cache(device);
}
END_TEST

START_TEST(memory_that_stays_out_is_an_error_with_sizes)
{
    atomic_store(&allocations_to_fail, 1000);
    CR_SCOPE
        ck_assert_ptr_null(cr_ones(40000000));
    atomic_store(&allocations_to_fail, 0);
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "160000000 bytes"), "%s", cr_error());
    ck_assert_msg(strstr(cr_error(), "held by this program"), "%s", cr_error());
    cr_clear_error();
    it_works();
}
END_TEST

/* Once after the cache was emptied, too; what the budget has is taken. */
START_TEST(what_goes_beyond_the_budget_is_an_error_with_sizes)
{
    cr_memory_stats_result before, after;
    cr_empty_cache(device);
    ck_assert_int_eq(cr_memory_stats(device, &before), 0);
    atomic_store(&budget_left, 170000000);
    CR_SCOPE
        ck_assert_ptr_null(cr_ones(50000000));
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "a tensor needs 200000000 bytes"), "%s", cr_error());
    ck_assert_msg(strstr(cr_error(), "170000000 of its "), "%s", cr_error());
    cr_clear_error();
    ck_assert_int_eq(cr_memory_stats(device, &after), 0);
    ck_assert_uint_eq(after.out_of_memory_retries, before.out_of_memory_retries + 1);
    ck_assert(sum_of_ones(40000000) == 40000000);
    atomic_store(&budget_left, 0);
    cr_empty_cache(device);
    ck_assert(sum_of_ones(50000000) == 50000000);
    cr_empty_cache(device);
}
END_TEST

/* What `cresset backends` prints. */
START_TEST(the_budget_is_shown)
{
    cr_device_info info = {.struct_size = sizeof info};
    ck_assert_msg(!cr_device_get_info(device, &info), "%s", cr_error());
    ck_assert_msg(strstr(info.name, ", 1234 MiB free)"), "%s", info.name);
}
END_TEST

/* Kernels that get at memory by its block are for values that share one. */
START_TEST(values_of_two_blocks_meet)
{
    CR_SCOPE {
        cr_tensor *large = cr_ones(40000000), *small = cr_full(CR_INTS(1000), 2.0);
        cr_tensor *part = cr_narrow(large, 0, 7, 1000);
        for (int round = 0; round < 2; round++) {
            ck_assert(cr_item(cr_sum(cr_add(part, small))) == 3000);
            ck_assert(cr_item(cr_matmul(part, small)) == 2000);
            cr_copy_(part, cr_mul(small, small));
            ck_assert(cr_item(cr_sum(part)) == 4000);
            cr_copy_(part, cr_ones(1000));
        }
        ck_assert(cr_item(cr_sum(large)) == 40000000);
        ck_assert_ptr_null(cr_error());
    }
    cr_empty_cache(device);
}
END_TEST

/* Some drivers leave a shader's loops after 65535 iterations without a word. */
START_TEST(three_million_terms_are_all_counted)
{
    const int64_t n = 3000000;
    CR_SCOPE {
        cr_tensor *ones = cr_ones(n), *zeros = cr_zeros(n, .dtype = CR_I64);
        ck_assert(cr_item(cr_sum(ones)) == (double)n);
        ck_assert(cr_item(cr_matmul(ones, ones)) == (double)n);
        ck_assert_int_eq(cr_item_int(cr_argmax(cr_cumsum(ones, 0))), n - 1);
        ck_assert(cr_item(cr_select(cr_cumsum(ones, 0), 0, -1)) == (double)n);
        ck_assert(cr_item(cr_select(cr_scatter_add(cr_zeros(2), 0, zeros, ones), 0, 0)) ==
                  (double)n);
        ck_assert_double_eq_tol(cr_item(cr_select(cr_softmax(ones, 0), 0, -1)) * (double)n, 1,
                                1e-5);
        ck_assert_double_eq_tol(cr_item(cr_nll_loss(cr_full(CR_INTS(n, 1), -2.0), zeros)), 2, 1e-5);
        ck_assert_ptr_null(cr_error());
    }
    cr_empty_cache(device);
}
END_TEST

/* ---- products of 16-bit floats ---- */

/* The greatest difference from the cpu backend's, of a product and a convolution of small whole numbers, which are exact. */
static double difference_from_cpu(cr_dtype dtype)
{
    double worst = 0;
    CR_SCOPE {
        cr_tensor *a = cr_sub_scalar(cr_randint(5, CR_INTS(3, 70, 150)), 2),
                  *b = cr_sub_scalar(cr_randint(7, CR_INTS(3, 150, 90)), 3),
                  *x = cr_sub_scalar(cr_randint(5, CR_INTS(2, 6, 13, 11)), 2),
                  *w = cr_sub_scalar(cr_randint(5, CR_INTS(20, 6, 3, 3)), 2);
        cr_tensor *of[2][2];
        const char *devices[2] = {device, "cpu"};
        for (int i = 0; i < 2; i++) {
            cr_tensor *to[4], *from[4] = {a, b, x, w};
            for (int k = 0; k < 4; k++)
                to[k] = cr_to_dtype(cr_tensor_to(from[k], devices[i]), dtype);
            of[i][0] = cr_matmul(to[0], to[1]);
            of[i][1] = cr_f_conv2d(to[2], to[3], .padding = CR_INTS(1));
        }
        for (int k = 0; k < 2; k++) {
            cr_tensor *d = cr_sub(cr_to_dtype(cr_tensor_to(of[0][k], "cpu"), CR_F64),
                                  cr_to_dtype(of[1][k], CR_F64));
            double most = cr_item(cr_amax(cr_abs(d)));
            worst = most > worst ? most : worst;
        }
    }
    ck_assert_msg(!cr_error(), "%s", cr_error());
    return worst;
}

START_TEST(products_of_halves_are_the_cpus)
{
    ck_assert(difference_from_cpu(CR_F16) == 0);
    ck_assert(difference_from_cpu(CR_BF16) == 0);
}
END_TEST

/* ---- convolutions ---- */

/* The greatest difference from the cpu backend's of a convolution of small whole numbers and of both its gradients. */
static double conv_difference(int64_t inputs, int64_t outputs, int64_t high, int64_t wide,
                              int64_t window, int64_t padding)
{
    double worst = 0;
    CR_SCOPE {
        cr_tensor *x = cr_sub_scalar(cr_randint(5, CR_INTS(3, inputs, high, wide)), 2),
                  *w = cr_sub_scalar(cr_randint(5, CR_INTS(outputs, inputs, window, window)), 2),
                  *of[2][3];
        const char *devices[2] = {device, "cpu"};
        for (int i = 0; i < 2; i++) {
            cr_tensor *xi = cr_to_dtype(cr_tensor_to(x, devices[i]), CR_F32),
                      *wi = cr_to_dtype(cr_tensor_to(w, devices[i]), CR_F32);
            xi = cr_requires_grad_(cr_clone(xi), 1);
            wi = cr_requires_grad_(cr_clone(wi), 1);
            cr_tensor *y = cr_f_conv2d(xi, wi, .padding = CR_INTS(padding));
            cr_backward(cr_sum(cr_mul(y, y)));
            of[i][0] = y;
            of[i][1] = cr_grad(xi);
            of[i][2] = cr_grad(wi);
        }
        for (int k = 0; k < 3; k++) {
            cr_tensor *d = cr_sub(cr_tensor_to(of[0][k], "cpu"), of[1][k]);
            double most = cr_item(cr_amax(cr_abs(d)));
            worst = most > worst ? most : worst;
        }
    }
    ck_assert_msg(!cr_error(), "%s", cr_error());
    return worst;
}

START_TEST(convolutions_and_their_gradients_are_the_cpus)
{
    ck_assert(conv_difference(1, 6, 28, 28, 5, 2) == 0);
    ck_assert(conv_difference(6, 16, 14, 14, 5, 0) == 0);
    ck_assert(conv_difference(5, 7, 9, 11, 3, 1) == 0);
    ck_assert(conv_difference(4, 4, 6, 17, 3, 0) == 0);
    ck_assert(conv_difference(8, 9, 12, 23, 5, 3) == 0);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 40 };

/* Chains of operations on tensors of the thread's own, some read at every step. */
static void *in_a_thread(void *argument)
{
    int me = *(const int *)argument;
    bool well = true;
    for (int round = 0; round < ROUNDS && well; round++)
        CR_SCOPE {
            cr_tensor *x = cr_full(CR_INTS(50 + me, 30), (double)(me + 1));
            for (int i = 0; i < 10; i++)
                x = cr_add(cr_mul(x, cr_ones_like(x)), cr_ones_like(x));
            well = cr_item(cr_sum(x)) == (50 + me) * 30 * (me + 11.0);
            cr_tensor *product = cr_matmul(x, cr_transpose(x, 0, 1));
            well = well && cr_item(cr_amax(product)) == 30 * (me + 11.0) * (me + 11.0);
        }
    if (cr_error())
        fprintf(stderr, "thread %d: %s\n", me, cr_error());
    well = well && !cr_error();
    cr_clear_error();
    return well ? argument : NULL;
}

START_TEST(several_threads_share_a_device)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, in_a_thread, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *well;
        pthread_join(threads[i], &well);
        ck_assert_msg(well, "thread %d computed something else", i);
    }
}
END_TEST

/* ---- a lost device ---- */

static void is_lost(void)
{
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "stopped answering") &&
                      strstr(cr_error(), "VK_ERROR_DEVICE_LOST"),
                  "%s", cr_error());
    cr_clear_error();
}

START_TEST(a_lost_device_is_an_error_and_others_go_on)
{
    CR_SCOPE {
        cr_tensor *before = cr_ones(10);
        it_works();
        atomic_store(&submissions_to_lose, 1);
        cr_item(cr_sum(cr_exp(before)));
        ck_assert_ptr_nonnull(cr_error());
        ck_assert_msg(strstr(cr_error(), "the last kernels were"), "%s", cr_error());
        is_lost();
        atomic_store(&submissions_to_lose, 0);
        cr_item(cr_sum(before));
        is_lost();
        ck_assert_int_eq(cr_set_default_device("cpu"), 0);
        it_works();
    }
}
END_TEST

int main(void)
{
    int status;
    atomic_store(&budget_left, 1234LL << 20); /* when the device is looked at */
    if (!(device = first_device(&status)))
        return status;
    atomic_store(&budget_left, 0);
    Suite *suite = suite_create("vulkan");
    TCase *tests = tcase_create("library");
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, an_impossible_size_is_refused);
    tcase_add_test(tests, memory_that_runs_out_empties_the_cache_once);
    tcase_add_test(tests, memory_that_stays_out_is_an_error_with_sizes);
    tcase_add_test(tests, what_goes_beyond_the_budget_is_an_error_with_sizes);
    tcase_add_test(tests, the_budget_is_shown);
    tcase_add_test(tests, values_of_two_blocks_meet);
    tcase_add_test(tests, three_million_terms_are_all_counted);
    tcase_add_test(tests, products_of_halves_are_the_cpus);
    tcase_add_test(tests, convolutions_and_their_gradients_are_the_cpus);
    tcase_add_test(tests, several_threads_share_a_device);
    tcase_add_test(tests, a_lost_device_is_an_error_and_others_go_on); /* the last: it stays lost */
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
