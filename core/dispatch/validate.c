/* The checking table: memory with guard zones before and after, plans that are made twice, answers
 * that must have words. Runs are checked in validate_run.c, leaks in validate_leaks.c. */
#include "core/dispatch/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/lock.h"
#include "core/base/thread.h"
#include "core/dispatch/host.h"
#include "core/dispatch/pinned.h"
#include "core/dispatch/validate_leaks.h"

enum { GUARD = 256, GUARD_BYTE = 0xA5, BUCKETS = 1024 };

typedef struct checked_backend {
    cr_backend table; /* first */
    const cr_backend *inner;
    bool wrapped;
    struct checked_backend *next;
} checked_backend;

static checked_backend *tables;
static char *late; /* the first violation that no call could report */

/* ---- words ---- */

cr_status cr_violation(const cr_checked_device *device, const char *op, const char *format, ...)
{
    char words[400];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return cr_host_services.fail(&cr_host_services, CR_FAILED, "CRESSET_VALIDATE: %s of %s: %s", op,
                                 device->backend->name, words);
}

cr_status cr_check_answer(const cr_checked_device *device, const char *call, cr_status status)
{
    if ((unsigned)status > CR_FAILED)
        return cr_violation(device, call, "it answered with %d, which is no cr_status",
                            (int)status);
    if (status == CR_OK || status == CR_OUT_OF_MEMORY || cr_this_thread.backend_words)
        return status;
    return cr_violation(device, call, "it failed (cr_status %d) without words", (int)status);
}

void cr_validate_late(const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    cr_log_message(CR_LOG_WARNING, "%s", words);
    if (!late)
        late = strdup(words);
}

void cr_validate_report(void)
{
    if (late)
        cr_fail("%s", late);
    free(late);
    late = NULL;
}

/* A violation where no status can be given waits for the next call that has one. */
static void hold(cr_checked_device *d)
{
    const char *words = cr_backend_words();
    cr_log_message(CR_LOG_WARNING, "%s", words);
    if (!d->pending)
        d->pending = strdup(words);
}

static cr_status held(cr_checked_device *d)
{
    char *words = d->pending;
    if (!words)
        return CR_OK;
    d->pending = NULL;
    cr_host_services.fail(&cr_host_services, CR_FAILED, "%s", words);
    free(words);
    return CR_FAILED;
}

static cr_checked_device *of(cr_device *device)
{
    return (cr_checked_device *)(void *)device;
}

/* ---- buffers by the address that the core has ---- */

static cr_checked_buffer *buckets[BUCKETS];
static cr_lock buckets_lock;

static cr_checked_buffer **bucket_of(const void *given)
{
    return &buckets[((uintptr_t)given >> 6) % BUCKETS];
}

cr_checked_buffer *cr_checked_find(const void *given)
{
    cr_lock_acquire(&buckets_lock);
    cr_checked_buffer *b = *bucket_of(given);
    while (b && b->given != given)
        b = b->chain;
    cr_lock_release(&buckets_lock);
    return b;
}

static void add_buffer(cr_checked_buffer *b)
{
    cr_lock_acquire(&buckets_lock);
    b->chain = *bucket_of(b->given);
    *bucket_of(b->given) = b;
    cr_lock_release(&buckets_lock);
}

static void remove_buffer(cr_checked_buffer *b)
{
    cr_lock_acquire(&buckets_lock);
    cr_checked_buffer **link = bucket_of(b->given);
    while (*link && *link != b)
        link = &(*link)->chain;
    if (*link)
        *link = b->chain;
    cr_lock_release(&buckets_lock);
}

static unsigned char *host_start(const cr_checked_buffer *b)
{
    return (unsigned char *)(void *)b->inner;
}

cr_status cr_checked_fetch(const cr_checked_buffer *b, void *to)
{
    cr_checked_device *d = b->device;
    size_t all = b->bytes + 2 * d->guard;
    if (!d->host)
        return d->backend->copy_out(d->inner, to, b->inner, 0, all);
    memcpy(to, host_start(b), all);
    return CR_OK;
}

cr_status cr_checked_put(const cr_checked_buffer *b, const void *from)
{
    cr_checked_device *d = b->device;
    size_t all = b->bytes + 2 * d->guard;
    if (!d->host)
        return d->backend->copy_in(d->inner, b->inner, 0, from, all);
    memcpy(host_start(b), from, all);
    return CR_OK;
}

/* ---- devices ---- */

static cr_status device_count(const cr_backend *self, int *count)
{
    const cr_backend *inner = ((const checked_backend *)(const void *)self)->inner;
    return inner->device_count(inner, count);
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    const cr_backend *inner = ((const checked_backend *)(const void *)self)->inner;
    return inner->device_info(inner, index, info);
}

static void device_close(cr_device *device)
{
    cr_checked_device *d = of(device);
    if (d->buffers || d->plans)
        cr_validate_late("CRESSET_VALIDATE: a device of %s is closed that has %zu buffer%s and %zu "
                         "plan%s given out: "
                         "tensors were kept beyond cr_exit",
                         d->backend->name, d->buffers, d->buffers == 1 ? "" : "s", d->plans,
                         d->plans == 1 ? "" : "s");
    if (d->pending)
        cr_validate_late("%s", d->pending);
    d->backend->device_close(d->inner);
    cr_map_free(&d->probed);
    free(d->pending);
    free(d);
}

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    const checked_backend *b = (const checked_backend *)(const void *)self;
    const cr_backend *inner = b->inner;
    cr_checked_device *d = calloc(1, sizeof *d);
    if (!d)
        return CR_OUT_OF_MEMORY;
    d->backend = inner;
    cr_device_info info = {.struct_size = sizeof info};
    cr_status status = inner->device_info(inner, index, &info);
    d->host = info.host_memory;
    if (status == CR_OK && !b->wrapped)
        status = cr_check_open_leaks(d, index);
    if (status == CR_OK)
        status = cr_check_answer(d, "device_open", inner->device_open(inner, index, &d->inner));
    if (status != CR_OK) {
        free(d);
        return status;
    }
    d->alignment = info.alignment ? info.alignment : 64;
    d->guard = d->alignment > GUARD ? d->alignment : GUARD;
    *device = (cr_device *)(void *)d;
    status = cr_check_alloc_leaks(d);
    if (status != CR_OK)
        device_close(*device);
    return status;
}

/* ---- memory ---- */

static cr_status set_guards(cr_checked_buffer *b)
{
    cr_checked_device *d = b->device;
    unsigned char *guard = malloc(d->guard);
    if (!guard)
        return CR_OUT_OF_MEMORY;
    memset(guard, GUARD_BYTE, d->guard);
    cr_status status = CR_OK;
    if (d->host) {
        memcpy(host_start(b), guard, d->guard);
        memcpy(host_start(b) + d->guard + b->bytes, guard, d->guard);
    } else {
        status = d->backend->copy_in(d->inner, b->inner, 0, guard, d->guard);
        if (status == CR_OK)
            status = d->backend->copy_in(d->inner, b->inner, d->guard + b->bytes, guard, d->guard);
    }
    free(guard);
    return status;
}

/* Copies that go too far; runs are looked at by cr_checked_run. */
static void check_guards(cr_checked_buffer *b)
{
    cr_checked_device *d = b->device;
    unsigned char *guard = malloc(d->guard);
    for (int end = 0; end < 2 && guard; end++) {
        size_t at = end ? d->guard + b->bytes : 0, i = 0;
        if (d->host)
            memcpy(guard, host_start(b) + at, d->guard);
        else if (d->backend->copy_out(d->inner, guard, b->inner, at, d->guard) != CR_OK)
            break;
        while (i < d->guard && guard[i] == GUARD_BYTE)
            i++;
        if (i == d->guard)
            continue;
        cr_violation(d, "a copy", "it wrote %s an allocation of %zu bytes", end ? "past" : "before",
                     b->bytes);
        hold(d);
    }
    free(guard);
}

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    cr_checked_device *d = of(device);
    cr_status status = held(d);
    if (status != CR_OK)
        return status;
    if (bytes > SIZE_MAX - 2 * d->guard)
        return CR_OUT_OF_MEMORY;
    cr_checked_buffer *b = calloc(1, sizeof *b);
    if (!b)
        return CR_OUT_OF_MEMORY;
    b->device = d;
    b->bytes = bytes;
    cr_backend_words();
    status =
        cr_check_answer(d, "alloc", d->backend->alloc(d->inner, bytes + 2 * d->guard, &b->inner));
    if (status == CR_OK && !b->inner)
        status = cr_violation(d, "alloc", "it answered CR_OK and gave no buffer");
    if (status == CR_OK && d->host && (uintptr_t)b->inner % d->alignment)
        status = cr_violation(d, "alloc", "its address is not aligned to %zu bytes", d->alignment);
    if (status == CR_OK)
        status = set_guards(b);
    if (status != CR_OK) {
        if (b->inner)
            d->backend->free(d->inner, b->inner);
        free(b);
        return status;
    }
    b->given = d->host ? (const void *)(host_start(b) + d->guard) : (const void *)b;
    add_buffer(b);
    d->buffers++;
    *buffer = (cr_buffer *)(uintptr_t)b->given;
    return CR_OK;
}

static void free_buffer(cr_device *device, cr_buffer *buffer)
{
    cr_checked_device *d = of(device);
    cr_checked_buffer *b = cr_checked_find(buffer);
    if (!b)
        return;
    check_guards(b);
    remove_buffer(b);
    d->buffers--;
    d->backend->free(d->inner, b->inner);
    free(b);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    cr_checked_device *d = of(device);
    cr_checked_buffer *b = cr_checked_find(buffer);
    if (d->host)
        return buffer;
    unsigned char *start =
        b && d->backend->host_pointer ? d->backend->host_pointer(d->inner, b->inner) : NULL;
    return start ? start + d->guard : NULL;
}

/* The inner backend's buffer, and what is to be added to offsets. */
static cr_buffer *inner_buffer(cr_checked_device *d, cr_buffer *buffer, size_t *offset)
{
    cr_checked_buffer *b = cr_checked_find(buffer);
    if (!b || d->host)
        return buffer;
    *offset += d->guard;
    return b->inner;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    cr_checked_device *d = of(device);
    cr_buffer *inner = inner_buffer(d, to, &offset);
    cr_checked_buffer *b = cr_checked_find(to);
    cr_backend_words();
    cr_status status =
        cr_check_answer(d, "copy_in", d->backend->copy_in(d->inner, inner, offset, from, bytes));
    if (b && status == CR_OK) {
        check_guards(b);
        status = held(d);
    }
    return status;
}

static cr_status host_alloc(cr_device *device, size_t bytes, void **memory)
{
    cr_checked_device *d = of(device);
    return cr_check_answer(d, "host_alloc", d->backend->host_alloc(d->inner, bytes, memory));
}

static void host_free(cr_device *device, void *memory)
{
    cr_checked_device *d = of(device);
    d->backend->host_free(d->inner, memory);
}

static cr_status host_copy(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                           size_t bytes)
{
    cr_checked_device *d = of(device);
    cr_buffer *inner = inner_buffer(d, to, &offset);
    cr_backend_words();
    return cr_check_answer(d, "host_copy",
                           d->backend->host_copy(d->inner, inner, offset, from, bytes));
}

static cr_status host_wait(cr_device *device, void *memory)
{
    cr_checked_device *d = of(device);
    return cr_check_answer(d, "host_wait", d->backend->host_wait(d->inner, memory));
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    cr_checked_device *d = of(device);
    cr_buffer *inner = inner_buffer(d, from, &offset);
    cr_backend_words();
    return cr_check_answer(d, "copy_out", d->backend->copy_out(d->inner, to, inner, offset, bytes));
}

static cr_status sync_device(cr_device *device)
{
    cr_checked_device *d = of(device);
    cr_status status = held(d);
    cr_backend_words();
    return status == CR_OK ? cr_check_answer(d, "sync", d->backend->sync(d->inner)) : status;
}

/* ---- plans ---- */

static void plan_free(cr_plan *plan)
{
    cr_checked_plan *p = (cr_checked_plan *)(void *)plan;
    for (int i = 0; i < 2; i++)
        if (p->inner[i])
            p->device->backend->plan_free(p->inner[i]);
    free(p->values);
    free(p->bytes);
    free(p);
}

/* Asks once more, with room of its own for the answers, which have to be the same. */
static cr_status plan_again(cr_checked_plan *p, const cr_graph *graph, const cr_plan_info *first)
{
    cr_checked_device *d = p->device;
    uint32_t nin = graph->ninputs, nout = graph->noutputs, n = nin + nout + 1;
    uint64_t *layouts = calloc(n, sizeof *layouts);
    size_t *bytes = calloc(n, sizeof *bytes);
    cr_status status = CR_OUT_OF_MEMORY;
    if (layouts && bytes) {
        bool asks = CR_HAS(first, cr_plan_info, input_bytes) && first->input_layouts;
        cr_plan_info info = *first;
        info.workspace = 0;
        info.output_layouts = layouts;
        info.output_bytes = bytes;
        info.input_layouts = asks ? layouts + nout : NULL;
        info.input_bytes = asks ? bytes + nout : NULL;
        status = d->backend->plan(d->inner, graph, &info, &p->inner[1]);
        bool same =
            status == CR_OK && p->inner[1] && info.workspace == first->workspace &&
            !memcmp(layouts, first->output_layouts, nout * sizeof *layouts) &&
            !memcmp(bytes, first->output_bytes, nout * sizeof *bytes) &&
            (!asks || !memcmp(info.input_layouts, first->input_layouts, nin * sizeof *layouts));
        if (!same && status != CR_OUT_OF_MEMORY)
            status = cr_violation(d, p->op, "planning it twice gives different answers");
    }
    free(layouts);
    free(bytes);
    return status;
}

static cr_status describe(cr_checked_plan *p, const cr_graph *graph, const cr_plan_info *info)
{
    size_t n = (size_t)p->ninputs + p->noutputs;
    p->values = calloc(n + 1, sizeof *p->values);
    p->bytes = calloc(n + 1, sizeof *p->bytes);
    if (!p->values || !p->bytes)
        return CR_OUT_OF_MEMORY;
    bool asks = CR_HAS(info, cr_plan_info, input_bytes) && info->input_layouts;
    for (uint32_t i = 0; i < p->ninputs; i++) {
        p->values[i] = graph->values[graph->inputs[i]];
        if (asks && info->input_layouts[i]) {
            p->values[i].layout = info->input_layouts[i];
            p->bytes[i] = info->input_bytes[i];
        }
    }
    for (uint32_t i = 0; i < p->noutputs; i++) {
        p->values[p->ninputs + i] = graph->values[graph->outputs[i]];
        if (info->output_layouts[i]) {
            p->values[p->ninputs + i].layout = info->output_layouts[i];
            p->bytes[p->ninputs + i] = info->output_bytes[i];
        }
    }
    p->workspace = info->workspace;
    return CR_OK;
}

static cr_status plan_graph(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                            cr_plan **plan)
{
    cr_checked_device *d = of(device);
    cr_status status = held(d);
    cr_checked_plan *p = status == CR_OK ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return status == CR_OK ? CR_OUT_OF_MEMORY : status;
    p->device = d;
    p->ninputs = graph->ninputs;
    p->noutputs = graph->noutputs;
    snprintf(p->op, sizeof p->op, "%s%s", graph->nodes[0].op, graph->nnodes > 1 ? "+…" : "");
    cr_backend_words();
    status = d->backend->plan(d->inner, graph, info, &p->inner[0]);
    if (status != CR_UNSUPPORTED)
        status = cr_check_answer(d, p->op, status);
    if (status == CR_OK && !p->inner[0])
        status = cr_violation(d, p->op, "plan answered CR_OK and gave no plan");
    if (status == CR_OK)
        status = plan_again(p, graph, info);
    if (status == CR_OK)
        status = describe(p, graph, info);
    if (status == CR_OK)
        status = cr_check_plan_leaks(d, p->op, graph, info);
    if (status != CR_OK) {
        plan_free((cr_plan *)(void *)p);
        return status;
    }
    d->plans++;
    *plan = (cr_plan *)(void *)p;
    return CR_OK;
}

static void plan_given_back(cr_plan *plan)
{
    ((cr_checked_plan *)(void *)plan)->device->plans--;
    plan_free(plan);
}

/* ---- the table ---- */

bool cr_validate_wanted(void)
{
    return cr_env_is("CRESSET_VALIDATE", "1");
}

const cr_backend *cr_validate_table(const cr_backend *inner, bool wrapped)
{
    if (!cr_validate_wanted())
        return inner;
    for (checked_backend *b = tables; b; b = b->next)
        if (b->inner == inner)
            return &b->table;
    checked_backend *b = calloc(1, sizeof *b);
    if (!b)
        return cr_fail_memory("a checking table", sizeof *b);
    b->table = (cr_backend){.struct_size = sizeof b->table,
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
                            .host_pointer = host_pointer,
                            .copy_in = copy_in,
                            .copy_out = copy_out,
                            .sync = inner->sync ? sync_device : NULL,
                            .plan = plan_graph,
                            .run = cr_checked_run,
                            .plan_free = plan_given_back};
    if (cr_has_host_memory(inner)) {
        b->table.host_alloc = host_alloc;
        b->table.host_free = host_free;
        b->table.host_copy = host_copy;
        b->table.host_wait = host_wait;
    }
    b->inner = inner;
    b->wrapped = wrapped;
    b->next = tables;
    tables = b;
    return &b->table;
}

void cr_validate_close(void)
{
    while (tables) {
        checked_backend *b = tables;
        tables = b->next;
        free(b);
    }
}
