/* What a derivative's formula asks for: saved tensors, and the sizes of the forward's inputs. */
#include <cresset/ops.h>

#include "core/autograd/autograd.h"

/* A saved tensor as it was when it was saved; an error if it is gone or was changed since. */
static cr_tensor *unpack(cr_grad_node *node, const cr_saved *saved, const char *what, int i)
{
    if (node->released)
        return cr_fail("Trying to backward through the graph a second time (or directly access "
                       "saved tensors after they have "
                       "already been freed). Saved intermediate values of the graph are freed when "
                       "you call cr_backward() or "
                       "cr_autograd_grad(). Specify .retain_graph = true if you need to backward "
                       "through the graph a second "
                       "time or if you need to access saved tensors after calling backward.");
    cr_tensor *t = saved->tensor;
    if (!t)
        return NULL;
    unsigned now = atomic_load_explicit(&t->storage->version, memory_order_relaxed);
    if (now != saved->version)
        return cr_fail("one of the variables needed for gradient computation has been modified by "
                       "an inplace operation: "
                       "[%s], %s %d of %s, is at version %u; expected version %u instead.",
                       cr_describe(t), what, i, node->rule->name, now, saved->version);
    return t;
}

cr_tensor *cr_in(cr_grad_context *c, int i)
{
    cr_tensor *t = unpack(c->node, &c->node->saved_in[i], "input", i);
    if (!t && cr_error())
        c->failed = true;
    return t;
}

const cr_tensor *cr_in_layout(cr_grad_context *c, int i)
{
    const cr_tensor *t = c->node->saved_in[i].tensor;
    return t ? t : cr_in(c, i); /* for the error */
}

cr_tensor *cr_out(cr_grad_context *c, int i)
{
    cr_grad_node *node = c->node;
    cr_tensor *t = unpack(node, &node->saved_out[i], "output", i);
    if (!t) {
        c->failed = true;
        return NULL;
    }
    if (cr_this_thread.grad_disabled || !cr_dtype_is_floating((cr_dtype)t->dtype))
        return t;
    /* For higher derivatives the output must lead back to its node. */
    cr_tensor *linked =
        cr_tensor_to_scope(cr_tensor_make_view(t, t->dim, t->size, t->stride, t->offset));
    if (!linked || !cr_node_set_output(cr_node_retain(node), (uint32_t)i, linked)) {
        c->failed = true;
        return NULL;
    }
    return linked;
}

cr_ints cr_in_sizes(const cr_grad_context *c, int i)
{
    int dim;
    cr_dtype dtype;
    cr_dev *dev;
    const int64_t *sizes = cr_edge_meta(c->node->edges[i], &dim, &dtype, &dev);
    return cr_make_ints(sizes, (size_t)dim);
}

int cr_in_dim(const cr_grad_context *c, int i)
{
    return (int)cr_in_sizes(c, i).count;
}

void cr_in_order(const cr_grad_context *c, int64_t order[CR_MAX_RANK])
{
    const uint32_t noted = c->node->order;
    for (int d = 0; d < CR_MAX_RANK; d++)
        order[d] = noted ? (int64_t)(noted >> CR_ORDER_BITS * d & (CR_MAX_RANK - 1)) : d;
}

cr_dtype cr_in_dtype(const cr_grad_context *c, int i)
{
    int dim;
    cr_dtype dtype;
    cr_dev *dev;
    cr_edge_meta(c->node->edges[i], &dim, &dtype, &dev);
    return dtype;
}

const char *cr_in_device(const cr_grad_context *c, int i)
{
    int dim;
    cr_dtype dtype;
    cr_dev *dev;
    cr_edge_meta(c->node->edges[i], &dim, &dtype, &dev);
    return dev ? dev->name : NULL;
}
