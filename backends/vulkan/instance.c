/* The Vulkan instance and what its devices are. A program that only looks at the devices, because it chose another backend,
 * keeps no instance, and so no driver. Once a device has been open the instance stays, and its driver with it: NVIDIA's cannot
 * be loaded more than some thirty times in a process (580.159). */
#include "vulkan.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_DEVICES = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static VkInstance instance;
static int users;
static bool stays; /* counted among the users */
static vk_profile profiles[MOST_DEVICES];
static int order[MOST_DEVICES]; /* our number of a device to Vulkan's */
static int nprofiles;
static bool looked;

const char *vk_env(const char *name)
{
    return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
}

const char *vk_result_name(VkResult result)
{
    switch (result) {
#define NAME(r) \
    case r: return #r;
        NAME(VK_SUCCESS)
        NAME(VK_TIMEOUT)
        NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
        NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        NAME(VK_ERROR_INITIALIZATION_FAILED)
        NAME(VK_ERROR_DEVICE_LOST)
        NAME(VK_ERROR_MEMORY_MAP_FAILED)
        NAME(VK_ERROR_LAYER_NOT_PRESENT)
        NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
        NAME(VK_ERROR_FEATURE_NOT_PRESENT)
        NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
        NAME(VK_ERROR_TOO_MANY_OBJECTS)
        NAME(VK_ERROR_OUT_OF_POOL_MEMORY)
        NAME(VK_ERROR_FRAGMENTATION)
        NAME(VK_ERROR_INVALID_SHADER_NV)
        NAME(VK_ERROR_UNKNOWN)
#undef NAME
    default: return "an unknown VkResult";
    }
}

/* ---- the instance; the lock is held ---- */

static cr_status make_instance(void)
{
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "cresset",
                             .pEngineName = "cresset",
                             .apiVersion = VK_API_VERSION_1_2};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app};
    VkResult result = vkCreateInstance(&info, NULL, &instance);
    if (result == VK_SUCCESS)
        return CR_OK;
    instance = VK_NULL_HANDLE;
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return vk_host->fail(vk_host, CR_FAILED,
                             "no Vulkan driver is installed (the loader found no ICD; Debian: "
                             "mesa-vulkan-drivers, or the GPU vendor's package)");
    return vk_host->fail(vk_host,
                         result == VK_ERROR_OUT_OF_HOST_MEMORY ? CR_OUT_OF_MEMORY : CR_FAILED,
                         "Vulkan cannot be started: %s", vk_result_name(result));
}

static cr_status use_instance(void)
{
    cr_status status = users ? CR_OK : make_instance();
    if (status == CR_OK)
        users++;
    return status;
}

static void leave_instance(void)
{
    if (--users)
        return;
    vkDestroyInstance(instance, NULL);
    instance = VK_NULL_HANDLE;
}

/* ---- what a device is ---- */

static void note_lack(vk_profile *p, bool has, const char *what)
{
    if (!has && !p->lacks[0])
        snprintf(p->lacks, sizeof p->lacks, "%s", what);
}

static bool has_extension(VkPhysicalDevice physical, const char *name)
{
    uint32_t count = 0;
    bool found = false;
    if (vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) != VK_SUCCESS || !count)
        return false;
    VkExtensionProperties *all = malloc(count * sizeof *all);
    if (!all)
        return false;
    if (vkEnumerateDeviceExtensionProperties(physical, NULL, &count, all) == VK_SUCCESS)
        for (uint32_t i = 0; i < count && !found; i++)
            found = !strcmp(all[i].extensionName, name);
    free(all);
    return found;
}

/* Whether a test wants the device to be one without this feature. */
static bool is_hidden(const char *feature)
{
    const char *list = vk_env("CRESSET_VULKAN_WITHOUT");
    size_t n = strlen(feature);
    for (const char *at = list; at && (at = strstr(at, feature)); at += n)
        if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ','))
            return true;
    return false;
}

static void read_features(VkPhysicalDevice physical, vk_profile *p)
{
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features f11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f12};
    VkPhysicalDeviceFeatures2 f = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                   .pNext = &f11};
    vkGetPhysicalDeviceFeatures2(physical, &f);
    p->addresses = f12.bufferDeviceAddress && !is_hidden("addresses");
    p->robust = f.features.robustBufferAccess;
    p->descriptors = has_extension(physical, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME) &&
                     f.features.shaderStorageBufferArrayDynamicIndexing &&
                     p->limits.maxPerStageDescriptorStorageBuffers >= VK_CHECKED_SLOTS;
    note_lack(p, p->addresses || p->descriptors,
              "it lacks both bufferDeviceAddress and VK_KHR_push_descriptor");
    note_lack(p, f12.timelineSemaphore, "it lacks timelineSemaphore");
    p->lean = !f.features.shaderInt64 || is_hidden("int64") || !f11.storageBuffer16BitAccess ||
              is_hidden("storage16") || !f12.storageBuffer8BitAccess || is_hidden("storage8");
    p->texels = f12.uniformBufferStandardLayout && !p->lean && !is_hidden("texels");
    p->f64 = f.features.shaderFloat64 && !p->lean && !is_hidden("float64");
    if (f12.shaderFloat16 && !p->lean && f12.vulkanMemoryModel &&
        p->limits.maxComputeSharedMemorySize >= 32768 &&
        has_extension(physical, "VK_KHR_cooperative_matrix"))
        vk_matrix_read(instance, physical, p, has_extension(physical, "VK_KHR_shader_bfloat16"));
}

static void read_budget(VkPhysicalDevice physical, vk_profile *p)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
    for (uint32_t i = 0; i < p->memories.memoryHeapCount; i++)
        if (p->memories.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT &&
            budget.heapBudget[i] > budget.heapUsage[i])
            p->left += budget.heapBudget[i] - budget.heapUsage[i];
}

static void read_profile(VkPhysicalDevice physical, vk_profile *p)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &driver};
    VkPhysicalDeviceFloatControlsProperties floats = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES, .pNext = &subgroup};
    VkPhysicalDeviceMaintenance3Properties most = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &floats};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &most};
    memset(p, 0, sizeof *p);
    vkGetPhysicalDeviceProperties(physical, &all.properties);
    if (all.properties.apiVersion >= VK_API_VERSION_1_2)
        vkGetPhysicalDeviceProperties2(physical, &all);
    const VkPhysicalDeviceProperties *is = &all.properties;
    snprintf(p->name, sizeof p->name, "%s", is->deviceName);
    snprintf(p->driver, sizeof p->driver, "%s %s", driver.driverName, driver.driverInfo);
    p->api = is->apiVersion;
    p->driver_version = is->driverVersion;
    p->vendor = is->vendorID;
    p->device = is->deviceID;
    memcpy(p->cache_uuid, is->pipelineCacheUUID, VK_UUID_SIZE);
    p->type = is->deviceType;
    p->limits = is->limits;
    p->most_allocation = most.maxMemoryAllocationSize;
    p->subgroup = subgroup.subgroupSize;
    /* Where all widths must be treated alike, f16 and f64 might not be able to. */
    p->keeps_subnormals =
        floats.shaderDenormPreserveFloat32 &&
        floats.denormBehaviorIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_NONE;
    p->timestamps = is->limits.timestampComputeAndGraphics;
    VkSubgroupFeatureFlags wanted = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_BALLOT_BIT;
    p->subgroup_ops = (subgroup.supportedOperations & wanted) == wanted &&
                      subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT &&
                      !is_hidden("subgroups");
    vkGetPhysicalDeviceMemoryProperties(physical, &p->memories);
    for (uint32_t i = 0; i < p->memories.memoryHeapCount; i++)
        if (p->memories.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            p->memory += p->memories.memoryHeaps[i].size;
    note_lack(p, p->api >= VK_API_VERSION_1_2, "its driver is older than Vulkan 1.2");
    if (p->lacks[0])
        return;
    note_lack(p, p->limits.maxComputeSharedMemorySize >= 16384,
              "it has under 16 KiB of shared memory");
    p->budget =
        has_extension(physical, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) && !is_hidden("budget");
    if (p->budget)
        read_budget(physical, p);
    read_features(physical, p);
}

/* Where a device stands among the others, the best first. */
static int place_of(const vk_profile *p)
{
    if (p->lacks[0])
        return 9;
    switch (p->type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
    default: return 3;
    }
}

static cr_status look(void)
{
    VkPhysicalDevice all[MOST_DEVICES];
    vk_profile seen[MOST_DEVICES];
    uint32_t count = MOST_DEVICES;
    VkResult result = vkEnumeratePhysicalDevices(instance, &count, all);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return vk_host->fail(vk_host, CR_FAILED, "Vulkan's devices cannot be listed: %s",
                             vk_result_name(result));
    if (!count)
        return vk_host->fail(vk_host, CR_FAILED, "Vulkan's drivers show no device");
    for (uint32_t i = 0; i < count; i++)
        read_profile(all[i], &seen[i]);
    nprofiles = 0;
    for (int place = 0; place < 9; place++)
        for (uint32_t i = 0; i < count; i++)
            if (place_of(&seen[i]) == place) {
                order[nprofiles] = (int)i;
                profiles[nprofiles++] = seen[i];
            }
    for (uint32_t i = 0; i < count; i++)
        if (seen[i].lacks[0])
            vk_host->log(vk_host, 1, "the Vulkan device %s is passed over: %s", seen[i].name,
                         seen[i].lacks);
    if (!nprofiles)
        return vk_host->fail(vk_host, CR_FAILED, "no Vulkan device can be used; %s: %s",
                             seen[0].name, seen[0].lacks);
    looked = true;
    return CR_OK;
}

cr_status vk_profiles(const vk_profile **all, int *count)
{
    pthread_mutex_lock(&lock);
    cr_status status = CR_OK;
    if (!looked && (status = use_instance()) == CR_OK) {
        status = look();
        leave_instance();
    }
    pthread_mutex_unlock(&lock);
    *all = profiles;
    *count = nprofiles;
    return status;
}

cr_status vk_instance_acquire(int index, VkPhysicalDevice *physical)
{
    VkPhysicalDevice all[MOST_DEVICES];
    uint32_t count = MOST_DEVICES;
    pthread_mutex_lock(&lock);
    cr_status status = use_instance();
    if (status == CR_OK) {
        VkResult result = vkEnumeratePhysicalDevices(instance, &count, all);
        if ((result == VK_SUCCESS || result == VK_INCOMPLETE) && order[index] < (int)count) {
            *physical = all[order[index]];
            users += !stays;
            stays = true;
        } else {
            leave_instance();
            status = vk_host->fail(vk_host, CR_FAILED, "the Vulkan device %s is gone",
                                   profiles[index].name);
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void vk_instance_release(void)
{
    pthread_mutex_lock(&lock);
    leave_instance();
    pthread_mutex_unlock(&lock);
}
