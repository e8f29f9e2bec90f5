/* The vulkan backend's entry point: its table, and each device as the core sees it. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

const cr_host *vk_host;

static cr_status device_count(const cr_backend *self, int *count)
{
    const vk_profile *all;
    (void)self;
    return vk_profiles(&all, count);
}

/* Only taken when asked for: with few inputs a processor is faster (LeNet with one image eight times, beside an H200), and
 * nobody should be slower than his own unasked. */
static int rank_of(const vk_profile *p)
{
    (void)p;
    return -1;
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    const vk_profile *all;
    int count;
    (void)self;
    cr_status status = vk_profiles(&all, &count);
    if (status != CR_OK)
        return status;
    if (index < 0 || index >= count)
        return vk_host->fail(vk_host, CR_INVALID, "there are %d Vulkan devices, not number %d",
                             count, index);
    const vk_profile *p = &all[index];
    char left[32] = "";
    if (p->left)
        snprintf(left, sizeof left, ", %u MiB free", (unsigned)(p->left >> 20));
    snprintf(info->name, sizeof info->name,
             "%.60s (Vulkan %u.%u, %.60s; subgroups of %u, %u KiB shared%s%s%s%s)", p->name,
             VK_API_VERSION_MAJOR(p->api), VK_API_VERSION_MINOR(p->api), p->driver, p->subgroup,
             p->limits.maxComputeSharedMemorySize / 1024, p->f64 ? "" : ", no f64",
             p->lean ? ", i64 as words" : "",
             p->matrix_f16 || p->matrix_bf16 ? ", cooperative matrices" : "", left);
    info->memory = p->memory;
    info->alignment = 256;
    info->rank = rank_of(p);
    info->host_memory = 0;
    return CR_OK;
}

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    (void)self;
    return vk_device_open(index, device);
}

static cr_status run_plan(cr_plan *plan, const cr_run *run)
{
    plan->meaning = CR_HAS(run, cr_run, index_meaning) ? run->index_meaning : NULL;
    return plan->run(plan, run);
}

static const cr_backend table = {
    .struct_size = sizeof table,
    .abi_major = CR_ABI_MAJOR,
    .abi_minor = CR_ABI_MINOR,
    .name = "vulkan",
    .version = "0.1.0",
    .device_count = device_count,
    .device_info = device_info,
    .device_open = device_open,
    .device_close = vk_device_close,
    .alloc = vk_alloc,
    .free = vk_free,
    .host_pointer = vk_host_pointer,
    .copy_in = vk_copy_in,
    .copy_out = vk_copy_out,
    .sync = vk_sync,
    .plan = vk_plan_graph,
    .run = run_plan,
    .plan_free = vk_plan_free,
    .only_by_name = 1,
    .host_alloc = vk_host_alloc,
    .host_free = vk_host_free,
    .host_copy = vk_host_copy,
    .host_wait = vk_host_wait,
};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);

const cr_backend *cresset_backend_entry(const cr_host *host)
{
    vk_host = host;
    return &table;
}
