/* Counts what a wrapper takes from the backend behind it and has not given back when it closes the
 * device: buffers, plans, host memory, and the device itself. */
#include "core/dispatch/validate_account.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/error.h"
#include "core/dispatch/pinned.h"
#include "core/dispatch/validate.h"

typedef struct account {
    cr_backend table; /* first */
    const cr_backend *inner;
    char wrapper[80], name[80]; /* what they are of may be gone by the end */
    size_t open;                /* devices */
    struct account *next;
} account;

struct cr_device {
    account *of;
    const cr_backend *backend; /* the inner one */
    cr_device *inner;
    size_t buffers, plans, memories; /* that are outstanding */
};

struct cr_plan {
    cr_device *device;
    cr_plan *inner;
};

static account *accounts;

/* ---- devices ---- */

static cr_status device_count(const cr_backend *self, int *count)
{
    const cr_backend *inner = ((const account *)(const void *)self)->inner;
    return inner->device_count(inner, count);
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    const cr_backend *inner = ((const account *)(const void *)self)->inner;
    return inner->device_info(inner, index, info);
}

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    account *a = (account *)(uintptr_t)self;
    cr_device *d = calloc(1, sizeof *d);
    if (!d)
        return CR_OUT_OF_MEMORY;
    d->of = a;
    d->backend = a->inner;
    cr_status status = d->backend->device_open(d->backend, index, &d->inner);
    if (status != CR_OK) {
        free(d);
        return status;
    }
    a->open++;
    *device = d;
    return CR_OK;
}

static void device_close(cr_device *device)
{
    if (device->buffers || device->plans || device->memories)
        cr_validate_late("CRESSET_VALIDATE: %s closes a device of %s of which it has %zu buffer%s, "
                         "%zu plan%s and "
                         "%zu piece%s of host memory",
                         device->of->wrapper, device->backend->name, device->buffers,
                         device->buffers == 1 ? "" : "s", device->plans,
                         device->plans == 1 ? "" : "s", device->memories,
                         device->memories == 1 ? "" : "s");
    device->of->open--;
    device->backend->device_close(device->inner);
    free(device);
}

/* ---- memory ---- */

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    cr_status status = device->backend->alloc(device->inner, bytes, buffer);
    device->buffers += status == CR_OK;
    return status;
}

static void free_buffer(cr_device *device, cr_buffer *buffer)
{
    device->buffers--;
    device->backend->free(device->inner, buffer);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    return device->backend->host_pointer(device->inner, buffer);
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    return device->backend->copy_in(device->inner, to, offset, from, bytes);
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    return device->backend->copy_out(device->inner, to, from, offset, bytes);
}

static cr_status sync_device(cr_device *device)
{
    return device->backend->sync(device->inner);
}

static cr_status host_alloc(cr_device *device, size_t bytes, void **memory)
{
    cr_status status = device->backend->host_alloc(device->inner, bytes, memory);
    device->memories += status == CR_OK;
    return status;
}

static void host_free(cr_device *device, void *memory)
{
    device->memories--;
    device->backend->host_free(device->inner, memory);
}

static cr_status host_copy(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                           size_t bytes)
{
    return device->backend->host_copy(device->inner, to, offset, from, bytes);
}

static cr_status host_wait(cr_device *device, void *memory)
{
    return device->backend->host_wait(device->inner, memory);
}

/* ---- plans ---- */

static cr_status plan_graph(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                            cr_plan **plan)
{
    cr_plan *p = calloc(1, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->device = device;
    cr_status status = device->backend->plan(device->inner, graph, info, &p->inner);
    if (status != CR_OK) {
        free(p);
        return status;
    }
    device->plans++;
    *plan = p;
    return CR_OK;
}

static cr_status run_plan(cr_plan *plan, const cr_run *run)
{
    return plan->device->backend->run(plan->inner, run);
}

static void plan_free(cr_plan *plan)
{
    plan->device->plans--;
    plan->device->backend->plan_free(plan->inner);
    free(plan);
}

/* ---- the table ---- */

const cr_backend *cr_account_table(const cr_backend *inner, const char *wrapper)
{
    if (!cr_validate_wanted())
        return inner;
    account *a = calloc(1, sizeof *a);
    if (!a)
        return cr_fail_memory("a checking table", sizeof *a);
    a->table = (cr_backend){.struct_size = sizeof a->table,
                            .abi_major = CR_ABI_MAJOR,
                            .abi_minor = CR_ABI_MINOR,
                            .name = inner->name,
                            .version = inner->version,
                            .device_count = device_count,
                            .device_info = device_info,
                            .device_open = device_open,
                            .device_close = device_close,
                            .alloc = alloc,
                            .free = free_buffer,
                            .host_pointer = inner->host_pointer ? host_pointer : NULL,
                            .copy_in = copy_in,
                            .copy_out = copy_out,
                            .sync = inner->sync ? sync_device : NULL,
                            .plan = plan_graph,
                            .run = run_plan,
                            .plan_free = plan_free};
    if (cr_has_host_memory(inner)) {
        a->table.host_alloc = host_alloc;
        a->table.host_free = host_free;
        a->table.host_copy = host_copy;
        a->table.host_wait = host_wait;
    }
    a->inner = inner;
    snprintf(a->wrapper, sizeof a->wrapper, "%s", wrapper);
    snprintf(a->name, sizeof a->name, "%s", inner->name);
    a->next = accounts;
    accounts = a;
    return &a->table;
}

void cr_account_close(void)
{
    while (accounts) {
        account *a = accounts;
        accounts = a->next;
        if (a->open)
            cr_validate_late("CRESSET_VALIDATE: %s has left %zu device%s of %s open", a->wrapper,
                             a->open, a->open == 1 ? "" : "s", a->name);
        free(a);
    }
}
