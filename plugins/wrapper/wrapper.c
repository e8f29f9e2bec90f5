/* The table of a wrapper: each function passes its call on to the inner backend between the
 * wrapper's before and after. Buffers are the inner backend's own, so memory stays shared where it
 * was; private layouts and workspaces are passed on as they come. */
#include "wrapper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cr_host *wrap_host;

static cr_status around(wrap_call *call, cr_status (*inner)(wrap_call *call, void *context),
                        void *context)
{
    cr_status status = wrap_before(call);
    if (status == CR_OK)
        status = inner(call, context);
    return wrap_after(call, status);
}

/* ---- devices ---- */

static const wrap_backend *of_table(const cr_backend *self)
{
    return (const wrap_backend *)(const void *)self;
}

static cr_status device_count(const cr_backend *self, int *count)
{
    const cr_backend *inner = of_table(self)->inner;
    return inner->device_count(inner, count);
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    const cr_backend *inner = of_table(self)->inner;
    cr_status status = inner->device_info(inner, index, info);
    if (status == CR_OK)
        wrap_describe(info);
    return status;
}

static int opened,
    living; /* devices so far, since none was open; and now. The core opens one at a time */

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    const wrap_backend *backend = of_table(self);
    cr_device *d = calloc(1, sizeof *d);
    if (!d)
        return wrap_host->fail(wrap_host, CR_OUT_OF_MEMORY, "%s: no memory for a device",
                               backend->name);
    d->backend = backend;
    d->info.struct_size = sizeof d->info;
    cr_status status = backend->inner->device_info(backend->inner, index, &d->info);
    d->shares = d->info.host_memory;
    if (status == CR_OK)
        status = backend->inner->device_open(backend->inner, index, &d->inner);
    if (status != CR_OK) {
        free(d);
        return status;
    }
    wrap_describe(&d->info);
    d->number = opened++;
    living++;
    *device = d;
    wrap_opened(d);
    return CR_OK;
}

static void device_close(cr_device *device)
{
    wrap_closing(device);
    if (!--living)
        opened = 0;
    device->backend->inner->device_close(device->inner);
    free(device);
}

/* ---- memory ---- */

static cr_status inner_alloc(wrap_call *call, void *context)
{
    cr_device *d = call->device;
    (void)context;
    return d->backend->inner->alloc(d->inner, call->bytes, &call->buffer);
}

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    wrap_call call = {.kind = WRAP_ALLOC, .device = device, .bytes = bytes};
    cr_status status = around(&call, inner_alloc, NULL);
    if (status == CR_OK)
        *buffer = call.buffer;
    else if (call.buffer)
        device->backend->inner->free(device->inner, call.buffer);
    return status;
}

static cr_status inner_free(wrap_call *call, void *context)
{
    cr_device *d = call->device;
    (void)context;
    d->backend->inner->free(d->inner, call->buffer);
    return CR_OK;
}

static void free_buffer(cr_device *device, cr_buffer *buffer)
{
    wrap_call call = {.kind = WRAP_FREE, .device = device, .buffer = buffer};
    around(&call, inner_free, NULL);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    const cr_backend *inner = device->backend->inner;
    if (device->shares && !device->info.host_memory)
        return NULL; /* the wrapper hides that memory is shared: every access is to be a copy */
    return inner->host_pointer ? inner->host_pointer(device->inner, buffer) : NULL;
}

/* A copy to the device, whichever function does it. */
static wrap_call inward(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                        size_t bytes)
{
    return (wrap_call){.kind = WRAP_COPY,
                       .device = device,
                       .buffer = to,
                       .inward = true,
                       .from = from,
                       .offset = offset,
                       .bytes = bytes};
}

static cr_status inner_copy_in(wrap_call *call, void *context)
{
    cr_device *d = call->device;
    (void)context;
    return d->backend->inner->copy_in(d->inner, call->buffer, call->offset, call->from,
                                      call->bytes);
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    wrap_call call = inward(device, to, offset, from, bytes);
    return around(&call, inner_copy_in, NULL);
}

static cr_status inner_host_copy(wrap_call *call, void *from)
{
    cr_device *d = call->device;
    const cr_backend *inner = d->backend->inner;
    /* bytes that the wrapper exchanged lie elsewhere, and only until this returns */
    return (call->from == from ? inner->host_copy : inner->copy_in)(
        d->inner, call->buffer, call->offset, call->from, call->bytes);
}

static cr_status host_copy(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                           size_t bytes)
{
    wrap_call call = inward(device, to, offset, from, bytes);
    return around(&call, inner_host_copy, (void *)(uintptr_t)from);
}

static cr_status host_alloc(cr_device *device, size_t bytes, void **memory)
{
    return device->backend->inner->host_alloc(device->inner, bytes, memory);
}

static void host_free(cr_device *device, void *memory)
{
    device->backend->inner->host_free(device->inner, memory);
}

static cr_status host_wait(cr_device *device, void *memory)
{
    return device->backend->inner->host_wait(device->inner, memory);
}

static cr_status inner_copy_out(wrap_call *call, void *context)
{
    cr_device *d = call->device;
    (void)context;
    return d->backend->inner->copy_out(d->inner, call->to, call->buffer, call->offset, call->bytes);
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    wrap_call call = {.kind = WRAP_COPY,
                      .device = device,
                      .buffer = from,
                      .to = to,
                      .offset = offset,
                      .bytes = bytes};
    return around(&call, inner_copy_out, NULL);
}

static cr_status inner_sync(wrap_call *call, void *context)
{
    cr_device *d = call->device;
    (void)context;
    return d->backend->inner->sync ? d->backend->inner->sync(d->inner) : CR_OK;
}

static cr_status sync_device(cr_device *device)
{
    wrap_call call = {.kind = WRAP_SYNC, .device = device};
    return around(&call, inner_sync, NULL);
}

/* ---- plans ---- */

static size_t element_bytes(int32_t dtype)
{
    switch (dtype) {
#define BYTES(name, number, bytes, text) \
    case CR_##name: return bytes;
        CR_DTYPES(BYTES)
#undef BYTES
    default: return 0;
    }
}

static wrap_value value_of(const cr_meta *m)
{
    size_t last = 0;
    for (int d = 0; d < m->rank; d++) {
        if (!m->size[d])
            return (wrap_value){m->dtype, 0};
        last += (size_t)(m->size[d] - 1) * (size_t)m->stride[d];
    }
    return (wrap_value){m->dtype, (last + 1) * element_bytes(m->dtype)};
}

static char *names_of(const cr_graph *graph)
{
    size_t length = 1, at = 0;
    for (uint32_t i = 0; i < graph->nnodes; i++)
        length += strlen(graph->nodes[i].op) + 1;
    char *names = malloc(length);
    if (names)
        *names = 0;
    for (uint32_t i = 0; names && i < graph->nnodes; i++)
        at += (size_t)snprintf(names + at, length - at, i ? "+%s" : "%s", graph->nodes[i].op);
    return names;
}

typedef struct planning {
    const cr_graph *graph;
    cr_plan_info *info;
} planning;

static cr_status inner_plan(wrap_call *call, void *context)
{
    const planning *p = context;
    cr_device *d = call->device;
    return d->backend->inner->plan(d->inner, p->graph, p->info, &call->plan->inner);
}

static void plan_free(cr_plan *plan)
{
    if (plan->inner)
        plan->device->backend->inner->plan_free(plan->inner);
    free(plan->op);
    free(plan);
}

static cr_status plan_graph(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                            cr_plan **plan)
{
    size_t n = (size_t)graph->ninputs + graph->noutputs;
    cr_plan *p = calloc(1, sizeof *p + n * sizeof *p->values);
    if (!p || !(p->op = names_of(graph))) {
        free(p);
        return wrap_host->fail(wrap_host, CR_OUT_OF_MEMORY, "%s: no memory for a plan",
                               device->backend->name);
    }
    p->device = device;
    p->ninputs = graph->ninputs;
    p->noutputs = graph->noutputs;
    for (uint32_t i = 0; i < graph->ninputs; i++)
        p->values[i] = value_of(&graph->values[graph->inputs[i]]);
    for (uint32_t i = 0; i < graph->noutputs; i++)
        p->values[graph->ninputs + i] = value_of(&graph->values[graph->outputs[i]]);
    wrap_call call = {.kind = WRAP_PLAN, .device = device, .plan = p, .op = p->op};
    planning asked = {graph, info};
    cr_status status = around(&call, inner_plan, &asked);
    if (status == CR_OK)
        *plan = p;
    else
        plan_free(p);
    return status;
}

static cr_status inner_run(wrap_call *call, void *context)
{
    (void)context;
    return call->device->backend->inner->run(call->plan->inner, call->run);
}

static cr_status run_plan(cr_plan *plan, const cr_run *run)
{
    wrap_call call = {
        .kind = WRAP_RUN, .device = plan->device, .plan = plan, .op = plan->op, .run = run};
    return around(&call, inner_run, NULL);
}

/* ---- wrapping ---- */

static cr_status wrap(const cr_backend *self, const cr_backend *inner, const cr_backend **wrapped)
{
    wrap_backend *b = calloc(1, sizeof *b);
    if (!b)
        return wrap_host->fail(wrap_host, CR_OUT_OF_MEMORY, "%s: no memory for a table", wrap_name);
    b->table = *self;
    b->table.version = inner->version;
    b->table.device_count = device_count;
    b->table.device_info = device_info;
    b->table.device_open = device_open;
    b->table.device_close = device_close;
    b->table.alloc = alloc;
    b->table.free = free_buffer;
    b->table.host_pointer = host_pointer;
    b->table.copy_in = copy_in;
    b->table.copy_out = copy_out;
    b->table.sync = inner->sync ? sync_device : NULL;
    b->table.plan = plan_graph;
    b->table.run = run_plan;
    b->table.plan_free = plan_free;
    if (CR_HAS(inner, cr_backend, host_wait) && inner->host_wait) {
        b->table.host_alloc = host_alloc;
        b->table.host_free = host_free;
        b->table.host_copy = host_copy;
        b->table.host_wait = host_wait;
    }
    b->table.wrap = NULL; /* a wrapped backend is a backend */
    b->table.unwrap = NULL;
    b->inner = inner;
    /* The name of a wrapped table is for messages: that of the backend at the bottom. */
    snprintf(b->name, sizeof b->name, "%s", inner->name);
    b->table.name = b->name;
    *wrapped = &b->table;
    return CR_OK;
}

static void unwrap(const cr_backend *wrapped)
{
    free((void *)(uintptr_t)wrapped);
}

static cr_backend own = {.struct_size = sizeof own,
                         .abi_major = CR_ABI_MAJOR,
                         .abi_minor = CR_ABI_MINOR,
                         .name = wrap_name,
                         .version = wrap_version,
                         .wrap = wrap,
                         .unwrap = unwrap};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);
const cr_backend *cresset_backend_entry(const cr_host *host)
{
    wrap_host = host;
    return wrap_start() == CR_OK ? &own : NULL;
}
