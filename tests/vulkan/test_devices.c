/* The vulkan backend among several devices, some of which lie. The program has functions of Vulkan's own names that show
 * the one driver's device four times: as it is, but no GPU; as an integrated card without device addresses; as a discrete
 * card that can keep subnormals; and as one that lacks timeline semaphores. */
#include "loader.h"

#include "first_device.h"

#include <check.h>
#include <cresset/cresset.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AS_IT_IS, INTEGRATED, DISCRETE, POOR, KINDS };

static atomic_int asked; /* how many devices' properties were read; they are read in order */
static atomic_bool refuses, hangs;

INSTEAD VkResult vkEnumeratePhysicalDevices(VkInstance instance, uint32_t *count,
                                            VkPhysicalDevice *devices)
{
    VkPhysicalDevice all[8];
    uint32_t n = 8;
    VkResult result = CALL_REAL(vkEnumeratePhysicalDevices, instance, &n, all);
    if (result != VK_SUCCESS || !n)
        return result;
    for (uint32_t i = 0; devices && i < KINDS; i++)
        devices[i] = all[0];
    *count = KINDS;
    return VK_SUCCESS;
}

INSTEAD void vkGetPhysicalDeviceProperties(VkPhysicalDevice physical,
                                           VkPhysicalDeviceProperties *properties)
{
    CALL_REAL(vkGetPhysicalDeviceProperties, physical, properties);
    atomic_fetch_add(&asked, 1);
}

static int kind(void)
{
    return (atomic_load(&asked) - 1) % KINDS;
}

INSTEAD void vkGetPhysicalDeviceProperties2(VkPhysicalDevice physical,
                                            VkPhysicalDeviceProperties2 *p)
{
    CALL_REAL(vkGetPhysicalDeviceProperties2, physical, p);
    for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext)
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES) {
            VkPhysicalDeviceFloatControlsProperties *floats = (void *)s;
            floats->denormBehaviorIndependence = VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_32_BIT_ONLY;
            floats->shaderDenormPreserveFloat32 = kind() == DISCRETE;
        }
    if (kind() == AS_IT_IS && p->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU) {
        p->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_OTHER;
    } else if (kind() == INTEGRATED) {
        p->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
        strcpy(p->properties.deviceName, "Pretended Integrated");
    } else if (kind() != AS_IT_IS) {
        p->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
        strcpy(p->properties.deviceName, kind() == POOR ? "Pretended Poor" : "Pretended Discrete");
    }
}

INSTEAD void vkGetPhysicalDeviceFeatures2(VkPhysicalDevice physical, VkPhysicalDeviceFeatures2 *f)
{
    CALL_REAL(vkGetPhysicalDeviceFeatures2, physical, f);
    for (VkBaseOutStructure *s = f->pNext; s; s = s->pNext) {
        if (s->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES)
            continue;
        VkPhysicalDeviceVulkan12Features *more = (void *)s;
        if (kind() == INTEGRATED)
            more->bufferDeviceAddress = VK_FALSE;
        if (kind() == POOR)
            more->timelineSemaphore = VK_FALSE;
    }
}

INSTEAD VkResult vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                const VkAllocationCallbacks *callbacks, VkDevice *handle)
{
    if (atomic_load(&refuses))
        return VK_ERROR_FEATURE_NOT_PRESENT;
    return CALL_REAL(vkCreateDevice, physical, info, callbacks, handle);
}

INSTEAD VkResult vkWaitSemaphores(VkDevice handle, const VkSemaphoreWaitInfo *info, uint64_t most)
{
    if (atomic_load(&hangs))
        return VK_TIMEOUT;
    return CALL_REAL(vkWaitSemaphores, handle, info, most);
}

INSTEAD VkResult vkGetSemaphoreCounterValue(VkDevice handle, VkSemaphore semaphore, uint64_t *value)
{
    if (atomic_load(&hangs)) {
        *value = 0;
        return VK_SUCCESS;
    }
    return CALL_REAL(vkGetSemaphoreCounterValue, handle, semaphore, value);
}

/* Whether the module asks to keep subnormals of 32 bits: OpExecutionMode, its entry point, DenormPreserve, 32. */
static bool keeps_subnormals(const uint32_t *words, size_t count)
{
    for (size_t i = 5; i + 3 < count && words[i] >> 16; i += words[i] >> 16)
        if (words[i] == (4 << 16 | 16) && words[i + 2] == 4459 && words[i + 3] == 32)
            return true;
    return false;
}

/* Whether the module adds and multiplies floats (OpFAdd, OpFSub, OpFMul), and never without NoContraction. */
static bool is_exact(const uint32_t *words, size_t count)
{
    size_t arithmetic = 0, decorated = 0;
    for (size_t i = 5; i < count && words[i] >> 16; i += words[i] >> 16) {
        uint32_t kind = words[i] & 0xffff;
        arithmetic += kind == 129 || kind == 131 || kind == 133;
        decorated += kind == 71 && words[i + 2] == 42;
    }
    return arithmetic && decorated >= arithmetic;
}

static bool is_valid(const uint32_t *words, size_t bytes)
{
    FILE *validator = *SPIRV_VAL ? popen("'" SPIRV_VAL "' --target-env vulkan1.2 -", "w") : NULL;
    if (!validator)
        return !*SPIRV_VAL;
    bool written = fwrite(words, 1, bytes, validator) == bytes;
    return !pclose(validator) && written;
}

static atomic_int keeping, flushing, invalid, exact;

INSTEAD VkResult vkCreateShaderModule(VkDevice handle, const VkShaderModuleCreateInfo *info,
                                      const VkAllocationCallbacks *callbacks,
                                      VkShaderModule *module)
{
    bool keeps = keeps_subnormals(info->pCode, info->codeSize / 4);
    atomic_fetch_add(keeps ? &keeping : &flushing, 1);
    atomic_fetch_add(&exact, is_exact(info->pCode, info->codeSize / 4));
    if (keeps && !is_valid(info->pCode, info->codeSize))
        atomic_fetch_add(&invalid, 1);
    return CALL_REAL(vkCreateShaderModule, handle, info, callbacks, module);
}

/* ---- tests ---- */

/* A small net's loss and the sum of its gradients. */
static void train_once(const char *device, double result[2])
{
    CR_SCOPE {
        cr_tensor *x = cr_reshape(cr_arange(4 * 3 * 8 * 8), CR_INTS(4, 3, 8, 8)),
                  *w = cr_reshape(cr_arange(5 * 3 * 3 * 3), CR_INTS(5, 3, 3, 3));
        x = cr_tensor_to(cr_sin(x), device);
        w = cr_requires_grad_(cr_clone(cr_tensor_to(cr_cos(w), device)), 1);
        cr_tensor *y = cr_relu(cr_f_conv2d(x, w, .padding = CR_INTS(1)));
        cr_tensor *loss = cr_mean(cr_pow_scalar(cr_f_layer_norm(y, CR_INTS(8, 8)), 4));
        cr_backward(loss);
        result[0] = cr_item(loss);
        result[1] = cr_item(cr_sum(cr_abs(cr_grad(w))));
    }
}

static void computes_as_cpu(const char *device)
{
    double here[2], there[2];
    train_once(device, here);
    ck_assert_msg(!cr_error(), "%s: %s", device, cr_error());
    train_once("cpu", there);
    ck_assert_msg(!cr_error(), "%s", cr_error());
    ck_assert_double_eq_tol(here[0], there[0], 1e-4 * there[0]);
    ck_assert_double_eq_tol(here[1], there[1], 1e-3 * there[1]);
}

/* The first device that is opened. sin, cos, relu and pow are exact, products and the norm not. */
START_TEST(shaders_are_told_how_to_round)
{
    computes_as_cpu("vulkan:discrete");
    ck_assert_int_ge(atomic_load(&exact), 4);
    ck_assert_int_gt(atomic_load(&keeping), atomic_load(&exact));
    ck_assert_int_gt(atomic_load(&keeping), 0);
    ck_assert_int_eq(atomic_load(&invalid), 0);
    ck_assert_int_eq(atomic_load(&flushing), 0);
    computes_as_cpu("vulkan:pretended integrated");
    ck_assert_int_gt(atomic_load(&flushing), 0);
}
END_TEST

START_TEST(discrete_cards_come_first_and_names_find_all)
{
    computes_as_cpu("vulkan:discrete");
    computes_as_cpu("vulkan:0");
    computes_as_cpu("vulkan:pretended integrated");
    CR_SCOPE {
        cr_tensor *first = cr_tensor_to(cr_ones(2), "vulkan:0"),
                  *second = cr_tensor_to(cr_ones(2), "vulkan:1");
        ck_assert_str_eq(cr_tensor_device(first),
                         cr_tensor_device(cr_tensor_to(cr_ones(2), "vulkan:discrete")));
        ck_assert_str_eq(cr_tensor_device(second),
                         cr_tensor_device(cr_tensor_to(cr_ones(2), "vulkan:integrated")));
    }
    ck_assert_msg(!cr_error(), "%s", cr_error());
}
END_TEST

START_TEST(a_card_that_lacks_what_is_needed_is_passed_over)
{
    CR_SCOPE
        ck_assert_ptr_null(cr_tensor_to(cr_ones(2), "vulkan:poor"));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
    CR_SCOPE
        ck_assert_ptr_null(cr_tensor_to(cr_ones(2), "vulkan:3"));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

START_TEST(tensors_of_two_devices_do_not_mix_but_move)
{
    CR_SCOPE {
        cr_tensor *a = cr_tensor_to(cr_arange(1000), "vulkan:0"),
                  *b = cr_tensor_to(cr_arange(1000), "vulkan:1");
        ck_assert_ptr_null(cr_add(a, b));
        ck_assert_ptr_nonnull(cr_error());
        ck_assert_msg(strstr(cr_error(), "vulkan:0") || strstr(cr_error(), "vulkan:1"), "%s",
                      cr_error());
        cr_clear_error();
        cr_tensor *moved = cr_tensor_to(a, "vulkan:1");
        ck_assert(cr_item_int(cr_sum(cr_add(moved, b))) == 999000);
        ck_assert_msg(!cr_error(), "%s", cr_error());
    }
}
END_TEST

static void *in_a_thread(void *name)
{
    double first[2] = {0}, now[2] = {0};
    bool well = true;
    for (int i = 0; i < 10 && well; i++) {
        train_once(name, i ? now : first);
        well = !cr_error() && (!i || !memcmp(first, now, sizeof now));
    }
    if (cr_error())
        fprintf(stderr, "%s: %s\n", (const char *)name, cr_error());
    cr_clear_error();
    return well ? name : NULL;
}

START_TEST(two_threads_use_two_devices)
{
    static char names[2][16] = {"vulkan:0", "vulkan:1"};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, in_a_thread, names[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *well;
        pthread_join(threads[i], &well);
        ck_assert_msg(well, "%s computed something else", names[i]);
    }
}
END_TEST

START_TEST(a_driver_that_refuses_what_it_offers_is_an_error)
{
    atomic_store(&refuses, true);
    CR_SCOPE
        ck_assert_ptr_null(cr_tensor_to(cr_ones(2), "vulkan:2"));
    atomic_store(&refuses, false);
    ck_assert_ptr_nonnull(cr_error());
    ck_assert_msg(strstr(cr_error(), "VK_ERROR_FEATURE_NOT_PRESENT"), "%s", cr_error());
    cr_clear_error();
    computes_as_cpu("vulkan:0");
}
END_TEST

START_TEST(a_device_that_hangs_is_an_error_and_others_go_on)
{
    CR_SCOPE {
        cr_tensor *x = cr_tensor_to(cr_ones(10), "vulkan:1");
        atomic_store(&hangs, true);
        cr_item(cr_sum(cr_exp(x)));
        atomic_store(&hangs, false);
        ck_assert_ptr_nonnull(cr_error());
        ck_assert_msg(strstr(cr_error(), "stopped answering") &&
                          strstr(cr_error(), "CRESSET_VULKAN_TIMEOUT"),
                      "%s", cr_error());
        cr_clear_error();
    }
    computes_as_cpu("vulkan:0");
}
END_TEST

int main(void)
{
    setenv("CRESSET_VULKAN_TIMEOUT", "60", 1); /* a wait that fails at once counts as a second */
    keep_driver();
    if (!cr_device_is_available("vulkan:0")) {
        fprintf(stderr, "no Vulkan device: %s\n", cr_error() ? cr_error() : "");
        return 77;
    }
    Suite *suite = suite_create("vulkan devices");
    TCase *tests = tcase_create("devices");
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, shaders_are_told_how_to_round);
    tcase_add_test(tests, discrete_cards_come_first_and_names_find_all);
    tcase_add_test(tests, a_card_that_lacks_what_is_needed_is_passed_over);
    tcase_add_test(tests, tensors_of_two_devices_do_not_mix_but_move);
    tcase_add_test(tests, two_threads_use_two_devices);
    tcase_add_test(tests, a_driver_that_refuses_what_it_offers_is_an_error);
    tcase_add_test(tests, a_device_that_hangs_is_an_error_and_others_go_on); /* it stays lost */
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    return cr_exit() || failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
