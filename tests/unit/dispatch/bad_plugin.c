/* Plugins that have to be refused: one mistake each, chosen by BAD when it is compiled. The good one
 * leaves out the function that BAD_PLUGIN_LACKS names. */
#include <cresset/backend.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_NULL     1
#define ENTRY_REASON   2
#define OTHER_MAJOR    3
#define SMALL_TABLE    4
#define NO_RUN         5
#define ODD_NAME       6
#define NO_COUNT       7
#define NEGATIVE_COUNT 8
#define NO_TABLE_ENTRY 9
#define OPEN_FAILS     10
#define NAMED_CPU      11
#define GOOD           12
#define ONLY_BY_NAME   13
#define HUGE_COUNT     14
#define FEWER_OPEN     15

static const cr_host *host;

static cr_status count(const cr_backend *self, int *n)
{
    (void)self;
#if BAD == NO_COUNT
    return host->fail(host, CR_FAILED, "the bus is on fire");
#endif
    setenv("BAD_PLUGIN_WAS_ASKED", "1", 1);
    *n = BAD == NEGATIVE_COUNT ? -3 : BAD == HUGE_COUNT ? 1025 : BAD == FEWER_OPEN ? 2 : 1;
    return CR_OK;
}

static cr_status info(const cr_backend *self, int index, cr_device_info *out)
{
    (void)self, (void)index, (void)out;
    out->rank = -1;
    return CR_OK;
}

static cr_status open_device(const cr_backend *self, int index, cr_device **device)
{
    (void)self;
    *device = (cr_device *)1;
    if (BAD == FEWER_OPEN && index)
        return host->fail(host, CR_INVALID, "there is no accelerator %d", index);
    return BAD == OPEN_FAILS ? host->fail(host, CR_FAILED, "no power at socket %d", index) : CR_OK;
}

static void close_device(cr_device *device)
{
    (void)device;
}

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    (void)device, (void)bytes, (void)buffer;
    return CR_OUT_OF_MEMORY;
}

static void free_buffer(cr_device *device, cr_buffer *buffer)
{
    (void)device, (void)buffer;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    (void)device, (void)to, (void)offset, (void)from, (void)bytes;
    return CR_OK;
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    (void)device, (void)to, (void)offset, (void)from, (void)bytes;
    return CR_OK;
}

static cr_status plan(cr_device *device, const cr_graph *graph, cr_plan_info *plan_info,
                      cr_plan **out)
{
    (void)device, (void)graph, (void)plan_info, (void)out;
    return CR_UNSUPPORTED;
}

static cr_status run(cr_plan *p, const cr_run *r)
{
    (void)p, (void)r;
    return CR_OK;
}

static void plan_free(cr_plan *p)
{
    (void)p;
}

#if BAD != NO_TABLE_ENTRY
CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h);
const cr_backend *cresset_backend_entry(const cr_host *h)
{
    static cr_backend table = {.struct_size = sizeof table,
                               .abi_major = CR_ABI_MAJOR,
                               .abi_minor = CR_ABI_MINOR,
                               .name = "sample",
                               .version = "1",
                               .device_count = count,
                               .device_info = info,
                               .device_open = open_device,
                               .device_close = close_device,
                               .alloc = alloc,
                               .free = free_buffer,
                               .copy_in = copy_in,
                               .copy_out = copy_out,
                               .plan = plan,
                               .run = run,
                               .plan_free = plan_free,
                               .only_by_name = BAD == ONLY_BY_NAME};
    host = h;
#if BAD == ENTRY_NULL
    return 0;
#elif BAD == ENTRY_REASON
    h->fail(h, CR_FAILED, "this machine has no such accelerator");
    return 0;
#elif BAD == OTHER_MAJOR
    table.abi_major = CR_ABI_MAJOR + 1;
#elif BAD == SMALL_TABLE
    table.struct_size = 64;
#elif BAD == NO_RUN
    table.run = 0;
#elif BAD == ODD_NAME
    table.name = "../etc";
#elif BAD == NAMED_CPU
    table.name = "cpu";
#endif
    const char *lacks = getenv("BAD_PLUGIN_LACKS");
#define LACK(function)                      \
    if (lacks && !strcmp(lacks, #function)) \
    table.function = 0
    LACK(device_count);
    LACK(device_info);
    LACK(device_open);
    LACK(device_close);
    LACK(alloc);
    LACK(free);
    LACK(copy_in);
    LACK(copy_out);
    LACK(plan);
    LACK(run);
    LACK(plan_free);
    return &table;
}
#endif
