/* The graph: nodes, edges, what hangs on tensors, and what a derivative is. */
#ifndef CRESSET_CORE_AUTOGRAD_AUTOGRAD_H
#define CRESSET_CORE_AUTOGRAD_AUTOGRAD_H

#include <cresset/autograd.h>

#include "core/dispatch/device.h"
#include "core/ops/table.h"

typedef struct cr_derivative cr_derivative;
typedef struct cr_grad_context cr_grad_context;

/* Where a gradient goes: a node's output number, or a leaf (the pointer's lowest bit is set then).
 * 0: nowhere. Holds a reference. */
typedef struct cr_edge {
    uintptr_t target;
    uint32_t nr;
} cr_edge;

static inline bool cr_edge_is_leaf(uintptr_t target)
{
    return target & 1;
}
static inline cr_tensor *cr_edge_leaf(uintptr_t target)
{
    return (cr_tensor *)(target & ~(uintptr_t)1);
}
static inline cr_grad_node *cr_edge_node(uintptr_t target)
{
    return (cr_grad_node *)target;
}

/* What an output of the forward operation looked like: its gradient must look the same. */
typedef struct cr_output_meta {
    uint8_t dtype, dim;
    cr_dev *dev;
    int64_t size[CR_MAX_RANK];
} cr_output_meta;

typedef struct cr_saved {
    cr_tensor *tensor; /* null: not saved */
    unsigned version;
} cr_saved;

typedef struct cr_hook {
    int64_t handle;
    uint32_t nr; /* of a tensor's hook on a node: which output */
    bool on_node;
    cr_tensor_hook tensor_hook;
    cr_node_hook node_hook;
    void *context;
    struct cr_hook *next;
} cr_hook;

/* Tensors that are no leaves and keep their gradient: the node finds them here. Weak. */
typedef struct cr_retained {
    cr_tensor *tensor;
    uint32_t nr;
    struct cr_retained *next;
} cr_retained;

struct cr_grad_node {
    atomic_int refs;
    uint16_t nin, nout, nargs;
    uint16_t transposed; /* bit i: the last two dimensions of input i lay swapped in memory */
    bool released;       /* what was saved is gone */
    uint32_t order;      /* how input 0's dimensions lay in memory (cr_in_order), 0: row-major */
    uint32_t bytes;      /* of its memory */
    uint64_t seq; /* higher than those of the nodes that its edges lead to: runs before them */
    const cr_derivative *rule;
    cr_edge *edges;          /* [nin], by flattened input */
    cr_output_meta *outputs; /* [nout] */
    cr_value *args; /* [nargs]: the forward's arguments, tensors apart; lists are copied behind */
    cr_saved *saved_in,
        *saved_out; /* [CR_SAVED_IN], [CR_SAVED_OUT] or null where the rule saves none */
    cr_hook *hooks;
    cr_retained *retained;
    cr_grad_node *next_dying; /* in the list of those about to be freed */
    void *own;                /* of custom functions and slices; rule->destroy frees it */
};

enum { CR_SAVED_IN = 8, CR_SAVED_OUT = 4 };

/* Of a dimension's number in a node's order. */
enum { CR_ORDER_BITS = 3 };
_Static_assert(CR_MAX_RANK == 1 << CR_ORDER_BITS, "a number of a dimension");

/* A derivative: PyTorch's node name, what must be saved, and the formula. in_for[i] has bit j if
 * input i is needed for the gradient of input j; out_for likewise for outputs. */
struct cr_derivative {
    const char *name;
    uint16_t in_for[CR_SAVED_IN];
    uint16_t out_for[CR_SAVED_OUT];
    int (*apply)(cr_grad_context *c);
    void (*destroy)(cr_grad_node *node);
    bool
        layout_only; /* inputs are saved for cr_in_layout alone: without their graph, which may come to lead here */
    bool notes_order; /* for cr_in_order */
};

/* What hangs on a tensor. */
struct cr_autograd {
    cr_tensor *grad;
    cr_grad_node *grad_fn;
    uint32_t nr; /* which output of grad_fn */
    bool retains_grad;
    cr_hook *hooks;        /* of a leaf; others' hang on grad_fn */
    cr_tensor *base;       /* of a view: what it is a view of (never itself a view) */
    unsigned view_version; /* the storage's version that grad_fn tells of, for views */
};

/* ---- what a derivative's formula uses ---- */

/* Elements begin … end of a dimension; others, which are no range, where that is -1. */
typedef struct cr_span {
    int dim;
    int64_t begin, end;
} cr_span;

struct cr_grad_context {
    cr_grad_node *node;
    cr_tensor *const *grads; /* [nout], null is zero */
    cr_tensor **give;        /* [nin] */
    const uint8_t *needs;    /* [nin] */
    bool failed;
    const struct cr_backward_run *run; /* null outside of the engine */
    bool is_part;                      /* of input 0's gradient only some was given: */
    cr_span part;
};

/* The gradient of output i, or null for zero. */
static inline cr_tensor *cr_g(cr_grad_context *c, int i)
{
    return c->grads[i];
}
static inline bool cr_needs(const cr_grad_context *c, int i)
{
    return i < c->node->nin && c->needs[i];
}
static inline const cr_value *cr_argument(const cr_grad_context *c, int arg)
{
    return &c->node->args[arg];
}
/* Gives input i's gradient. */
static inline void cr_set(cr_grad_context *c, int i, cr_tensor *grad)
{
    if (!cr_needs(c, i))
        return;
    c->give[i] = grad;
    if (!grad)
        c->failed = true;
}
/* For a formula that gives a part of input 0's gradient: what has gathered of it so far, where nobody else sees it and the formula may
 * write to the part in place; null where it may not, or nothing has: the formula then gives the whole by cr_set. *fresh says that
 * nothing has come for the part yet, which is to be overwritten, or that the whole that is given may be anything besides the part. */
cr_tensor *cr_gathered_part(cr_grad_context *c, cr_span part, bool *fresh);
/* A saved input or output; null and an error if it was freed or changed. An absent optional input
 * gives null alone. */
cr_tensor *cr_in(cr_grad_context *c, int i);
/* The same for its sizes, strides and offset alone: what its elements are now doesn't matter. */
const cr_tensor *cr_in_layout(cr_grad_context *c, int i);
cr_tensor *cr_out(cr_grad_context *c, int i);
/* Sizes of input i, which needs a gradient. */
cr_ints cr_in_sizes(const cr_grad_context *c, int i);
int cr_in_dim(const cr_grad_context *c, int i);
/* Input 0's dimensions, the outermost in memory first, where it filled a block of memory; else, and without .notes_order, as they
 * are numbered. */
void cr_in_order(const cr_grad_context *c, int64_t order[CR_MAX_RANK]);
cr_dtype cr_in_dtype(const cr_grad_context *c, int i);
const char *cr_in_device(const cr_grad_context *c, int i);

/* ---- nodes ---- */

cr_grad_node *cr_node_new(const cr_derivative *rule, uint32_t nin, uint32_t nout, uint32_t nargs,
                          size_t extra);
static inline cr_grad_node *cr_node_retain(cr_grad_node *node)
{
    cr_refs_add(&node->refs);
    return node;
}
void cr_node_release(cr_grad_node *node);
/* The number of the thread's newest node. Numbers of one thread tell the order in which nodes were made; where a graph goes
 * on in another thread, edges see to it that they grow along it. No counter for all threads: that costs more than the rest of
 * numbering. */
extern CR_TLS uint64_t cr_last_seq;
/* Edge i of a node, whose reference it takes over. */
static inline void cr_node_set_edge(cr_grad_node *node, uint32_t i, cr_edge edge)
{
    node->edges[i] = edge;
    if (!edge.target || cr_edge_is_leaf(edge.target))
        return;
    uint64_t before = cr_edge_node(edge.target)->seq;
    if (CR_UNLIKELY(before >= node->seq)) {
        node->seq = before + 1;
        cr_last_seq = cr_last_seq > node->seq ? cr_last_seq : node->seq;
    }
}
void cr_node_release_saved(cr_grad_node *node);

/* The edge a tensor's gradient takes; target 0 if it needs none. Takes a reference. */
cr_edge cr_edge_of(cr_tensor *t);
void cr_edge_release(cr_edge edge);
/* The sizes and dtype at the other end. */
const int64_t *cr_edge_meta(cr_edge edge, int *dim, cr_dtype *dtype, cr_dev **dev);

/* Makes t output nr of node, with its sizes noted. Takes over a reference to the node, on failure too. */
bool cr_node_set_output(cr_grad_node *node, uint32_t nr, cr_tensor *t);

cr_autograd *cr_autograd_of(
    cr_tensor *t); /* made if there is none; null and an error without memory */
/* The node that made t, brought up to date for views whose base was changed; null for leaves. */
cr_grad_node *cr_current_grad_fn(cr_tensor *t);
/* Whether a view's base has a history that the view does not know of yet, since the base was changed in place. */
bool cr_base_has_history(const cr_tensor *view);
/* The gradient history of a view's base after the view was changed by node. */
int cr_rebase_view(cr_tensor *view, cr_grad_node *node);
int64_t cr_new_hook_handle(void);
void cr_free_hooks(cr_hook *hooks);

/* Registers the room with the ops room; done when the library is loaded. */
void cr_autograd_init(void);

/* The derivative of a row of ops.def; null where there is none. */
const cr_derivative *cr_derivative_of(const cr_op *op);

#endif
