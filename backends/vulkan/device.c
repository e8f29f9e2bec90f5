/* Opening and closing a device, and what is said when it fails. */
#include "vulkan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

cr_status vk_still_lost(cr_device *d)
{
    return vk_host->fail(vk_host, CR_DEVICE_LOST, "%s", d->lost_words);
}

static cr_status note_lost(cr_device *d, VkResult result, const char *what)
{
    const vk_recorder *r = &d->recorder;
    char names[256] = "";
    size_t length = 0;
    uint32_t shown = r->named < VK_NAMES ? r->named : VK_NAMES;
    for (uint32_t i = 0; i < shown && length < sizeof names; i++) {
        int n = snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                         r->names[(r->named - shown + i) % VK_NAMES]);
        length += n > 0 ? (size_t)n : 0;
    }
    d->lost = true;
    d->hung = result == VK_TIMEOUT;
    snprintf(d->lost_words, sizeof d->lost_words,
             "%s stopped answering (%s: %s)%s%s. Tensors on it are gone; other backends go on "
             "working",
             d->profile->name, what, vk_result_name(result),
             shown ? "; the last kernels were " : "", names);
    return vk_still_lost(d);
}

cr_status vk_failed(cr_device *d, VkResult result, const char *what)
{
    if (result == VK_ERROR_DEVICE_LOST || result == VK_TIMEOUT)
        return note_lost(d, result, what);
    cr_status status =
        result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY
            ? CR_OUT_OF_MEMORY
            : CR_FAILED;
    return vk_host->fail(vk_host, status, "%s: %s", what, vk_result_name(result));
}

/* ---- opening ---- */

/* Mesa's llvmpipe silently leaves a shader's loops after 65535 iterations, all loops of the shader
 * counted together. Kernels share long work out so that they stay below. */
enum { LLVMPIPE_LOOPS = 60000 };

/* A queue family that computes; one without graphics, where there is such a one, has the device's
 * attention to itself. */
static uint32_t choose_family(VkPhysicalDevice physical)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = 32, best = UINT32_MAX;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFlags flags = families[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || !families[i].queueCount)
            continue;
        if (best == UINT32_MAX ||
            (families[best].queueFlags & VK_QUEUE_GRAPHICS_BIT && !(flags & VK_QUEUE_GRAPHICS_BIT)))
            best = i;
    }
    return best;
}

/* VkPhysicalDeviceCooperativeMatrixFeaturesKHR and VkPhysicalDeviceShaderBfloat16FeaturesKHR, younger
 * than Debian 12's headers. */
typedef struct matrix_features {
    VkStructureType type;
    void *next;
    VkBool32 matrix, robust;
} matrix_features;
typedef struct bfloat_features {
    VkStructureType type;
    void *next;
    VkBool32 is, dot, matrix;
} bfloat_features;

static VkResult make_device(cr_device *d)
{
    float priority = 1;
    const char *extensions[4];
    uint32_t nextensions = 0;
    if (d->profile->budget)
        extensions[nextensions++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (d->checked)
        extensions[nextensions++] = VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME;
    bfloat_features bfloat = {
        .type = (VkStructureType)1000141000, .is = VK_TRUE, .matrix = VK_TRUE};
    matrix_features matrix = {.type = (VkStructureType)1000506000, .matrix = VK_TRUE};
    if (d->matrices)
        extensions[nextensions++] = "VK_KHR_cooperative_matrix";
    if (d->matrices && d->profile->matrix_bf16) {
        extensions[nextensions++] = "VK_KHR_shader_bfloat16";
        matrix.next = &bfloat;
    }
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = d->family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = d->matrices ? &matrix : NULL,
        .shaderFloat16 = d->matrices,
        .vulkanMemoryModel = d->matrices,
        .bufferDeviceAddress = !d->checked,
        .timelineSemaphore = VK_TRUE,
        .uniformBufferStandardLayout = d->texels.on,
        .storageBuffer8BitAccess = !d->profile->lean};
    VkPhysicalDeviceVulkan11Features f11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &f12,
        .storageBuffer16BitAccess = !d->profile->lean};
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &f11,
        .features = {.robustBufferAccess = d->checked && d->profile->robust,
                     .shaderStorageBufferArrayDynamicIndexing = d->checked,
                     .shaderInt64 = !d->profile->lean,
                     .shaderFloat64 = d->profile->f64}};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &features,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = nextensions,
                               .ppEnabledExtensionNames = extensions};
    return vkCreateDevice(d->physical, &info, NULL, &d->handle);
}

static cr_status open_parts(cr_device *d)
{
    d->family = choose_family(d->physical);
    if (d->family == UINT32_MAX)
        return vk_host->fail(vk_host, CR_FAILED, "%s has no queue that computes", d->profile->name);
    d->matrices = vk_matrix_wanted(d);
    VkResult result = make_device(d);
    if (result != VK_SUCCESS && d->matrices) { /* then without what may be more than it has */
        d->matrices = false;
        result = make_device(d);
    }
    if (result != VK_SUCCESS) {
        d->handle = VK_NULL_HANDLE;
        return vk_failed(d, result, "vkCreateDevice");
    }
    vkGetDeviceQueue(d->handle, d->family, 0, &d->queue);
    cr_status status = vk_memory_init(d);
    if (status == CR_OK)
        status = vk_recorder_init(d);
    if (status == CR_OK && d->checked)
        status = vk_values_init(d);
    if (status == CR_OK && d->texels.on)
        status = vk_texels_init(d);
    if (status == CR_OK)
        status = vk_constants_init(d);
    if (status == CR_OK)
        status = vk_pipelines_init(d);
    if (status == CR_OK)
        status = vk_matrix_init(d);
    return status;
}

cr_status vk_device_open(int index, cr_device **device)
{
    const vk_profile *all;
    int count;
    cr_status status = vk_profiles(&all, &count);
    if (status != CR_OK)
        return status;
    if (index < 0 || index >= count)
        return vk_host->fail(vk_host, CR_INVALID, "there are %d Vulkan devices, not number %d",
                             count, index);
    cr_device *d = calloc(1, sizeof *d);
    if (!d)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "a device needs %zu bytes", sizeof *d);
    d->profile = &all[index];
    /* Tests look at a GPU's choice of kernels on a software device. */
    const char *as_gpu = vk_env("CRESSET_VULKAN_AS_GPU");
    d->is_cpu = d->profile->type == VK_PHYSICAL_DEVICE_TYPE_CPU && !(as_gpu && *as_gpu == '1');
    d->direct_products =
        d->is_cpu && !d->profile->lean && d->profile->subgroup_ops && d->profile->subgroup == 8;
    d->loops = d->profile->type == VK_PHYSICAL_DEVICE_TYPE_CPU ? LLVMPIPE_LOOPS : UINT32_MAX;
    d->group = d->is_cpu ? 64 : 128;
    const char *checked = vk_env("CRESSET_VULKAN_CHECKED");
    d->checked = !d->profile->addresses || (checked && *checked == '1');
    if (d->checked && !d->profile->descriptors) {
        free(d);
        return vk_host->fail(vk_host, CR_FAILED,
                             "CRESSET_VULKAN_CHECKED: %s lacks push descriptors", all[index].name);
    }
    status = vk_instance_acquire(index, &d->physical);
    if (status != CR_OK) {
        free(d);
        return status;
    }
    d->texels.on = d->direct_products && !d->checked && d->profile->texels;
    status = open_parts(d);
    if (status != CR_OK) {
        vk_device_close(d);
        return status;
    }
    vk_host->log(vk_host, 0, "vulkan: opened %s (%s), %s%s, tensors in memory type %u%s",
                 d->profile->name, d->profile->driver,
                 d->checked ? "values by descriptors" : "values by address",
                 d->profile->lean ? " and as words" : "", d->memory.type,
                 d->memory.mapped ? ", mapped" : "");
    vk_exit_add(d);
    *device = d;
    return CR_OK;
}

bool vk_is_idle_after_all(const cr_device *d)
{
    const uint64_t value = d->recorder.value - 1;
    const VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &d->recorder.timeline,
                                      .pValues = &value};
    return vkWaitSemaphores(d->handle, &wait, 2000000000u) == VK_SUCCESS;
}

void vk_device_close(cr_device *d)
{
    if (!d)
        return;
    if (d->ended) /* and so has its driver, perhaps */
        return;
    vk_exit_remove(d);
    if (d->hung && !vk_is_idle_after_all(d)) {
        vk_host->log(vk_host, 2, "vulkan: %s still hangs; what it may be using is left to it",
                     d->profile->name);
        return;
    }
    if (d->handle) {
        if (!d->lost)
            vk_wait(d, d->recorder.open ? d->recorder.value : d->recorder.value - 1);
        vkDeviceWaitIdle(d->handle);
        vk_host->log(
            vk_host, 0, "vulkan: %llu dispatches, %llu barriers, %llu submissions, %u pipelines",
            (unsigned long long)d->recorder.dispatches, (unsigned long long)d->recorder.barriers,
            (unsigned long long)d->recorder.submissions, d->pipelines.built);
        vk_timer_close(d);
        vk_pipelines_close(d);
        vk_values_close(d);
        vk_constants_close(d);
        vk_recorder_close(d);
        vk_memory_close(d);
        vk_texels_close(d);
        vkDestroyDevice(d->handle, NULL);
    }
    vk_instance_release();
    free(d);
}

bool vk_budget(const cr_device *d, uint64_t *left, uint64_t *all)
{
    uint32_t heap = d->profile->memories.memoryTypes[d->memory.type].heapIndex;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    *all = d->profile->memories.memoryHeaps[heap].size;
    *left = 0;
    if (!d->profile->budget)
        return false;
    vkGetPhysicalDeviceMemoryProperties2(d->physical, &memory);
    if (budget.heapBudget[heap] > budget.heapUsage[heap])
        *left = budget.heapBudget[heap] - budget.heapUsage[heap];
    return true;
}
