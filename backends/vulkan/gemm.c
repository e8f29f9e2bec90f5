/* Products of matrices and vectors: bmm, mm, mv, dot, and those that add. */
#include "product.h"

typedef struct gemm_plan {
    struct cr_plan base;
    vk_product_steps steps;
} gemm_plan;

static cr_status gemm_run(cr_plan *plan, const cr_run *run)
{
    return vk_product_run(plan, &((const gemm_plan *)plan)->steps, run);
}

/* A value as [batch, rows, columns]: sizes and strides. A vector is a column, or a row. */
typedef struct matrix {
    int64_t size[3], stride[3];
} matrix;

static matrix as_matrix(const cr_meta *v, bool row)
{
    matrix m = {{1, 1, 1}, {0, 0, 0}};
    int first = v->rank == 3 ? 0 : v->rank == 2 ? 1 : row ? 2 : 1;
    for (int d = 0; d < v->rank; d++) {
        m.size[first + d] = v->size[d];
        m.stride[first + d] = v->stride[d];
    }
    return m;
}

/* C0 is spread over C: sizes of 1 repeat, missing dimensions are the outer ones. */
static bool spread(const cr_meta *v, const matrix *c, bool column, matrix *m)
{
    *m = as_matrix(v, !column);
    for (int d = 0; d < 3; d++) {
        if (m->size[d] == 1 && c->size[d] != 1)
            m->stride[d] = 0;
        else if (m->size[d] != c->size[d])
            return false;
    }
    return true;
}

static bool is_matrix(const cr_meta *v, int32_t dtype)
{
    return v && v->rank <= 3 && v->dtype == dtype && dtype != CR_B8;
}

/* in: A and B's places among the inputs; added: C0's, or -1. vectors: bit 0: A is a row, bit 1: B
 * is a column and so is C. */
static cr_status plan_product(const vk_call *call, uint32_t a_in, uint32_t b_in, int added,
                              cr_plan **plan)
{
    if (call->nin <= b_in || call->nout != 1 || !call->out[0])
        return CR_UNSUPPORTED;
    const cr_meta *va = call->in[a_in], *vb = call->in[b_in], *vc = call->out[0];
    int32_t dtype = vc->dtype;
    if (!is_matrix(va, dtype) || !is_matrix(vb, dtype) || vc->rank > 3)
        return CR_UNSUPPORTED;
    bool column = vb->rank == 1;
    matrix a = as_matrix(va, true), b = as_matrix(vb, false), c = as_matrix(vc, !column), c0 = {0};
    if (a.size[2] != b.size[1] || c.size[1] != a.size[1] || c.size[2] != b.size[2] ||
        a.size[0] != b.size[0] || c.size[0] != a.size[0])
        return CR_UNSUPPORTED;
    if (added >= 0 &&
        (!call->in[added] || call->in[added]->rank > 3 || call->in[added]->dtype != dtype ||
         !spread(call->in[added], &c, column, &c0)))
        return CR_UNSUPPORTED;
    vk_product p = {.from = dtype,
                    .to = dtype,
                    .at = {call->in_at[a_in], call->in_at[b_in], call->out_at[0],
                           added < 0 ? -1 : call->in_at[added]},
                    .alpha_at = added < 0 ? -1 : vk_number_at(call->node, "alpha"),
                    .beta_at = added < 0 ? -1 : vk_number_at(call->node, "beta")};
    if (call->follow)
        p.follow = *call->follow;
    vk_product_block *block = &p.block;
    int one = 0;
    vk_axis_add(block->b_axis, &one, a.size[0], a.stride[0], b.stride[0], c.stride[0],
                c0.stride[0]);
    vk_axis_add(block->m_axis, &p.m_rank, a.size[1], a.stride[1], 0, c.stride[1], c0.stride[1]);
    vk_axis_add(block->k_axis, &p.k_rank, a.size[2], a.stride[2], b.stride[1], 0, 0);
    vk_axis_add(block->n_axis, &p.n_rank, b.size[2], 0, b.stride[2], c.stride[2], c0.stride[2]);
    gemm_plan *g = vk_plan_new(call->device, sizeof *g, gemm_run);
    if (!g)
        return CR_OUT_OF_MEMORY;
    return vk_plan_done(&g->base, vk_product_add(&g->base, &p, call->info, &g->steps), plan);
}

static cr_status plan_plain(const vk_call *call, cr_plan **plan)
{
    return plan_product(call, 0, 1, -1, plan);
}

static cr_status plan_added(const vk_call *call, cr_plan **plan)
{
    return plan_product(call, 1, 2, 0, plan);
}

const vk_op vk_family_gemm[] = {
    {"bmm", plan_plain},   {"mm", plan_plain},      {"mv", plan_plain},    {"dot", plan_plain},
    {"addmm", plan_added}, {"baddbmm", plan_added}, {"addmv", plan_added}, {NULL, NULL},
};
