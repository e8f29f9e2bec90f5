/* _resample and its backward: images [batch, channels, 1 to 3 dimensions] at other sizes, by the nearest place or linearly
 * between the two nearest of each dimension. Planes are independent and are shared out in chunks. */
#include "staged.h"
#include "variant.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CHUNKS = 64 };

typedef enum resample_mode { NEAREST, NEAREST_EXACT, LINEAR } resample_mode;

/* Of each place along a dimension of the output: where it looks. */
typedef struct resample_axis {
    int64_t in, out;
    int64_t *low, *high; /* [out], in one block */
    void *weight;        /* [out] of what is computed in: the weight of high */
} resample_axis;

typedef struct resample_plan {
    cpu_staged staged;
    resample_mode mode;
    int dims;
    int64_t planes, chunks;
    size_t row_bytes; /* of the rows in the scratch that a chunk has */
    resample_axis axis[3];
} resample_plan;

typedef struct resample_job {
    const resample_plan *plan;
    const void *in;
    void *out;
    char *scratch;
} resample_job;

#define REAL    float
#define NAME(x) f32_##x
#include "resample_real.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) f64_##x
#include "resample_real.h"

static cr_status run(const cpu_staged *staged, const cr_run *r, void *const *in, void *const *out,
                     char *scratch, bool back)
{
    const resample_plan *p = (const resample_plan *)staged;
    resample_job job = {p, in[0], out[0], scratch};
    bool wide = staged->in[0].dtype == CR_F64;
    double plane = (double)(p->axis[0].out * p->axis[1].out) *
                   (double)(p->axis[2].out + p->axis[2].in) * (back ? 1.5 : 1);
    cpu_parallel(p->chunks, 1, plane * (double)p->planes / (double)(p->chunks ? p->chunks : 1),
                 back   ? wide ? f64_backward : f32_backward
                 : wide ? f64_forward
                        : f32_forward,
                 &job);
    return CR_OK;
}

static cr_status forward_body(const cpu_staged *staged, const cr_run *r, void *const *in,
                              void *const *out, char *scratch)
{
    return run(staged, r, in, out, scratch, false);
}

static cr_status backward_body(const cpu_staged *staged, const cr_run *r, void *const *in,
                               void *const *out, char *scratch)
{
    return run(staged, r, in, out, scratch, true);
}

static void destroy(cr_plan *plan)
{
    for (int d = 0; d < 3; d++)
        free(((resample_plan *)(void *)plan)->axis[d].low);
}

static bool make_axis(resample_axis *a, int64_t in, int64_t out, resample_mode mode, bool wide)
{
    size_t bytes;
    a->in = in;
    a->out = out;
    if (__builtin_mul_overflow((size_t)out, 3 * sizeof(int64_t), &bytes) ||
        !(a->low = malloc(bytes)))
        return false;
    a->high = a->low + out;
    a->weight = a->high + out;
    if (wide)
        f64_fill_axis(a, mode);
    else
        f32_fill_axis(a, mode);
    return true;
}

static cr_status plan_any(const cpu_call *call, bool back, cr_plan **plan)
{
    const cr_meta *x = back ? call->out[0] : call->in[0], *y = back ? call->in[0] : call->out[0];
    const char *mode = cpu_attr_text(call->node, "mode", "");
    if (!cpu_one_float(call) || !x || !y || x->rank < 3 || x->rank > 5 || y->rank != x->rank)
        return CR_UNSUPPORTED;
    resample_plan *p = cpu_staged_new(call, sizeof *p, back ? backward_body : forward_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    *plan = &p->staged.base;
    (*plan)->destroy = destroy;
    p->mode = !strcmp(mode, "linear") ? LINEAR : !strcmp(mode, "nearest") ? NEAREST : NEAREST_EXACT;
    p->dims = x->rank - 2;
    p->planes = x->size[0] * x->size[1];
    p->chunks = p->planes < MOST_CHUNKS ? p->planes : MOST_CHUNKS;
    bool wide = cpu_compute_dtype(x->dtype) == CR_F64, made = true;
    for (int d = 0; d < 3 && made; d++) {
        int at = d + x->rank - 3;
        made = make_axis(&p->axis[d], at < 2 ? 1 : x->size[at], at < 2 ? 1 : y->size[at], p->mode,
                         wide);
    }
    p->row_bytes = ((size_t)p->axis[2].in * 2 * (wide ? 8 : 4) + 63) / 64 * 64;
    cr_status status =
        made ? cpu_staged_scratch(&p->staged, call, p->row_bytes * (size_t)p->chunks)
             : cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a resampling's places");
    if (status != CR_OK) {
        destroy(*plan);
        free(p);
        *plan = NULL;
    }
    return status;
}

static cr_status plan_forward(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, false, plan);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **plan)
{
    return plan_any(call, true, plan);
}

const cpu_op CPU_NAME(cpu_family_resample)[] = {
    {"_resample", plan_forward},
    {"_resample_backward", plan_backward},
    {NULL, NULL},
};
