/* Sums, differences, products and quotients in bf16, and in f32 where the second operand is repeated along the last dimension:
 * there oneDNN's loops are the faster (docs/benchmarks.md has the figures); maxima and minima are not here, for oneDNN's lose NaN.
 * Operands lie row-major or are repeated along some dimensions. */
#include <stdlib.h>

#include "onednn.h"

enum { MOST_DIMS = 5, PIECE = 1 << 14, LEAST = 1 << 12 };

typedef struct binary_plan {
    dn_plan plan;
    int at[2], out_at, alpha_at; /* of the operands as the operation has them */
    int32_t dtype;
    int64_t items; /* for the way with alpha */
    int rank;
    int64_t size[MOST_DIMS], stride[2][MOST_DIMS];
    bool subtracts;
} binary_plan;

/* ---- shapes ---- */

/* The operands' dimensions, those that run on into each other as one. False for values that don't lie as oneDNN reads them. */
static bool merge(const cr_meta *out, const cr_meta *a, const cr_meta *b, binary_plan *p)
{
    const cr_meta *in[2] = {a, b};
    int64_t dense[2] = {1, 1};
    int64_t size[CR_MAX_RANK], stride[2][CR_MAX_RANK];
    int n = 0; /* innermost first */
    for (int d = out->rank - 1; d >= 0; d--) {
        if (out->size[d] == 1)
            continue;
        bool joins = n > 0;
        for (int i = 0; i < 2; i++) {
            int64_t s = in[i]->stride[d];
            if (s != 0 && s != dense[i])
                return false;
            dense[i] *= s ? out->size[d] : 1;
            joins = joins && (s == 0) == (stride[i][n - 1] == 0);
        }
        if (joins) {
            size[n - 1] *= out->size[d];
            continue;
        }
        size[n] = out->size[d];
        for (int i = 0; i < 2; i++)
            stride[i][n] = in[i]->stride[d];
        n++;
    }
    if (n == 0) { /* one element */
        size[0] = stride[0][0] = stride[1][0] = 1;
        n = 1;
    }
    if (n > MOST_DIMS)
        return false;
    p->rank = n;
    for (int d = 0; d < n; d++) {
        p->size[d] = size[n - 1 - d];
        for (int i = 0; i < 2; i++)
            p->stride[i][d] = stride[i][n - 1 - d];
    }
    return true;
}

static bool is_whole(const binary_plan *p, int i)
{
    for (int d = 0; d < p->rank; d++)
        if (!p->stride[i][d])
            return false;
    return true;
}

/* ---- numbers that are not 1 ---- */

static float read_one(int32_t dtype, const void *x, int64_t at)
{
    return dtype == CR_F32 ? ((const float *)x)[at] : dn_from_bf16(((const uint16_t *)x)[at]);
}

typedef struct scaled {
    const binary_plan *p;
    const void *x, *y;
    void *to;
    float alpha;
} scaled;

/* Rows of the last dimension: x + alpha y, rounded once. */
static void add_scaled(void *context, int64_t begin, int64_t end)
{
    const scaled *s = context;
    const binary_plan *p = s->p;
    int last = p->rank - 1;
    for (int64_t row = begin; row < end; row++) {
        int64_t at[2] = {0, 0}, rest = row;
        for (int d = last - 1; d >= 0; d--) {
            for (int i = 0; i < 2; i++)
                at[i] += rest % p->size[d] * p->stride[i][d];
            rest /= p->size[d];
        }
        for (int64_t j = 0; j < p->size[last]; j++) {
            float f = read_one(p->dtype, s->x, at[0] + j * p->stride[0][last]) +
                      s->alpha * read_one(p->dtype, s->y, at[1] + j * p->stride[1][last]);
            int64_t to = row * p->size[last] + j;
            if (p->dtype == CR_F32)
                ((float *)s->to)[to] = f;
            else
                ((uint16_t *)s->to)[to] = dn_to_bf16(f);
        }
    }
}

static cr_status run_binary(cr_plan *base, const cr_run *run)
{
    const binary_plan *p = (const binary_plan *)base;
    float alpha = p->alpha_at < 0 ? 1 : (float)run->numbers[p->alpha_at].f;
    if (alpha == 1)
        return dn_plan_run(base, run);
    scaled s = {p, cpu_at(run, p->at[0]), cpu_at(run, p->at[1]), cpu_at(run, p->out_at),
                p->subtracts ? -alpha : alpha};
    int64_t columns = p->size[p->rank - 1];
    cpu_parallel(p->items / columns, 1, 2 * (double)columns, add_scaled, &s);
    return CR_OK;
}

/* ---- planning ---- */

/* Of `items` of the outermost dimension; operand 2 is the result. */
static dnnl_status_t describe(const binary_plan *p, int which, int64_t items, dn_md *md)
{
    int64_t size[MOST_DIMS], stride[MOST_DIMS], step = 1;
    for (int d = p->rank - 1; d >= 0; d--) {
        bool there = which == 2 || p->stride[which][d];
        size[d] = there ? d ? p->size[d] : items : 1;
        stride[d] = step;
        step *= size[d];
    }
    return dn_md_strided(md, p->rank, size, dn_type(p->dtype), stride);
}

/* first: the operand that oneDNN gets first, which must be whole. */
static cr_status add_stage(binary_plan *p, dnnl_alg_kind_t what, int first)
{
    int64_t inner = p->items / p->size[0], piece = (PIECE + inner - 1) / inner;
    piece = piece < p->size[0] ? piece : p->size[0];
    int64_t last = p->size[0] % piece;
    size_t bytes = cpu_dtype_size(p->dtype);
    const int order[3] = {first, 1 - first, 2};
    dn_operand operands[3] = {
        {.arg = DNNL_ARG_SRC_0}, {.arg = DNNL_ARG_SRC_1}, {.arg = DNNL_ARG_DST}};
    for (int i = 0; i < 3; i++) {
        int64_t step = order[i] == 2 ? inner : p->stride[order[i]][0];
        operands[i].where =
            dn_value(order[i] == 2 ? p->out_at : p->at[order[i]], (size_t)step * bytes);
    }
    dn_stage *stage = dn_stage_add(&p->plan, p->size[0], piece, 0.2 * (double)inner);
    cr_status status = stage ? CR_OK : CR_UNSUPPORTED;
    for (int v = 0; v < 2 && status == CR_OK && (v == 0 || last); v++) {
        dn_md md[3];
        dnnl_primitive_desc_t pd = NULL;
        const dn_md *mds[3] = {&md[0], &md[1], &md[2]};
        memset(md, 0, sizeof md);
        dnnl_status_t made = dnnl_success;
        for (int i = 0; i < 3 && !made; i++)
            made = describe(p, order[i], v ? last : piece, &md[i]);
        if (!made)
            made = dn_pd_binary(&pd, dn_engine, dn_attr, what, &md[0], &md[1], &md[2]);
        status = dn_status(&p->plan, made, "describe");
        if (status == CR_OK)
            status = dn_step_set(&p->plan, stage, 0, v, pd, operands, mds, 3);
        for (int i = 0; i < 3; i++)
            dn_md_free(&md[i]);
    }
    return status;
}

static bool takes(const binary_plan *p)
{
    return dn_takes_tiny() || (p->items >= LEAST && (p->dtype == CR_BF16 ||
                                                     (p->rank > 1 && !p->stride[1][p->rank - 1])));
}

static cr_status plan_binary(const cpu_call *call, dnnl_alg_kind_t what, bool either, cr_plan **out)
{
    const cr_meta *a = call->in[0], *b = call->in[1], *y = call->out[0];
    binary_plan shape = {0};
    if (!a || !b || !y || (y->dtype != CR_F32 && y->dtype != CR_BF16) || a->dtype != y->dtype ||
        b->dtype != y->dtype || !cpu_is_contiguous(y) || !merge(y, a, b, &shape))
        return CR_UNSUPPORTED;
    shape.dtype = y->dtype;
    shape.items = cpu_numel(y);
    int first = is_whole(&shape, 0) ? 0 : either && is_whole(&shape, 1) ? 1 : -1;
    if (first < 0 || !takes(&shape))
        return CR_UNSUPPORTED;
    binary_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    shape.plan = p->plan;
    *p = shape;
    p->plan.base.run = run_binary;
    p->at[0] = call->in_at[0];
    p->at[1] = call->in_at[1];
    p->out_at = call->out_at[0];
    p->alpha_at = cpu_number_at(call->node, "alpha");
    p->subtracts = what == dnnl_binary_sub;
    return dn_plan_done(&p->plan, call, add_stage(p, what, first), out);
}

static cr_status plan_add(const cpu_call *call, cr_plan **out)
{
    return plan_binary(call, dnnl_binary_add, true, out);
}

static cr_status plan_sub(const cpu_call *call, cr_plan **out)
{
    return plan_binary(call, dnnl_binary_sub, false, out);
}

static cr_status plan_mul(const cpu_call *call, cr_plan **out)
{
    return plan_binary(call, dnnl_binary_mul, true, out);
}

static cr_status plan_div(const cpu_call *call, cr_plan **out)
{
    return plan_binary(call, dnnl_binary_div, false, out);
}

const cpu_op dn_family_binary[] = {
    {"add.Tensor", plan_add},
    {"sub.Tensor", plan_sub},
    {"mul.Tensor", plan_mul},
    {"div.Tensor", plan_div},
    {NULL, NULL},
};
