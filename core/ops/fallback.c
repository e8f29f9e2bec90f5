/* The host in the device's place: an operation that a device has no plan for runs on the cpu backend,
 * on copies of its tensors. Strided tensors are read and written as the raw memory that they span,
 * since a device may lack even the copy that would make them dense. */
#include <stdlib.h>
#include <string.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/ops/invoke.h"
#include "op_index.h"

/* The bytes from the tensor's first element to its last, of how many; 0 where it has no elements. */
static size_t span_of(const cr_tensor *t, size_t *start)
{
    int64_t first, last;
    size_t size = cr_dtype_size((cr_dtype)t->dtype);
    if (!cr_extent(t->dim, t->size, t->stride, t->offset, &first, &last))
        return 0;
    *start = (size_t)first * size;
    return (size_t)(last - first + 1) * size;
}

/* ---- in ---- */

/* The tensor on the host with its strides, of memory that holds what lies between its elements, too. */
static cr_tensor *span_to_host(cr_tensor *t, cr_dev *host, size_t start, size_t bytes)
{
    cr_storage *storage = cr_storage_new(host, bytes);
    if (!storage)
        return NULL;
    if (cr_storage_read(t->storage, start, storage->buffer, bytes)) {
        cr_storage_release(storage);
        return NULL;
    }
    int64_t first = (int64_t)(start / cr_dtype_size((cr_dtype)t->dtype));
    return cr_tensor_to_scope(
        cr_tensor_make(storage, (cr_dtype)t->dtype, t->dim, t->size, t->stride, t->offset - first));
}

/* A span that is much larger than its elements is worth a copy on the device first, unless that is
 * what the device can't do. */
static cr_tensor *to_host(const cr_op *op, cr_tensor *t, cr_dev *host)
{
    size_t start = 0, bytes = 0;
    if (t->storage->layout && cr_make_plain(t))
        return NULL;
    if (t->storage->dev != host && !cr_dev_is_host(t->storage->dev) && cr_dev_is_host(host) &&
        !(t->flags & CR_FLAG_CONTIGUOUS))
        bytes = span_of(t, &start);
    bool copies = op->functional->index == CR_OP_to_copy;
    size_t elements = (size_t)t->numel * cr_dtype_size((cr_dtype)t->dtype);
    return bytes && (copies || bytes / 4 <= elements) ? span_to_host(t, host, start, bytes)
                                                      : cr_tensor_to(t, host->name);
}

/* ---- out ---- */

typedef struct scattering {
    const cr_tensor *to;
    const char *from; /* row-major */
    size_t size;      /* of an element */
} scattering;

static void scatter(scattering *s, char *at, int d)
{
    if (d == s->to->dim) {
        memcpy(at, s->from, s->size);
        s->from += s->size;
        return;
    }
    for (int64_t i = 0; i < s->to->size[d]; i++)
        scatter(s, at + (size_t)(i * s->to->stride[d]) * s->size, d + 1);
}

static void scatter_all(void *memory, void *context)
{
    scatter(context, memory, 0);
}

int cr_copy_through_host(cr_tensor *to, cr_tensor *from)
{
    size_t start = 0, bytes = span_of(to, &start), size = cr_dtype_size((cr_dtype)to->dtype);
    size_t dense = (size_t)to->numel * size;
    if (!bytes)
        return 0;
    if (to->storage->layout && cr_make_plain(to))
        return -1;
    char *memory = malloc(dense);
    if (!memory)
        return cr_fail_memory("a copy", dense), -1;
    int failed = cr_tensor_read(from, memory, dense);
    scattering s = {to, memory, size};
    if (!failed)
        failed = to->flags & CR_FLAG_CONTIGUOUS
                     ? cr_storage_write(to->storage, start, memory, bytes)
                     : cr_storage_edit(to->storage, start, bytes, scatter_all, &s);
    free(memory);
    return failed;
}

/* ---- the operation ---- */

/* Through host memory and back; what an operation writes in place is copied back too. */
int cr_run_fallback(cr_op_run *run, cr_results *results)
{
    cr_dev *dev = run->dev, *host = cr_dev_fallback();
    const cr_op *op = run->op;
    cr_value args[CR_MAX_ARGS];
    cr_tensor **moved = calloc(run->nin ? run->nin : 1, sizeof *moved);
    if (!moved)
        return cr_fail_memory("an operation's arguments", run->nin * sizeof *moved), -1;
    bool was = cr_set_grad_enabled(false);
    cr_scope_begin();
    memcpy(args, run->args, op->schema->nargs * sizeof *args);
    int failed = 0;
    for (uint32_t i = 0; i < run->nin && !failed; i++)
        failed = run->in[i] && !(moved[i] = to_host(op, run->in[i], host)) ? -1 : 0;
    for (int a = 0; a < op->nargs; a++) {
        if (op->schema->args[a].type == CR_ARG_TENSORS)
            args[a].as.tensors = moved + run->first_input[a];
        else if (op->schema->args[a].type == CR_ARG_TENSOR && args[a].tag == CR_TENSOR)
            args[a].as.tensor = moved[run->first_input[a]];
        else if (op->schema->args[a].type == CR_ARG_DEVICE) {
            args[a].tag = CR_DEVICE;
            args[a].as.s = host->name;
        }
    }
    failed = failed || cr_invoke(op, args, results);
    for (int a = 0; a < op->nargs && !failed; a++) {
        bool written =
            op->schema->args[a].written || !strncmp(op->schema->args[a].name, "running_", 8);
        for (int i = run->first_input[a]; written && i < run->first_input[a + 1] && !failed; i++)
            failed = run->in[i] && moved[i] != run->in[i] && !cr_copy_(run->in[i], moved[i]);
    }
    for (int i = 0; i < results->count && !failed; i++)
        failed =
            results->t[i] && !(results->t[i] = cr_tensor_to(results->t[i], dev->name)) ? -1 : 0;
    cr_end_keeping(results, failed);
    cr_set_grad_enabled(was);
    free(moved);
    return failed ? -1 : 0;
}
