/* Elementwise operations that oneDNN does faster than the cpu backend: gelu and its gradient. Values lie alike and without
 * holes, so that they are one row of elements. */
#include "onednn.h"

/* Whether the values fill the same memory positions, whatever the order of dimensions. */
static bool lie_alike(const cr_meta *a, const cr_meta *b)
{
    int64_t last = 0, count = 1;
    if (a->rank != b->rank || a->dtype != b->dtype)
        return false;
    for (int d = 0; d < a->rank; d++) {
        if (a->size[d] != b->size[d] || (a->size[d] > 1 && a->stride[d] != b->stride[d]))
            return false;
        if (a->size[d] > 1 && a->stride[d] == 0)
            return false;
        last += (a->size[d] - 1) * a->stride[d];
        count *= a->size[d];
    }
    return last + 1 == count; /* positive strides that reach no further have no holes */
}

static dnnl_status_t describe(dnnl_alg_kind_t what, bool backward, int32_t dtype, int64_t elements,
                              dn_md *md, dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_desc_t forward = NULL;
    dnnl_status_t status = dn_md_tag(md, 1, &elements, dn_type(dtype), dnnl_a);
    if (!status)
        status = dn_pd_eltwise(backward ? &forward : pd, dn_engine, dn_attr, what, md, 0, 0);
    if (!status && backward)
        status = dn_pd_eltwise_back(pd, dn_engine, dn_attr, what, md, 0, 0, forward);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    return status;
}

/* y from x, or x's gradient from y's and x, given in this order. */
static cr_status plan_eltwise(const cpu_call *call, dnnl_alg_kind_t what, bool backward,
                              cr_plan **out)
{
    enum { PIECE = 1 << 14 };
    const cr_meta *x = call->in[backward], *y = call->out[0], *g = backward ? call->in[0] : x;
    if (!x || !y || !g || (x->dtype != CR_F32 && x->dtype != CR_BF16) || !lie_alike(x, y) ||
        !lie_alike(x, g))
        return CR_UNSUPPORTED;
    dn_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    int64_t n = cpu_numel(x), piece = n < PIECE ? n : PIECE, last = n % piece;
    size_t advance = cpu_dtype_size(x->dtype);
    dn_stage *stage = dn_stage_add(plan, n, piece, 0.8);
    const dn_operand forward_operands[2] = {{DNNL_ARG_SRC, dn_value(call->in_at[0], advance)},
                                            {DNNL_ARG_DST, dn_value(call->out_at[0], advance)}};
    const dn_operand back_operands[3] = {{DNNL_ARG_DIFF_DST, dn_value(call->in_at[0], advance)},
                                         {DNNL_ARG_SRC, dn_value(call->in_at[1], advance)},
                                         {DNNL_ARG_DIFF_SRC, dn_value(call->out_at[0], advance)}};
    cr_status status = CR_OK;
    for (int v = 0; v < 2 && status == CR_OK && (v == 0 || last); v++) {
        dn_md md;
        dnnl_primitive_desc_t pd = NULL;
        status = dn_status(plan, describe(what, backward, x->dtype, v ? last : piece, &md, &pd),
                           "describe");
        const dn_md *mds[3] = {&md, &md, &md};
        if (status == CR_OK)
            status = dn_step_set(plan, stage, 0, v, pd, backward ? back_operands : forward_operands,
                                 mds, backward ? 3 : 2);
        dn_md_free(&md);
    }
    return dn_plan_done(plan, call, status, out);
}

static dnnl_alg_kind_t gelu_of(const cpu_call *call)
{
    bool tanh = !strcmp(cpu_attr_text(call->node, "approximate", "none"), "tanh");
    return tanh ? dnnl_eltwise_gelu_tanh : dnnl_eltwise_gelu_erf;
}

static cr_status plan_gelu(const cpu_call *call, cr_plan **out)
{
    return plan_eltwise(call, gelu_of(call), false, out);
}

static cr_status plan_gelu_backward(const cpu_call *call, cr_plan **out)
{
    return plan_eltwise(call, gelu_of(call), true, out);
}

const cpu_op dn_family_eltwise[] = {
    {"gelu", plan_gelu},
    {"gelu_backward", plan_gelu_backward},
    {NULL, NULL},
};
