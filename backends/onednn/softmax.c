/* _softmax, _log_softmax and their gradients along any dimension, by rows. What oneDNN makes of a NaN is put right behind it. */
#include "blocked.h"
#include "rows.h"

typedef struct softmax_plan {
    dn_plan plan;
    int32_t dtype;
    int64_t m; /* elements of a row */
} softmax_plan;

typedef struct how {
    bool logs, backward;
} how;

/* Operands: x, y. */
static void mend_rows(const dn_plan *plan, void *const *at, int64_t rows)
{
    const softmax_plan *p = (const softmax_plan *)plan;
    const dn_nan_job job = {p->dtype, rows, p->m, at[0], at[1]};
    dn_kernels()->nan_rows(&job);
}

/* Operands: y's gradient, y, x's gradient. */
static void mend_gradient(const dn_plan *plan, void *const *at, int64_t rows)
{
    const softmax_plan *p = (const softmax_plan *)plan;
    const dn_nan_job job = {p->dtype, rows, p->m, at[1], at[2]};
    dn_kernels()->nan_elements(&job);
}

static dnnl_status_t describe(const void *context, int64_t rows, int64_t m, dnnl_data_type_t type,
                              dnnl_primitive_desc_t *pd)
{
    const how *h = context;
    const int64_t sizes[2] = {rows, m};
    dnnl_primitive_desc_t forward = NULL;
    dn_md md;
    dnnl_status_t status = dn_md_tag(&md, 2, sizes, type, dnnl_ab);
    if (!status)
        status = dn_pd_softmax(h->backward ? &forward : pd, dn_engine, dn_attr, h->logs, &md, 1);
    if (!status && h->backward)
        status = dn_pd_softmax_back(pd, dn_engine, dn_attr, h->logs, &md, 1, forward);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    dn_md_free(&md);
    return status;
}

/* y from x, or x's gradient from y's and y. */
static cr_status plan_any(const cpu_call *call, bool logs, bool backward, cr_plan **out)
{
    enum { TINY = 256 }; /* elements that are not worth a primitive */
    const cr_meta *in = call->in[0], *y = backward ? call->in[1] : in, *to = call->out[0];
    const how h = {logs, backward};
    dn_rows rows;
    if (!in || !y || !to || in->dtype != to->dtype || y->dtype != to->dtype ||
        to->dtype == CR_F64 || dn_type(to->dtype) == dnnl_data_type_undef ||
        !dn_rows_along(&rows, in, cpu_attr_int(call->node, "dim", -1)) || rows.m < 2 ||
        (cpu_numel(in) < TINY && !dn_takes_tiny()))
        return CR_UNSUPPORTED;
    const dn_row_operand forward_operands[] = {
        {.arg = DNNL_ARG_SRC, .meta = in, .at = call->in_at[0]},
        {.arg = DNNL_ARG_DST, .meta = to, .at = call->out_at[0], .written = true}};
    const dn_row_operand back_operands[] = {
        {.arg = DNNL_ARG_DIFF_DST, .meta = in, .at = call->in_at[0]},
        {.arg = DNNL_ARG_DST, .meta = y, .at = backward ? call->in_at[1] : 0},
        {.arg = DNNL_ARG_DIFF_SRC, .meta = to, .at = call->out_at[0], .written = true}};
    softmax_plan *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->dtype = to->dtype;
    p->m = rows.m;
    cr_status status =
        dn_rows_stage(&p->plan, &rows, backward ? back_operands : forward_operands,
                      backward ? 3 : 2, (double)rows.m * (backward ? 0.3 : 0.6), describe, &h,
                      !backward ? mend_rows
                      : logs    ? mend_gradient
                                : NULL);
    return dn_plan_done(&p->plan, call, status, out);
}

static cr_status plan_softmax(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, false, false, out);
}

static cr_status plan_log_softmax(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, true, false, out);
}

static cr_status plan_softmax_back(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, false, true, out);
}

static cr_status plan_log_softmax_back(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, true, true, out);
}

const cpu_op dn_family_softmax[] = {
    {"_softmax", plan_softmax},
    {"_log_softmax", plan_log_softmax},
    {"_softmax_backward_data", plan_softmax_back},
    {"_log_softmax_backward_data", plan_log_softmax_back},
    {NULL, NULL},
};
