/* Plans and runs elementwise operations. See elementwise.h. */
#include "elementwise.h"

#include "ahead.h"
#include "space.h"

#include <string.h>
#include <unistd.h>

enum { BLOCK = CPU_EW_BLOCK, PIECE = 128, NIN = CPU_EW_INPUTS };

typedef enum operand_kind {
    FLAT,         /* dense over the whole range, in the kernel's dtype: used in place */
    FLAT_CONVERT, /* dense, in another dtype */
    ROW,          /* dense along the innermost dimension: used in place, a row at a time */
    GATHER,       /* any strides */
    CONSTANT,     /* one element for all */
    NUMBER        /* a run-time number for all */
} operand_kind;

typedef struct operand {
    operand_kind kind;
    int at; /* in cr_run.values, or .numbers */
    int32_t dtype;
    int32_t kernel_dtype;
    int64_t size, kernel_size; /* bytes of an element */
    cpu_convert convert;
    int64_t stride[CR_MAX_RANK]; /* bytes */
} operand;

typedef struct ew_plan {
    struct cr_plan base;
    cpu_loop loop;
    int at[NIN], out_at; /* what the flat runs need, together */
    int64_t numel;
    int nin, rank;
    int64_t size[CR_MAX_RANK];
    bool rowwise; /* blocks end with rows */
    bool stream;  /* the output is larger than the caches */
    bool asks;    /* for what is read next (cpu_worth_asking) */
    bool own_numbers;
    double cost;
    operand in[NIN], out;
    int number_at[CPU_EW_NUMBERS];
    cr_number defaults[CPU_EW_NUMBERS];
} ew_plan;

typedef struct ew_job {
    const ew_plan *plan;
    const char *in[NIN];
    char *out;
    const cr_number *values;  /* the loop's */
    const cr_number *numbers; /* the run's */
} ew_job;

/* ---- dense operands of the kernel's own dtype ---- */

/* The cheapest run: small, and nothing to look up. Places of inputs that are not there repeat the output's. */
static cr_status run_small(cr_plan *plan, const cr_run *run)
{
    const ew_plan *p = (const ew_plan *)plan;
    const void *in[NIN] = {cpu_at(run, p->at[0]), cpu_at(run, p->at[1]), cpu_at(run, p->at[2]),
                           NULL};
    p->loop(p->numel, in, cpu_at(run, p->out_at), run->numbers);
    return CR_OK;
}

static void flat_range(void *context, int64_t begin, int64_t end)
{
    const ew_job *job = context;
    const ew_plan *p = job->plan;
    const void *in[NIN] = {NULL};
    _Alignas(64) char block[BLOCK * 8];
    const int64_t step = p->asks ? PIECE : p->stream ? BLOCK : end - begin;
    for (int64_t i = begin; i < end; i += step) {
        int64_t n = end - i < step ? end - i : step;
        for (int k = 0; k < p->nin; k++) {
            in[k] = job->in[k] + i * p->in[k].size;
            if (p->asks)
                cpu_ask(in[k], 2 * PIECE * p->in[k].size, PIECE * p->in[k].size);
        }
        char *out = job->out + i * p->out.size;
        p->loop(n, in, p->stream ? block : out, job->values);
        if (p->stream)
            CPU_NAME(cpu_stream)((size_t)(n * p->out.size), block, out);
    }
}

/* ---- any operands ---- */

/* A dense array in the kernel's dtype with the n elements from place `at` on. raw and wide are blocks to put them. */
static const void *fetch(const ew_plan *p, const operand *o, const char *base, int64_t i,
                         const int64_t *at, int64_t n, void *raw, void *wide)
{
    switch (o->kind) {
    case FLAT: return base + i * o->size;
    case FLAT_CONVERT: o->convert(n, base + i * o->size, wide); return wide;
    case ROW: return base + cpu_place(p->rank, at, o->stride);
    case GATHER:
        if (!o->convert) {
            CPU_NAME(cpu_gather_run)
            (p->rank, p->size, o->stride, at, n, (size_t)o->size, base, wide);
            return wide;
        }
        CPU_NAME(cpu_gather_run)(p->rank, p->size, o->stride, at, n, (size_t)o->size, base, raw);
        o->convert(n, raw, wide);
        return wide;
    default: return wide;
    }
}

static void fill_constants(const ew_job *job, int64_t n, char (*wide)[BLOCK * 8])
{
    const ew_plan *p = job->plan;
    for (int k = 0; k < p->nin; k++) {
        const operand *o = &p->in[k];
        uint64_t element[1] = {0};
        if (o->kind == NUMBER)
            CPU_NAME(cpu_store_number)(&job->numbers[o->at], o->dtype, element);
        else if (o->kind == CONSTANT)
            memcpy(element, job->in[k], (size_t)o->size);
        else
            continue;
        if (o->convert) {
            uint64_t narrow = element[0];
            o->convert(1, &narrow, element);
        }
        CPU_NAME(cpu_load_strided)((size_t)o->kernel_size, n, (const char *)element, 0, wide[k]);
    }
}

static void any_range(void *context, int64_t begin, int64_t end)
{
    const ew_job *job = context;
    const ew_plan *p = job->plan;
    const operand *out = &p->out;
    _Alignas(64) char wide[NIN][BLOCK * 8], raw[BLOCK * 8], result[BLOCK * 8];
    int64_t at[CR_MAX_RANK], last = p->rank - 1;
    fill_constants(job, end - begin < BLOCK ? end - begin : BLOCK, wide);
    cpu_locate(p->rank, p->size, begin, at);
    for (int64_t i = begin, n; i < end; i += n) {
        n = end - i < BLOCK ? end - i : BLOCK;
        if (p->rowwise && p->size[last] - at[last] < n)
            n = p->size[last] - at[last];
        const void *in[NIN] = {NULL};
        for (int k = 0; k < p->nin; k++)
            in[k] = fetch(p, &p->in[k], job->in[k], i, at, n, raw, wide[k]);
        if (out->kind == FLAT && !p->stream) {
            p->loop(n, in, job->out + i * out->size, job->values);
        } else if (out->kind == ROW) {
            p->loop(n, in, job->out + cpu_place(p->rank, at, out->stride), job->values);
        } else {
            const char *dense = result;
            p->loop(n, in, result, job->values);
            if (out->convert) {
                out->convert(n, result, raw);
                dense = raw;
            }
            if (out->kind == GATHER)
                CPU_NAME(cpu_scatter_run)
            (p->rank, p->size, out->stride, at, n, (size_t)out->size, dense, job->out);
            else if (p->stream)
                CPU_NAME(cpu_stream)((size_t)(n * out->size), dense, job->out + i * out->size);
            else memcpy(job->out + i * out->size, dense, (size_t)(n * out->size));
        }
        cpu_advance(p->rank, p->size, at, n);
    }
}

/* ---- runs ---- */

static const cr_number *loop_numbers(const ew_plan *p, const cr_run *run, cr_number *own)
{
    if (!p->own_numbers)
        return run->numbers;
    for (int k = 0; k < CPU_EW_NUMBERS; k++)
        own[k] = p->number_at[k] < 0 ? p->defaults[k] : run->numbers[p->number_at[k]];
    return own;
}

static void start(ew_job *job, const ew_plan *p, const cr_run *run, cr_number *own)
{
    job->plan = p;
    job->values = loop_numbers(p, run, own);
    job->numbers = run->numbers;
    job->out = cpu_at(run, p->out_at);
    for (int k = 0; k < p->nin; k++)
        job->in[k] = p->in[k].kind == NUMBER ? NULL : cpu_at(run, p->in[k].at);
}

static cr_status run_flat(cr_plan *plan, const cr_run *run)
{
    const ew_plan *p = (const ew_plan *)plan;
    ew_job job;
    cr_number own[CPU_EW_NUMBERS];
    start(&job, p, run, own);
    cpu_parallel(p->numel, BLOCK, p->cost, flat_range, &job);
    return CR_OK;
}

static cr_status run_any(cr_plan *plan, const cr_run *run)
{
    const ew_plan *p = (const ew_plan *)plan;
    ew_job job;
    cr_number own[CPU_EW_NUMBERS];
    start(&job, p, run, own);
    if (p->numel)
        cpu_parallel(p->numel, BLOCK, p->cost, any_range, &job);
    return CR_OK;
}

/* ---- plans ---- */

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

static void set_operand(operand *o, int at, int32_t dtype, int32_t kernel_dtype, bool out)
{
    o->at = at;
    o->dtype = dtype;
    o->kernel_dtype = kernel_dtype;
    o->size = (int64_t)cpu_dtype_size(dtype);
    o->kernel_size = (int64_t)cpu_dtype_size(kernel_dtype);
    if (dtype != kernel_dtype)
        o->convert = out ? CPU_NAME(cpu_convert_loop)(kernel_dtype, dtype)
                         : CPU_NAME(cpu_convert_loop)(dtype, kernel_dtype);
}

static void classify(ew_plan *p, operand *o, const int64_t *stride)
{
    bool constant = p->rank > 0;
    int64_t step = o->size;
    bool flat = true;
    for (int d = p->rank - 1; d >= 0; d--) {
        o->stride[d] = stride[d] * o->size;
        constant = constant && stride[d] == 0;
        flat = flat && o->stride[d] == step;
        step *= p->size[d];
    }
    int64_t inner = p->rank ? p->size[p->rank - 1] : 1;
    bool row = p->rank && inner >= 64 && o->stride[p->rank - 1] == o->size && !o->convert;
    o->kind = flat ? o->convert ? FLAT_CONVERT : FLAT : constant ? CONSTANT : row ? ROW : GATHER;
    p->rowwise = p->rowwise || o->kind == ROW;
}

/* Past the last cache, writing around it saves the read of what is overwritten. */
bool CPU_NAME(cpu_worth_streaming)(int64_t bytes)
{
    static int64_t most;
    int64_t limit = __atomic_load_n(&most, __ATOMIC_RELAXED);
    if (!limit) {
        limit = sysconf(_SC_LEVEL3_CACHE_SIZE);
        limit = limit > (1 << 20) ? limit : 32 << 20;
        __atomic_store_n(&most, limit, __ATOMIC_RELAXED);
    }
    return bytes > limit;
}

static void place_numbers(ew_plan *p, const cpu_call *call, const cpu_elementwise *op)
{
    for (int k = 0; k < CPU_EW_NUMBERS; k++) {
        p->number_at[k] = op->numbers[k] ? cpu_number_at(call->node, op->numbers[k]) : -1;
        p->defaults[k] = op->defaults[k];
        if (op->numbers[k] && p->number_at[k] != k)
            p->own_numbers = true;
    }
}

/* Checks the call against the operation, and returns the dtype of its inputs, 0 if it is not for us. */
static int32_t dtype_of(const cpu_call *call, const cpu_elementwise *op, const char *const *numbers)
{
    uint32_t tensors = (uint32_t)op->nin;
    for (int k = 0; numbers && k < op->nin; k++)
        tensors -= numbers[k] != NULL;
    if (call->nin < tensors || call->nout != 1 || !call->out[0] ||
        tensors <= (op->condition ? 1u : 0u))
        return 0;
    for (uint32_t i = 0; i < tensors; i++)
        if (!call->in[i] || !same_sizes(call->in[i], call->out[0]))
            return 0;
    int32_t dtype = call->in[op->condition ? 1 : 0]->dtype;
    for (uint32_t i = 0; i < tensors; i++)
        if (call->in[i]->dtype != (op->condition && i == 0 ? (int32_t)CR_B8 : dtype))
            return 0;
    if (call->out[0]->dtype != (op->to_bool ? (int32_t)CR_B8 : dtype) || !op->loop[dtype])
        return 0;
    return dtype;
}

cr_status CPU_NAME(cpu_plan_elementwise)(const cpu_call *call, const cpu_elementwise *op,
                                         const char *const *numbers, cr_plan **plan)
{
    int32_t dtype = dtype_of(call, op, numbers);
    if (!dtype)
        return CR_UNSUPPORTED;
    for (int k = 0; numbers && k < op->nin; k++)
        if (numbers[k] && cpu_number_at(call->node, numbers[k]) < 0)
            return CR_UNSUPPORTED;
    ew_plan *p = cpu_plan_new(sizeof *p, run_any, NULL);
    if (!p)
        return CR_OUT_OF_MEMORY;
    int32_t wide = op->raw ? dtype : cpu_kernel_dtype(dtype);
    p->loop = op->loop[dtype];
    p->nin = op->nin;
    p->cost = (double)op->cost;
    p->numel = cpu_numel(call->out[0]);
    p->out_at = call->out_at[0];

    const cr_meta *metas[NIN + 1] = {call->out[0]};
    int nmetas = 1, next = 0, meta_of[NIN];
    set_operand(&p->out, p->out_at, call->out[0]->dtype, op->to_bool ? (int32_t)CR_B8 : wide, true);
    for (int k = 0; k < p->nin; k++) {
        if (numbers && numbers[k]) {
            set_operand(&p->in[k], cpu_number_at(call->node, numbers[k]),
                        op->wide_numbers ? wide : dtype, wide, false);
            meta_of[k] = -1;
            continue;
        }
        bool condition = op->condition && k == 0;
        set_operand(&p->in[k], call->in_at[next], condition ? (int32_t)CR_B8 : dtype,
                    condition ? (int32_t)CR_B8 : wide, false);
        metas[nmetas] = call->in[next++];
        meta_of[k] = nmetas++;
    }
    int64_t strides[NIN + 1][CR_MAX_RANK];
    p->rank = cpu_coalesce(nmetas, metas, p->size, strides);
    classify(p, &p->out, strides[0]);
    bool flat = p->out.kind == FLAT;
    int64_t bytes = p->numel * p->out.size;
    for (int k = 0; k < p->nin; k++) {
        p->at[k] = p->in[k].at;
        if (meta_of[k] < 0)
            p->in[k].kind = NUMBER;
        else
            classify(p, &p->in[k], strides[meta_of[k]]);
        flat = flat && p->in[k].kind == FLAT;
        bytes +=
            p->in[k].kind == CONSTANT || p->in[k].kind == NUMBER ? 0 : p->numel * p->in[k].size;
        p->cost += p->in[k].kind == GATHER ? 0.3 : 0;
    }
    place_numbers(p, call, op);
    p->asks = cpu_worth_asking(p->numel * p->out.size, (double)op->cost);
    p->stream = (p->out.kind == FLAT || p->out.kind == FLAT_CONVERT) &&
                CPU_NAME(cpu_worth_streaming)(bytes);
    if (flat) {
        bool small = !p->own_numbers && !p->stream && (double)p->numel * p->cost < 20000;
        p->base.run = small ? run_small : run_flat;
        for (int k = p->nin; k < NIN; k++)
            p->at[k] = p->out_at;
    }
    *plan = &p->base;
    return CR_OK;
}

const cpu_elementwise *CPU_NAME(cpu_elementwise_find)(const cpu_elementwise *table,
                                                      const char *name)
{
    for (; table->name; table++)
        if (!strcmp(table->name, name))
            return table;
    return NULL;
}
