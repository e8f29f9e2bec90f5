/* Private layouts: the way out of them, the way of element-wise operations through them, and the copies of inputs in layouts
 * that a plan asked for. What a tag means is its backend's business; include/cresset/backend.h says what a backend promises
 * (cr_plan_info). */
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/trace.h"
#include "core/ops/key.h"

/* ---- copies between layouts ---- */

/* Plans "copy" between two values that differ in layout. The device's lock is held. */
static cr_status plan_copy(cr_dev *dev, const cr_meta *from, const cr_meta *to, cr_plan **plan,
                           size_t *workspace)
{
    const cr_meta values[2] = {*from, *to};
    const uint32_t at[2] = {0, 1};
    cr_graph_node node = {sizeof node, "copy", &at[0], &at[1], 1, 1, NULL, 0, 0, NULL};
    cr_graph graph = {sizeof graph, values, &node, &at[0], &at[1], 2, 1, 1, 1};
    uint64_t layout = 0, in_layout = 0;
    size_t bytes = 0, in_bytes = 0;
    cr_plan_info info = {sizeof info, 0, &layout, &bytes, &in_layout, &in_bytes};
    cr_backend_words();
    cr_status status = dev->backend->plan(dev->handle, &graph, &info, plan);
    if (status == CR_OK && (layout || in_layout)) { /* it was told what both are in */
        dev->backend->plan_free(*plan);
        *plan = NULL;
        status = CR_INVALID;
    }
    *workspace = info.workspace;
    return status;
}

static cr_status run_copy(cr_dev *dev, cr_plan *plan, size_t workspace, cr_binding from,
                          cr_buffer *to)
{
    const cr_binding bind[2] = {from, {to, 0}};
    cr_run r = {.struct_size = sizeof r, .values = bind};
    cr_storage *room = NULL;
    if (workspace && !(room = cr_storage_new_locked(dev, workspace)))
        return CR_OUT_OF_MEMORY;
    if (room)
        r.workspace.buffer = room->buffer;
    cr_status status = dev->backend->run(plan, &r);
    if (room)
        cr_storage_release(room);
    return status;
}

/* ---- out ---- */

/* The plan out of a layout, remembered among the calls. */
static cr_plan_entry *way_out(cr_dev *dev, const cr_meta *from, cr_status *status)
{
    uint64_t key[5 + CR_MAX_RANK] = {UINT64_MAX, from->layout, (uint64_t)from->dtype};
    uint32_t nkey = 3;
    for (int d = 0; d < from->rank; d++)
        key[nkey++] = (uint64_t)from->size[d];
    const uint64_t hash = cr_key_hash(key, nkey);
    cr_plan_entry *e = cr_plan_cache_find(dev, hash, key, nkey);
    if (e)
        return e;
    *status = CR_OUT_OF_MEMORY;
    if (!(e = calloc(1, sizeof *e)) || !(e->key = malloc(nkey * sizeof *key))) {
        free(e);
        return NULL;
    }
    memcpy(e->key, key, nkey * sizeof *key);
    e->nkey = nkey;
    e->hash = hash;
    e->mode = CR_PLAN_NATIVE;
    cr_meta to = *from;
    to.layout = 0;
    *status = plan_copy(dev, from, &to, &e->plan, &e->workspace);
    if (*status != CR_OK) {
        cr_plan_entry_free(dev, e);
        return NULL;
    }
    if (cr_plan_cache_insert(dev, e))
        return e;
    *status = CR_OUT_OF_MEMORY;
    return NULL;
}

int cr_make_plain(cr_tensor *t)
{
    cr_storage *storage = t->storage;
    cr_dev *dev = storage->dev;
    if (!storage->layout)
        return 0;
    size_t bytes = (size_t)t->numel * cr_dtype_size((cr_dtype)t->dtype);
    cr_storage *fresh = cr_storage_new(dev, bytes);
    if (!fresh)
        return -1;
    cr_meta meta;
    cr_meta_of(t, &meta);
    cr_biased_lock_acquire(&dev->lock);
    cr_status status = CR_OK;
    if (storage->layout) { /* no other thread was faster */
        cr_plan_entry *e = way_out(dev, &meta, &status);
        if (e)
            status = run_copy(dev, e->plan, e->workspace, (cr_binding){storage->buffer, 0},
                              fresh->buffer);
        if (status == CR_OK) { /* the tensor keeps its storage; the memory in it is exchanged */
            cr_buffer *buffer = storage->buffer;
            size_t capacity = storage->capacity, size = storage->bytes;
            int bin = storage->bin; /* of the memory, which goes back there */
            storage->buffer = fresh->buffer;
            storage->capacity = fresh->capacity;
            storage->bytes = fresh->bytes;
            storage->bin = fresh->bin;
            storage->layout = 0;
            fresh->buffer = buffer;
            fresh->capacity = capacity;
            fresh->bytes = size;
            fresh->bin = bin;
            if (CR_UNLIKELY(cr_this_thread.trace != NULL))
                cr_the_tracer.left_layout(storage, fresh, e);
        }
    }
    cr_biased_lock_release(&dev->lock);
    cr_storage_release(fresh);
    return status == CR_OK ? 0 : cr_dev_failed(dev, "leaving a private layout", status);
}

/* ---- through ---- */

static bool fills_its_bytes(const cr_tensor *t)
{
    return t->storage->bytes == (size_t)t->numel * cr_dtype_size((cr_dtype)t->dtype);
}

uint64_t cr_hide_layout(const cr_op_run *run, const cr_frame *f, cr_meta *values, uint32_t nvalues)
{
    const cr_meta *out = &f->out[0];
    uint64_t layout = 0;
    if (!f->like_inputs || f->draws || f->nout != 1 || run->op->variant == CR_OUT)
        return 0;
    for (uint32_t i = 0; i < run->nin; i++) {
        const cr_tensor *t = run->in[i];
        if (!t || f->unseen[i] || (t->numel == 1 && !t->storage->layout))
            continue;
        if (!t->storage->layout || (layout && t->storage->layout != layout) ||
            t->dim != out->rank || memcmp(t->size, out->size, (size_t)t->dim * sizeof *t->size) ||
            !fills_its_bytes(t))
            return 0;
        layout = t->storage->layout;
    }
    for (uint32_t i = 0; layout && i < nvalues; i++)
        if (values[i].layout) {
            values[i].layout = 0;
            cr_contiguous_strides(values[i].rank, values[i].size, values[i].stride);
        }
    return layout;
}

/* ---- in ---- */

cr_status cr_plan_prepare(cr_dev *dev, const cr_meta *from, cr_prepare *p)
{
    cr_meta to = *from;
    cr_contiguous_strides(to.rank, to.size, to.stride);
    to.layout = p->layout;
    cr_status status =
        from->layout ? CR_INVALID : plan_copy(dev, from, &to, &p->plan, &p->workspace);
    /* A backend that asks for what it can't make is broken. */
    return status == CR_UNSUPPORTED ? CR_INVALID : status;
}

cr_status cr_plan_prepares(cr_dev *dev, cr_plan_entry *e, const cr_graph *graph,
                           const cr_plan_info *info)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->ninputs; i++)
        count += info->input_layouts[i] != 0;
    if (!count)
        return CR_OK;
    if (!(e->prepare = calloc(count, sizeof *e->prepare)))
        return CR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < graph->ninputs; i++) {
        if (!info->input_layouts[i])
            continue;
        cr_prepare *p = &e->prepare[e->nprepare];
        *p = (cr_prepare){
            .binding = i, .layout = info->input_layouts[i], .bytes = info->input_bytes[i]};
        cr_status status = cr_plan_prepare(dev, &graph->values[graph->inputs[i]], p);
        if (status != CR_OK)
            return status;
        e->nprepare++;
    }
    return CR_OK;
}

/* What tells one value over a storage from another. */
static uint64_t value_hash(const cr_tensor *t)
{
    uint64_t h = (uint64_t)t->offset << 16 | (uint64_t)t->dtype << 8 | (uint64_t)t->dim;
    for (int d = 0; d < t->dim; d++)
        h = cr_hash_word(cr_hash_word(h, (uint64_t)t->size[d]), (uint64_t)t->stride[d]);
    return h;
}

static cr_prepared *find_prepared(cr_storage *storage, const cr_prepare *prepare, uint64_t value)
{
    for (cr_prepared *p = storage->prepared; p; p = p->next)
        if (p->layout == prepare->layout && p->value == value)
            return p;
    return NULL;
}

static void drop_copy(cr_prepared *p)
{
    if (p->copy)
        cr_storage_release(p->copy);
    p->copy = NULL;
}

/* Remembers that a copy was asked for, in the place of what is out of date. A storage of many values remembers a few; without
 * memory, and beyond these, a copy is made each time. */
static cr_prepared *remember_prepared(cr_storage *storage, uint64_t layout, uint64_t value,
                                      unsigned version)
{
    enum { MOST = 8 };
    int count = 0;
    for (cr_prepared **link = &storage->prepared; *link;) {
        cr_prepared *p = *link;
        if (p->version == version) {
            count++;
            link = &p->next;
            continue;
        }
        *link = p->next;
        drop_copy(p);
        free(p);
    }
    cr_prepared *fresh = count < MOST ? malloc(sizeof *fresh) : NULL;
    if (fresh) {
        *fresh = (cr_prepared){storage->prepared, layout, value, version, false, NULL};
        storage->prepared = fresh;
    }
    return fresh;
}

/* Fills the copy. */
static cr_status prepare_copy(cr_dev *dev, const cr_prepare *prepare, const cr_tensor *t,
                              cr_storage *copy)
{
    size_t offset = (size_t)t->offset * cr_dtype_size((cr_dtype)t->dtype);
    return run_copy(dev, prepare->plan, prepare->workspace,
                    (cr_binding){t->storage->buffer, offset}, copy->buffer);
}

cr_storage *cr_prepare_apart(cr_dev *dev, const cr_prepare *prepare, const cr_tensor *t)
{
    cr_storage *copy = cr_storage_new_locked(dev, prepare->bytes);
    if (copy && prepare_copy(dev, prepare, t, copy) == CR_OK)
        return copy;
    if (copy)
        cr_storage_release(copy);
    return NULL;
}

void cr_prepared_drop(cr_storage *storage)
{
    cr_biased_lock_acquire(&storage->dev->lock);
    for (cr_prepared *p = storage->prepared; p; p = p->next)
        drop_copy(p);
    cr_biased_lock_release(&storage->dev->lock);
}

cr_storage *cr_prepared_input(cr_dev *dev, const cr_prepare *prepare, const cr_tensor *t, bool keep)
{
    cr_storage *storage = t->storage;
    bool may = storage->dev == dev && /* whose lock guards the copies */
               !atomic_load_explicit(&storage->exposed, memory_order_relaxed);
    unsigned version = atomic_load_explicit(&storage->version, memory_order_relaxed);
    uint64_t value = may ? value_hash(t) : 0;
    cr_prepared *p = may ? find_prepared(storage, prepare, value) : NULL;
    bool again = p && p->version == version;
    bool fits = p && p->copy && p->copy->bytes >= prepare->bytes;
    if (again && fits) {
        p->again = true;
        return cr_storage_retain(p->copy);
    }
    if (p && !(fits && (keep || p->again))) /* else it is written over */
        drop_copy(p);
    cr_storage *copy =
        p && p->copy ? cr_storage_retain(p->copy) : cr_storage_new_locked(dev, prepare->bytes);
    if (!copy)
        return NULL;
    if (p)
        p->version = version - 1; /* until it is written */
    cr_status status = prepare_copy(dev, prepare, t, copy);
    if (status != CR_OK) {
        cr_storage_release(copy);
        cr_dev_failed(dev, "preparing an input", status);
        return NULL;
    }
    if (may && !p)
        p = remember_prepared(storage, prepare->layout, value, version);
    if (p) {
        p->version = version;
        p->again = again;
    }
    if (p && !p->copy && (keep || again))
        p->copy = cr_storage_retain(copy);
    return copy;
}
