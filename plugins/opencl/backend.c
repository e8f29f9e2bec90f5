/* The plugin's entry point: its table, and each device as the core sees it. */
#include "plan.h"

#include <stdio.h>

const cr_host *ocl_host;

static cr_status device_count(const cr_backend *self, int *count)
{
    const ocl_profile *all;
    (void)self;
    return ocl_profiles(&all, count);
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    const ocl_profile *all;
    int count;
    (void)self;
    cr_status status = ocl_profiles(&all, &count);
    if (status != CR_OK)
        return status;
    if (index < 0 || index >= count)
        return ocl_host->fail(ocl_host, CR_INVALID, "there are %d OpenCL devices, not number %d",
                              count, index);
    snprintf(info->name, sizeof info->name, "%s", all[index].name);
    info->memory = all[index].memory;
    info->alignment = 128; /* of the largest OpenCL type, which clCreateBuffer promises */
    info->rank =
        -1; /* only when asked for: it shows the interface, and is not tuned for any device */
    info->host_memory = 0;
    return CR_OK;
}

static cr_status run(cr_plan *plan, const cr_run *run)
{
    return plan->run(plan, run);
}

static const cr_backend table = {
    .struct_size = sizeof table,
    .abi_major = CR_ABI_MAJOR,
    .abi_minor = CR_ABI_MINOR,
    .name = "opencl",
    .version = "0.1.0",
    .device_count = device_count,
    .device_info = device_info,
    .device_open = ocl_device_open,
    .device_close = ocl_device_close,
    .alloc = ocl_alloc,
    .free = ocl_free,
    .copy_in = ocl_copy_in,
    .copy_out = ocl_copy_out,
    .sync = ocl_sync,
    .plan = ocl_plan,
    .run = run,
    .plan_free = ocl_plan_free,
    .only_by_name = 1,
};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);

const cr_backend *cresset_backend_entry(const cr_host *host)
{
    ocl_host = host;
    return &table;
}
