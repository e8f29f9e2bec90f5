/* Staging: what lets a kernel be written once. The optional plans compute on dense row-major values of f32 or f64 (indices
 * and masks keep their type). A value that already is one is handed over as it is; any other is copied into the workspace
 * first, or out of it afterwards, through its strides and its dtype. */
#ifndef CRESSET_BACKENDS_CPU_STAGED_H
#define CRESSET_BACKENDS_CPU_STAGED_H

#include "cpu.h"

enum { CPU_STAGED_INPUTS = 12, CPU_STAGED_OUTPUTS = 5 };

typedef struct cpu_stage {
    int at;        /* in cr_run.values, -1 when absent */
    bool direct;   /* the kernel works on the value itself */
    int32_t dtype; /* what the kernel sees */
    int64_t numel;
    size_t offset; /* of the dense copy in the workspace */
    cr_meta meta;
} cpu_stage;

typedef struct cpu_staged cpu_staged;

/* The kernel's side of a run: dense values, null where absent, and the scratch memory that was asked for. */
typedef cr_status (*cpu_staged_body)(const cpu_staged *plan, const cr_run *run, void *const *in,
                                     void *const *out, char *scratch);

struct cpu_staged {
    struct cr_plan base;
    cpu_staged_body body;
    uint32_t nin, nout;
    size_t scratch; /* offset in the workspace */
    cpu_stage in[CPU_STAGED_INPUTS], out[CPU_STAGED_OUTPUTS];
};

/* A zeroed plan of `bytes`, which begin with a cpu_staged, for a call with every value staged; null after the host was
 * told why. cpu_staged_scratch asks for memory beside the copies; call it once. */
void *cpu_staged_new(const cpu_call *call, size_t bytes, cpu_staged_body body);
cr_status cpu_staged_scratch(cpu_staged *plan, const cpu_call *call, size_t bytes);

/* The same by hand: choose a stage's place, take a place in the workspace for it unless it is direct, fetch before the
 * kernel, put back after it. */
cr_status cpu_stage_init(cpu_stage *stage, const cr_meta *meta, int at, bool direct,
                         cr_plan_info *info);
void cpu_stage_as_it_is(cpu_stage *stage, const cr_meta *meta, int at); /* whatever its dtype */
void *cpu_stage_fetch(const cpu_stage *stage, const cr_run *run);
void *cpu_stage_target(const cpu_stage *stage, const cr_run *run);
void cpu_stage_put(const cpu_stage *stage, const cr_run *run);

/* Takes `bytes` of the workspace, aligned to 64; false when the sum overflows. */
bool cpu_workspace_take(cr_plan_info *info, size_t bytes, size_t *offset);

/* What a dtype is computed in: f32 for f16 and bf16, itself otherwise. */
int32_t cpu_compute_dtype(int32_t dtype);

/* n elements from the first-th in row-major order, between a strided value and a dense array of its computing type. */
void cpu_gather(const cr_meta *meta, const void *value, int64_t first, int64_t n, void *dense);
void cpu_scatter(const cr_meta *meta, void *value, int64_t first, int64_t n, const void *dense);

/* Whether the elements fill memory without holes, in whatever order of dimensions. */
bool cpu_is_dense(const cr_meta *meta);

static inline bool cpu_is_float(int32_t dtype)
{
    return dtype == CR_F64 || dtype == CR_F32 || dtype == CR_F16 || dtype == CR_BF16;
}

/* Whether every present value of the call but those of index types has one float dtype; it is returned, or 0. */
int32_t cpu_one_float(const cpu_call *call);

#endif
