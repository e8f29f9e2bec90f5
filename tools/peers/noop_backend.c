/* A backend that plans everything and computes nothing: what an operation takes on it is the price of core and dispatch. */
#include <cresset/backend.h>
#include <stdlib.h>
#include <string.h>

static cr_status count(const cr_backend *self, int *n)
{
    (void)self;
    *n = 1;
    return CR_OK;
}

static cr_status info(const cr_backend *self, int index, cr_device_info *out)
{
    (void)self, (void)index;
    strcpy(out->name, "nothing");
    out->rank = -1;
    out->host_memory = 1;
    return CR_OK;
}

static cr_status open_device(const cr_backend *self, int index, cr_device **device)
{
    (void)self, (void)index, (void)device;
    return CR_OK;
}

static void close_device(cr_device *device)
{
    (void)device;
}

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    (void)device;
    *buffer = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (*buffer)
        memset(*buffer, 0, bytes);
    return *buffer ? CR_OK : CR_OUT_OF_MEMORY;
}

static void release(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    free(buffer);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    return buffer;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    (void)device;
    memcpy((char *)to + offset, from, bytes);
    return CR_OK;
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    (void)device;
    memcpy(to, (char *)from + offset, bytes);
    return CR_OK;
}

static cr_status plan(cr_device *device, const cr_graph *graph, cr_plan_info *info, cr_plan **out)
{
    static char any;
    (void)device, (void)graph, (void)info;
    *out = (cr_plan *)&any;
    return CR_OK;
}

static cr_status run(cr_plan *plan, const cr_run *run)
{
    (void)plan, (void)run;
    return CR_OK;
}

static void plan_free(cr_plan *plan)
{
    (void)plan;
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);
const cr_backend *cresset_backend_entry(const cr_host *host)
{
    static const cr_backend noop = {
        .struct_size = sizeof noop,
        .abi_major = CR_ABI_MAJOR,
        .abi_minor = CR_ABI_MINOR,
        .name = "noop",
        .device_count = count,
        .device_info = info,
        .device_open = open_device,
        .device_close = close_device,
        .alloc = alloc,
        .free = release,
        .host_pointer = host_pointer,
        .copy_in = copy_in,
        .copy_out = copy_out,
        .plan = plan,
        .run = run,
        .plan_free = plan_free,
    };
    (void)host;
    return &noop;
}
