/* The cpu backend's inner contract: how a family of kernels offers its operations, and how a kernel gets threads.
 *
 * A family is one file with a planner for each of its operations. The planner looks at the node, answers CR_UNSUPPORTED
 * or allocates a plan (a struct that begins with cr_plan) whose run function does the work. backend.c finds planners by
 * name in the families' tables and does nothing else. */
#ifndef CRESSET_BACKENDS_CPU_H
#define CRESSET_BACKENDS_CPU_H

#include <cresset/backend.h>

/* What a plan begins with. run gets the bindings in graph order: present inputs, then outputs (see cr_run). destroy frees
 * what the plan owns beside itself, or is null; backend.c frees the plan itself.
 *
 * A plan that `tells` calls written, where it is set, during run: for each part of its one dense output as soon as that is
 * final, once, from any of its threads. So what follows finds it in the cache (fused.c). */
struct cr_plan {
    cr_status (*run)(struct cr_plan *plan, const cr_run *run);
    void (*destroy)(struct cr_plan *plan);
    void (*written)(void *context, int64_t begin, int64_t end);
    void *written_context;
    bool tells;
};

/* What a planner sees of its one-node graph. in[i] is null where an optional input is absent, out[i] where an output is
 * not wanted; in_at/out_at are their places in cr_run.values, -1 when absent. */
typedef struct cpu_call {
    const cr_graph_node *node;
    const cr_meta *const *in;
    const cr_meta *const *out;
    const int *in_at, *out_at;
    uint32_t nin, nout;
    cr_plan_info *info; /* for workspace */
} cpu_call;

typedef cr_status (*cpu_planner)(const cpu_call *call, cr_plan **plan);

typedef struct cpu_op {
    const char *name;
    cpu_planner plan;
} cpu_op;

/* A family's table, ended by a null name. backend.c lists them all. */
typedef const cpu_op *cpu_family;

extern const cr_host *cpu_host;

/* Whether the processor has AMX tiles of bf16 and the user did not ask for a lesser instruction set. */
extern bool cpu_may_use_amx;

/* A zeroed plan of `bytes` with run and destroy set, or null after saying so to the host. */
void *cpu_plan_new(size_t bytes, cr_status (*run)(cr_plan *, const cr_run *),
                   void (*destroy)(cr_plan *));

/* The address of value i of a run. */
static inline void *cpu_at(const cr_run *run, int i)
{
    return (char *)run->values[i].buffer + run->values[i].offset;
}

/* Memory for tensors, aligned to 64 at least, and its end; null is let pass. Without memory the status is CR_OUT_OF_MEMORY. */
cr_status cpu_memory_alloc(size_t bytes, cr_buffer **buffer);
void cpu_memory_free(cr_buffer *buffer);

/* Attributes by name: the value, or the fallback when the node has none. ints gives the list and its count. */
int64_t cpu_attr_int(const cr_graph_node *node, const char *name, int64_t fallback);
const int64_t *cpu_attr_ints(const cr_graph_node *node, const char *name, int *count);
const char *cpu_attr_text(const cr_graph_node *node, const char *name, const char *fallback);
/* The place of a run-time number in cr_run.numbers, or -1. */
int cpu_number_at(const cr_graph_node *node, const char *name);

int64_t cpu_numel(const cr_meta *meta);
bool cpu_is_contiguous(const cr_meta *meta);
size_t cpu_dtype_size(int32_t dtype);

/* Runs body(context, begin, end) over pieces of 0..n on the host's threads, in this one alone when the whole work is under a
 * grain; cost is the work of one item in nanoseconds, roughly. Pieces are multiples of `unit` items (1 at least) but for the
 * last. */
void cpu_parallel(int64_t n, int64_t unit, double cost,
                  void (*body)(void *context, int64_t begin, int64_t end), void *context);

#endif
