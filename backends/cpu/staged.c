/* Copies between strided values of any dtype and the dense arrays that kernels compute on. See staged.h. */
#include "staged.h"

#include "ahead.h"
#include "convert.h"

#include <stdlib.h>

int32_t cpu_compute_dtype(int32_t dtype)
{
    return dtype == CR_F16 || dtype == CR_BF16 ? CR_F32 : dtype;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

enum { BLOCK = 512, AHEAD = 8 /* rows */, SHORT_ROW = 1024 /* bytes */ };

static void gather_row(int32_t dtype, const char *from, int64_t stride, int64_t n, char *to)
{
    const size_t size = cpu_dtype_size(dtype);
    const int32_t wide = cpu_compute_dtype(dtype);
    if (wide == dtype) {
        cpu_rows->load(size, n, from, stride * (int64_t)size, to);
        return;
    }
    const cpu_convert widen = cpu_rows->convert(dtype, wide);
    if (stride == 1) {
        widen(n, from, to);
        return;
    }
    uint64_t raw[BLOCK / 4];
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t m = n - i < BLOCK ? n - i : BLOCK;
        cpu_rows->load(size, m, from + i * stride * (int64_t)size, stride * (int64_t)size, raw);
        widen(m, raw, to + (size_t)i * cpu_dtype_size(wide));
    }
}

static void scatter_row(int32_t dtype, char *to, int64_t stride, int64_t n, const char *from)
{
    const size_t size = cpu_dtype_size(dtype);
    const int32_t wide = cpu_compute_dtype(dtype);
    if (wide == dtype) {
        cpu_rows->store(size, n, from, to, stride * (int64_t)size);
        return;
    }
    const cpu_convert narrow = cpu_rows->convert(wide, dtype);
    if (stride == 1) {
        narrow(n, from, to);
        return;
    }
    uint64_t raw[BLOCK / 4];
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t m = n - i < BLOCK ? n - i : BLOCK;
        narrow(m, from + (size_t)i * cpu_dtype_size(wide), raw);
        cpu_rows->store(size, m, raw, to + i * stride * (int64_t)size, stride * (int64_t)size);
    }
}

/* ---- whole values ----------------------------------------------------------------------------------------------- */

/* Dimensions of size 1 dropped and neighbours that follow each other merged. */
typedef struct walk {
    int rank;
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK];
} walk;

static walk walk_of(const cr_meta *meta)
{
    walk w = {0};
    for (int d = 0; d < meta->rank; d++) {
        if (meta->size[d] == 1)
            continue;
        int last = w.rank - 1;
        if (w.rank && w.stride[last] == meta->stride[d] * meta->size[d]) {
            w.size[last] *= meta->size[d];
            w.stride[last] = meta->stride[d];
        } else {
            w.size[w.rank] = meta->size[d];
            w.stride[w.rank++] = meta->stride[d];
        }
    }
    if (!w.rank) {
        w.rank = 1;
        w.size[0] = 1;
    }
    return w;
}

typedef struct copying {
    walk w;
    int32_t dtype;
    size_t strided_size, dense_size;
    char *strided, *dense;
    bool put;
} copying;

static void copy_range(void *context, int64_t begin, int64_t end)
{
    const copying *c = context;
    const walk *w = &c->w;
    int last = w->rank - 1;
    int64_t at[CR_MAX_RANK], rest = begin, place = 0;
    const int64_t next = last && w->size[last] * (int64_t)c->strided_size <= SHORT_ROW
                             ? w->stride[last - 1] * (int64_t)c->strided_size
                             : 0;
    for (int d = last; d >= 0; d--) {
        at[d] = rest % w->size[d];
        rest /= w->size[d];
        place += at[d] * w->stride[d];
    }
    for (int64_t i = begin; i < end;) {
        int64_t n = w->size[last] - at[last];
        n = n < end - i ? n : end - i;
        char *strided = c->strided + place * (int64_t)c->strided_size;
        char *dense = c->dense + i * (int64_t)c->dense_size;
        if (next) /* short rows that lie apart, which the processor does not foresee */
            cpu_ask(strided, AHEAD * next, n * (int64_t)c->strided_size);
        if (c->put)
            scatter_row(c->dtype, strided, w->stride[last], n, dense);
        else
            gather_row(c->dtype, strided, w->stride[last], n, dense);
        i += n;
        place -= at[last] * w->stride[last];
        at[last] = 0;
        for (int d = last - 1; d >= 0; d--) {
            place += w->stride[d];
            if (++at[d] < w->size[d])
                break;
            place -= at[d] * w->stride[d];
            at[d] = 0;
        }
    }
}

static copying copying_of(const cr_meta *meta, const void *value, const void *dense, bool put)
{
    return (copying){.w = walk_of(meta),
                     .dtype = meta->dtype,
                     .strided_size = cpu_dtype_size(meta->dtype),
                     .dense_size = cpu_dtype_size(cpu_compute_dtype(meta->dtype)),
                     .strided = (char *)(uintptr_t)value,
                     .dense = (char *)(uintptr_t)dense,
                     .put = put};
}

void cpu_gather(const cr_meta *meta, const void *value, int64_t first, int64_t n, void *dense)
{
    if (n <= 0)
        return;
    copying c = copying_of(meta, value, dense, false);
    c.dense -= first * (int64_t)c.dense_size;
    copy_range(&c, first, first + n);
}

void cpu_scatter(const cr_meta *meta, void *value, int64_t first, int64_t n, const void *dense)
{
    if (n <= 0)
        return;
    copying c = copying_of(meta, value, dense, true);
    c.dense -= first * (int64_t)c.dense_size;
    copy_range(&c, first, first + n);
}

bool cpu_is_dense(const cr_meta *meta)
{
    bool seen[CR_MAX_RANK] = {false};
    for (int64_t step = 1;;) {
        int next = -1;
        bool left = false;
        for (int d = 0; d < meta->rank; d++)
            if (!seen[d] && meta->size[d] != 1) {
                left = true;
                if (meta->stride[d] == step)
                    next = d;
            }
        if (!left)
            return true;
        if (next < 0)
            return false;
        seen[next] = true;
        step *= meta->size[next];
    }
}

/* ---- stages ----------------------------------------------------------------------------------------------------- */

bool cpu_workspace_take(cr_plan_info *info, size_t bytes, size_t *offset)
{
    size_t rounded, sum;
    if (__builtin_add_overflow(bytes, (size_t)63, &rounded))
        return false;
    rounded &= ~(size_t)63;
    if (__builtin_add_overflow(info->workspace, rounded, &sum))
        return false;
    *offset = info->workspace;
    info->workspace = sum;
    return true;
}

void cpu_stage_as_it_is(cpu_stage *stage, const cr_meta *meta, int at)
{
    *stage = (cpu_stage){
        .at = at, .direct = true, .dtype = meta->dtype, .numel = cpu_numel(meta), .meta = *meta};
}

cr_status cpu_stage_init(cpu_stage *stage, const cr_meta *meta, int at, bool direct,
                         cr_plan_info *info)
{
    *stage = (cpu_stage){.at = at};
    if (!meta || at < 0) {
        stage->at = -1;
        return CR_OK;
    }
    stage->meta = *meta;
    stage->dtype = cpu_compute_dtype(meta->dtype);
    stage->numel = cpu_numel(meta);
    stage->direct = direct && stage->dtype == meta->dtype;
    if (stage->direct)
        return CR_OK;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)stage->numel, cpu_dtype_size(stage->dtype), &bytes) ||
        !cpu_workspace_take(info, bytes, &stage->offset))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "the workspace's size overflows");
    return CR_OK;
}

void *cpu_stage_target(const cpu_stage *stage, const cr_run *run)
{
    if (stage->at < 0)
        return NULL;
    if (stage->direct)
        return cpu_at(run, stage->at);
    return (char *)run->workspace.buffer + run->workspace.offset + stage->offset;
}

void *cpu_stage_fetch(const cpu_stage *stage, const cr_run *run)
{
    void *dense = cpu_stage_target(stage, run);
    if (stage->at >= 0 && !stage->direct && stage->numel) {
        copying c = copying_of(&stage->meta, cpu_at(run, stage->at), dense, false);
        cpu_parallel(stage->numel, 256, 1, copy_range, &c);
    }
    return dense;
}

void cpu_stage_put(const cpu_stage *stage, const cr_run *run)
{
    if (stage->at < 0 || stage->direct || !stage->numel)
        return;
    copying c =
        copying_of(&stage->meta, cpu_at(run, stage->at), cpu_stage_target(stage, run), true);
    cpu_parallel(stage->numel, 256, 1, copy_range, &c);
}

static cr_status staged_run(cr_plan *plan, const cr_run *run)
{
    const cpu_staged *staged = (const cpu_staged *)plan;
    void *in[CPU_STAGED_INPUTS] = {0}, *out[CPU_STAGED_OUTPUTS] = {0};
    for (uint32_t i = 0; i < staged->nin; i++)
        in[i] = cpu_stage_fetch(&staged->in[i], run);
    for (uint32_t i = 0; i < staged->nout; i++)
        out[i] = cpu_stage_target(&staged->out[i], run);
    char *workspace = (char *)run->workspace.buffer;
    char *scratch = workspace ? workspace + run->workspace.offset + staged->scratch : NULL;
    cr_status status = staged->body(staged, run, in, out, scratch);
    if (status != CR_OK)
        return status;
    for (uint32_t i = 0; i < staged->nout; i++)
        cpu_stage_put(&staged->out[i], run);
    return CR_OK;
}

void *cpu_staged_new(const cpu_call *call, size_t bytes, cpu_staged_body body)
{
    if (call->nin > CPU_STAGED_INPUTS || call->nout > CPU_STAGED_OUTPUTS) {
        cpu_host->fail(cpu_host, CR_INVALID, "%s has too many values", call->node->op);
        return NULL;
    }
    cpu_staged *plan = cpu_plan_new(bytes, staged_run, NULL);
    if (!plan)
        return NULL;
    plan->body = body;
    plan->nin = call->nin;
    plan->nout = call->nout;
    cr_status status = CR_OK;
    for (uint32_t i = 0; i < call->nin && status == CR_OK; i++)
        status = cpu_stage_init(&plan->in[i], call->in[i], call->in_at[i],
                                call->in[i] && cpu_is_contiguous(call->in[i]), call->info);
    for (uint32_t i = 0; i < call->nout && status == CR_OK; i++)
        status = cpu_stage_init(&plan->out[i], call->out[i], call->out_at[i],
                                call->out[i] && cpu_is_contiguous(call->out[i]), call->info);
    if (status == CR_OK)
        return plan;
    free(plan);
    return NULL;
}

cr_status cpu_staged_scratch(cpu_staged *plan, const cpu_call *call, size_t bytes)
{
    if (!cpu_workspace_take(call->info, bytes, &plan->scratch))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "the workspace's size overflows");
    return CR_OK;
}

int32_t cpu_one_float(const cpu_call *call)
{
    int32_t dtype = 0;
    for (uint32_t i = 0; i < call->nin + call->nout; i++) {
        const cr_meta *meta = i < call->nin ? call->in[i] : call->out[i - call->nin];
        if (!meta || !cpu_is_float(meta->dtype))
            continue;
        if (dtype && dtype != meta->dtype)
            return 0;
        dtype = meta->dtype;
    }
    return dtype;
}
