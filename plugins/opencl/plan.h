/* What families of plans share. A family is one file with a planner for each of its operations, listed in a table; plan.c
 * finds them by name. A planner looks at the call and answers CR_UNSUPPORTED, or makes a plan: a kernel, and what its run
 * function passes to it. */
#ifndef CRESSET_PLUGINS_OPENCL_PLAN_H
#define CRESSET_PLUGINS_OPENCL_PLAN_H

#include "kernels/ops.h"
#include "opencl.h"

/* What every plan begins with. */
struct cr_plan {
    cr_device *device;
    const char *op; /* for messages */
    cr_status (*run)(struct cr_plan *plan, const cr_run *run);
};

/* What a planner sees: inputs, then outputs, all present; value i is cr_run.values[i]. */
enum { OCL_MOST_VALUES = 4 };

typedef struct ocl_call {
    cr_device *device;
    const cr_graph_node *node;
    cr_plan_info *info;
    int nin, nout;
    const cr_meta *value[OCL_MOST_VALUES];
} ocl_call;

typedef struct ocl_op {
    const char *name;
    int nin, nout; /* other counts aren't planned */
    cr_status (*plan)(const ocl_call *call, int code, cr_plan **plan);
    int code; /* the planner's own: which of its operations */
} ocl_op;

/* The families; each table ends with a row without a name. */
extern const ocl_op ocl_elementwise[], ocl_fill[], ocl_reduce[], ocl_scan[], ocl_index[],
    ocl_sort[], ocl_gemm[];

cr_status ocl_plan(cr_device *device, const cr_graph *graph, cr_plan_info *info, cr_plan **plan);
void ocl_plan_free(cr_plan *plan);

/* ---- for planners ---- */

/* A zeroed plan of `bytes`, or null after saying so. */
void *ocl_plan_new(const ocl_call *call, size_t bytes, cr_status (*run)(cr_plan *, const cr_run *));
/* Hands the plan over if status is CR_OK, else frees it. */
cr_status ocl_plan_done(void *plan, cr_status status, cr_plan **out);

/* The attribute of that name and kind, or null. */
const cr_attr *ocl_attr(const cr_graph_node *node, const char *name, cr_attr_kind kind);
/* "dim", which must be one of the value's dimensions (0 for a value of rank 0), or -1. */
int ocl_dim(const ocl_call *call, const cr_meta *value);
/* The place of a run-time number, or -1. */
int ocl_number_at(const cr_graph_node *node, const char *name);

/* ---- dtypes (dtype.c) ---- */

int ocl_class_of(int32_t dtype); /* CLASS_…, see kernels/ops.h */
bool ocl_is_float(int32_t dtype);
size_t ocl_size_of(int32_t dtype);
/* The integer dtype of the same size: for kernels that only move elements. */
int32_t ocl_moved_as(int32_t dtype);
/* Adds a run-time number as the type that the dtype is computed in; wide: as the device's widest float, or i64. */
void ocl_number(ocl_launch *launch, const cr_number *number, int32_t dtype, bool wide);

/* ---- places (space.c) ---- */

/* The kernels' `space`: dimensions that several values share, outermost first, merged where all values allow. */
typedef struct ocl_space {
    cl_long count, rank, size[CR_MAX_RANK], stride[OCL_MOST_VALUES][CR_MAX_RANK];
} ocl_space;

/* Elements of a value; false where the count overflows. */
int64_t ocl_numel(const cr_meta *meta);
/* The space of the first value's dimensions for which `in` has a bit; the others have the same sizes there, or more. */
ocl_space ocl_space_of(int nvalues, const cr_meta *const *values, unsigned in);
/* Whether element addresses of any of the values pass 31 bits. */
bool ocl_is_wide(const ocl_call *call);
/* The value with strides as the output's dimensions have them: 0 in dimension `dim`. */
cr_meta ocl_without(const cr_meta *value, int dim);
/* The bits of a space whose values are each dense or one repeated element: bit v for the dense; -1 for other spaces. */
int ocl_flat(const ocl_space *space, int nvalues);

/* How many elements an item of a strided launch takes: a processor would rather divide once a row than once an element. */
cl_long ocl_each(const cr_device *device, const ocl_space *space);

/* A launch of one item an element, in groups that suit the device. */
size_t ocl_group(const cr_device *device, bool many);
cr_status ocl_go_items(ocl_launch *launch, const char *what, cl_long items, size_t group);

#endif
