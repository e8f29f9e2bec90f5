/* What families of plans share: how a family offers its operations, what its planners see, and the
 * geometry of values. A family is one file with a planner for each of its operations; plan.c finds
 * them by name. A planner looks at the node, answers CR_UNSUPPORTED, or makes a plan: pipelines and
 * constants, and a run function that records launches. */
#ifndef CRESSET_BACKENDS_VULKAN_PLAN_H
#define CRESSET_BACKENDS_VULKAN_PLAN_H

#include "vulkan.h"

enum { VK_STEPS = 6 }; /* the most launches of a plan that keeps them in its base */

/* A launch as the plan knows it. */
typedef struct vk_step {
    vk_pipeline *pipeline;
    vk_constant *constant; /* owned by the plan; null where an earlier step's serves */
    uint32_t groups[3];
} vk_step;

/* What a plan begins with. run gets the bindings in graph order: present inputs, then outputs. */
struct cr_plan {
    cr_device *device;
    cr_status (*run)(struct cr_plan *plan, const cr_run *run);
    void (*destroy)(struct cr_plan *plan); /* what it owns beside its steps; or null */
    vk_step step[VK_STEPS];
    int nsteps;
    uint32_t
        reporter; /* whose report its kernels write, see vk_reporter; 0: those that look at no index */
    const char *meaning; /* of indices in this run, or null */
};

/* What follows a product in a graph and is part of its plan (product_chain.c): a sum with a value that lies as the result does,
 * and then a function, each on what would be in memory. All zero: nothing. */
enum {
    VK_FOLLOW_NUMBERS = 4 /* the product's and the value's factor; the function's parameters */
};
typedef struct vk_follow {
    bool adds;
    int other_at;      /* the value's place in cr_run.values */
    uint32_t function; /* of shaders/follow_ops.def; 0: none */
    struct {
        int at; /* in cr_run.numbers; -1: one */
        int32_t dtype;
    } number[VK_FOLLOW_NUMBERS];
} vk_follow;

/* in[i] is null where an optional input is absent, out[i] where an output is not wanted; in_at and
 * out_at are their places in cr_run.values, -1 when absent. */
typedef struct vk_call {
    cr_device *device;
    const cr_graph_node *node;
    const cr_meta *const *in;
    const cr_meta *const *out;
    const int *in_at, *out_at;
    uint32_t nin, nout;
    cr_plan_info *info;      /* for workspace */
    const vk_follow *follow; /* null, but for products */
} vk_call;

typedef cr_status (*vk_planner)(const vk_call *call, cr_plan **plan);

typedef struct vk_op {
    const char *name;
    vk_planner plan;
} vk_op;

/* The family that has a table of its own (elementwise.c). */
bool vk_is_elementwise(const char *name);
extern const vk_op vk_elementwise;

/* An elementwise node as a call of a function of shaders/chain.comp: its inputs (or numbers in their place), then its
 * parameters, which are the first of its numbers. */
typedef struct vk_pointwise {
    const char *function;
    int32_t dtype; /* of the inputs, but for a condition, which comes first */
    bool condition;
    int nin, in[3]; /* which of the node's inputs; -1 - k: number k of those below */
    int nparameters, nnumbers;
    int number_at[VK_ARGS_NUMBERS];        /* among the node's numbers; -1: one */
    int32_t number_dtype[VK_ARGS_NUMBERS]; /* what it is rounded to, or CR_DTYPE_NONE */
} vk_pointwise;

/* False where the node is not elementwise, or not here. */
bool vk_pointwise_of(const vk_call *call, vk_pointwise *to);

/* Several nodes as one plan. A planner that does not take the graph answers CR_UNSUPPORTED, and plan.c asks the next one. */
cr_status vk_plan_chain(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan);
cr_status vk_plan_chain_reduce(cr_device *d, const cr_graph *graph, cr_plan_info *info,
                               cr_plan **plan);
cr_status vk_plan_product_chain(cr_device *d, const cr_graph *graph, cr_plan_info *info,
                                cr_plan **plan);
/* A node whose inputs and outputs are the graph's. */
cr_status vk_plan_node(cr_device *d, const cr_graph *graph, const cr_graph_node *node,
                       const vk_follow *follow, cr_plan_info *info, cr_plan **plan);

/* Whether kernels reach all of the value's elements. */
bool vk_is_sound(const cr_device *d, const cr_meta *meta);

cr_status vk_plan_graph(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **plan);
void vk_plan_free(cr_plan *plan);

/* ---- for planners ---- */

/* A zeroed plan of `bytes`, or null after saying so. */
void *vk_plan_new(cr_device *d, size_t bytes, cr_status (*run)(cr_plan *, const cr_run *));
/* Adds a step: the pipeline of the shader with these constants, and the block `constants` unless
 * null (the step before's is used then). groups are in x, y and z. */
cr_status vk_plan_step(cr_plan *plan, vk_shader shader, uint32_t group, const uint32_t *special,
                       int nspecial, const void *constants, size_t bytes, uint64_t x, uint64_t y,
                       uint64_t z);
/* The same of a pipeline that is not there yet: whoever runs the plan sets it first. */
cr_status vk_plan_bare_step(cr_plan *plan, const void *constants, size_t bytes, uint64_t x,
                            uint64_t y, uint64_t z);
/* A step that copies, casting on the way (cast.c): its launch wants `to` at 0 and `from` at 1. The
 * values are not empty. */
cr_status vk_cast_step(cr_plan *plan, const cr_meta *from, const cr_meta *to);
/* Frees the plan unless status is CR_OK, and hands it over if it is. */
cr_status vk_plan_done(cr_plan *plan, cr_status status, cr_plan **out);
/* A launch of step i, to be bound and recorded. */
vk_launch vk_step_launch(const cr_plan *plan, int i);
/* Reserves bytes of workspace and gives their offset. */
size_t vk_workspace(cr_plan_info *info, size_t bytes);

/* Attributes by name: the value, or the fallback when the node has none. */
int64_t vk_attr_int(const cr_graph_node *node, const char *name, int64_t fallback);
const int64_t *vk_attr_ints(const cr_graph_node *node, const char *name, int *count);
const char *vk_attr_text(const cr_graph_node *node, const char *name, const char *fallback);
/* The place of a run-time number in cr_run.numbers, or -1. */
int vk_number_at(const cr_graph_node *node, const char *name);

/* ---- dtypes ---- */

/* The type that a kernel computes an element of the dtype in. */
typedef enum vk_class { VK_FLOAT, VK_DOUBLE, VK_INT, VK_LONG, VK_NO_CLASS } vk_class;

vk_class vk_class_of(const cr_device *d, int32_t dtype); /* VK_NO_CLASS: not on this device */
bool vk_is_float(int32_t dtype);
size_t vk_dtype_size(int32_t dtype);
/* The number as an element of the dtype, its bytes in the low bits. */
uint64_t vk_element_bits(const cr_number *number, int32_t dtype);
/* The number as the class's type, after rounding or wrapping to the dtype (CR_DTYPE_NONE: not). */
uint64_t vk_number_bits(const cr_number *number, vk_class class, int32_t dtype);

/* ---- geometry ---- */

int64_t vk_numel(const cr_meta *meta);
bool vk_is_contiguous(const cr_meta *meta);
/* Whether every element can be reached with 31 bits; others are left to the cpu. */
bool vk_is_reachable(const cr_meta *meta);

enum { VK_SPACE_VALUES = 8, VK_DIM_VALUES = 4 /* of them, in a vk_dim */ };

/* Dimensions that several values share, outermost first, sizes above 1, merged where all values
 * allow. */
typedef struct vk_space {
    int rank;
    int64_t size[CR_MAX_RANK], stride[VK_SPACE_VALUES][CR_MAX_RANK], numel;
} vk_space;

/* Orders by the first value's strides unless `ordered`: then the dimensions stay in order. */
vk_space vk_space_of(int nvalues, const cr_meta *const *values, bool ordered);

/* A dimension as kernels see it: i / size is (umulhi(i, magic) + i) >> shift for i below 2^31. */
typedef struct vk_dim {
    uint32_t size, magic, shift, unused;
    uint32_t stride[VK_DIM_VALUES];
} vk_dim;

/* What the kernels of one element an invocation read; shaders/space.glsl has the same. */
typedef struct vk_grid {
    uint32_t count, unused[3];
    vk_dim dim[CR_MAX_RANK];
} vk_grid;

vk_dim vk_dim_of(uint32_t size);
vk_grid vk_grid_of(const vk_space *space);
/* Values with one dimension taken out: the space of what is left, and the dimension's length and
 * strides. The first value tells the sizes, the others may be larger. */
typedef struct vk_lanes {
    vk_space space;
    int64_t terms;
    uint32_t step[VK_DIM_VALUES];
} vk_lanes;

vk_lanes vk_lanes_of(int nvalues, const cr_meta *const *values, int dim);
void vk_lane_dims(vk_dim *dims, const vk_lanes *lanes);
/* Groups for n invocations of one element each; kernels go on in strides of the whole grid. */
uint64_t vk_groups(const cr_device *d, int64_t n);

#endif
