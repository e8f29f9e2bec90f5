/* Changes in place through views. When a view of a differentiable tensor is written, the base's
 * history gets a node (CopySlices) that routes the gradient of the written part through the
 * operation and the rest past it; the other views of that base find out by the version and say what
 * they are anew: as_strided of the base. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/autograd/autograd.h"

typedef struct slices {
    cr_grad_node *inner; /* the operation on the view */
    int dim, base_dim;
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK],
        offset; /* of the view, from the base's first element */
    int64_t base_size[CR_MAX_RANK], base_stride[CR_MAX_RANK];
    cr_dtype dtype;
} slices;

static void destroy(cr_grad_node *node)
{
    slices *s = node->own;
    if (s) {
        cr_node_release(s->inner);
        free(s);
    }
}

/* Edge 0 is the base; edges 1… are the inner operation's inputs 1…. */
static int apply(cr_grad_context *c)
{
    slices *s = c->node->own;
    cr_grad_node *inner = s->inner;
    cr_tensor *whole = cr_empty_strided(cr_make_ints(s->base_size, (size_t)s->base_dim),
                                        cr_make_ints(s->base_stride, (size_t)s->base_dim),
                                        .dtype = s->dtype, .device = cr_tensor_device(cr_g(c, 0)));
    whole = cr_copy_(whole, cr_g(c, 0));
    cr_tensor *part = cr_as_strided(whole, cr_make_ints(s->size, (size_t)s->dim),
                                    cr_make_ints(s->stride, (size_t)s->dim),
                                    .storage_offset = CR_SOME(s->offset));
    cr_tensor *part_copy = cr_clone(part);
    if (!part_copy)
        return -1;
    size_t nin = inner->nin;
    uint8_t *needs = malloc(nin);
    cr_tensor **give = calloc(nin, sizeof *give);
    if (!needs || !give) {
        free(needs);
        free(give);
        return cr_fail_memory("backward", nin * sizeof *give), -1;
    }
    for (size_t i = 0; i < nin; i++)
        needs[i] = i ? c->needs[i] : 1;
    cr_grad_context within = {.node = inner, .grads = &part_copy, .give = give, .needs = needs};
    int failed = inner->rule->apply(&within) || within.failed ? -1 : 0;
    if (!failed) {
        cr_tensor *rest = give[0] ? cr_copy_(part, give[0]) : cr_zero_(part);
        failed = rest ? 0 : -1;
        cr_set(c, 0, whole);
        for (size_t i = 1; i < nin; i++)
            if (give[i])
                cr_set(c, (int)i, give[i]);
    }
    free(needs);
    free(give);
    return failed;
}

static const cr_derivative copy_slices = {.name = "CopySlices", .apply = apply, .destroy = destroy};

int cr_rebase_view(cr_tensor *view, cr_grad_node *inner)
{
    cr_tensor *base = view->autograd->base;
    slices *s = calloc(1, sizeof *s);
    cr_grad_node *node = s ? cr_node_new(&copy_slices, inner->nin, 1, 0, 0) : NULL;
    if (!node) {
        free(s);
        return s ? -1 : (cr_fail_memory("a change through a view", sizeof *s), -1);
    }
    node->own = s;
    *s = (slices){.inner = cr_node_retain(inner),
                  .dim = view->dim,
                  .base_dim = base->dim,
                  .offset = view->offset - base->offset,
                  .dtype = (cr_dtype)base->dtype};
    memcpy(s->size, view->size, sizeof s->size);
    memcpy(s->stride, view->stride, sizeof s->stride);
    memcpy(s->base_size, base->size, sizeof s->base_size);
    memcpy(s->base_stride, base->stride, sizeof s->base_stride);
    /* The inner node's output must be described for its own bookkeeping, though nobody's grad_fn it
     * becomes. */
    cr_output_meta *m = &inner->outputs[0];
    m->dtype = view->dtype;
    m->dim = view->dim;
    m->dev = view->storage->dev;
    memcpy(m->size, view->size, sizeof m->size);
    cr_node_set_edge(node, 0, cr_edge_of(base));
    for (int i = 1; i < inner->nin; i++) {
        cr_edge edge = inner->edges[i];
        if (edge.target && !cr_edge_is_leaf(edge.target))
            cr_node_retain(cr_edge_node(edge.target));
        else if (edge.target)
            cr_retain(cr_edge_leaf(edge.target));
        cr_node_set_edge(node, (uint32_t)i, edge);
    }
    if (!cr_node_set_output(node, 0, base))
        return -1;
    /* The view's own history is told from the base when it is next asked for. */
    cr_autograd *meta = view->autograd;
    cr_node_release(meta->grad_fn);
    meta->grad_fn = NULL;
    view->flags |= CR_FLAG_REQUIRES_GRAD;
    return cr_current_grad_fn(view) ? 0 : -1;
}

/* ---- views whose base was changed ---- */

/* Gradients of as_strided(base, geometry of the view). */
static int view_apply(cr_grad_context *c)
{
    const slices *s = c->node->own;
    cr_tensor *g = cr_g(c, 0);
    cr_tensor *whole = cr_empty_strided(cr_make_ints(s->base_size, (size_t)s->base_dim),
                                        cr_make_ints(s->base_stride, (size_t)s->base_dim),
                                        .dtype = s->dtype, .device = cr_tensor_device(g));
    whole = cr_zero_(whole);
    cr_tensor *part = cr_as_strided(whole, cr_make_ints(s->size, (size_t)s->dim),
                                    cr_make_ints(s->stride, (size_t)s->dim),
                                    .storage_offset = CR_SOME(s->offset));
    if (!cr_add_(part, g))
        return -1;
    cr_set(c, 0, whole);
    return 0;
}

static void view_destroy(cr_grad_node *node)
{
    free(node->own);
}

static const cr_derivative view_of_base = {
    .name = "AsStridedBackward0", .apply = view_apply, .destroy = view_destroy};

/* A base is no view itself. */
static bool has_history(const cr_tensor *base)
{
    return base->flags & CR_FLAG_REQUIRES_GRAD && base->autograd && base->autograd->grad_fn;
}

bool cr_base_has_history(const cr_tensor *view)
{
    return has_history(view->autograd->base) &&
           view->autograd->view_version !=
               atomic_load_explicit(&view->storage->version, memory_order_relaxed);
}

cr_grad_node *cr_current_grad_fn(cr_tensor *t)
{
    cr_autograd *meta = t->autograd;
    if (!meta)
        return NULL;
    cr_tensor *base = meta->base;
    unsigned version = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
    if (CR_LIKELY(!base) || (meta->grad_fn && meta->view_version == version))
        return meta->grad_fn;
    /* Only a base with a history that changed through another view makes this one's stale. */
    if (!has_history(base)) {
        meta->view_version = version;
        return meta->grad_fn;
    }
    if (base->autograd->grad_fn->rule != &copy_slices && meta->grad_fn) {
        meta->view_version = version;
        return meta->grad_fn;
    }
    slices *s = calloc(1, sizeof *s);
    cr_grad_node *node = s ? cr_node_new(&view_of_base, 1, 1, 0, 0) : NULL;
    if (!node) {
        free(s);
        return NULL;
    }
    *s = (slices){.dim = t->dim,
                  .base_dim = base->dim,
                  .offset = t->offset - base->offset,
                  .dtype = (cr_dtype)base->dtype};
    memcpy(s->size, t->size, sizeof s->size);
    memcpy(s->stride, t->stride, sizeof s->stride);
    memcpy(s->base_size, base->size, sizeof s->base_size);
    memcpy(s->base_stride, base->stride, sizeof s->base_stride);
    node->own = s;
    cr_node_set_edge(node, 0, cr_edge_of(base));
    return cr_node_set_output(node, 0, t) ? t->autograd->grad_fn : NULL;
}
