/* Sums and means over dimensions that lie together, by rows. What oneDNN has beside these is not here: its max and min
 * lose a NaN that is not the last, its norms are plain loops, and so are its sums over outer dimensions. */
#include "rows.h"

/* A row is summed in f32, in 16 parts or more: longer ones than LONGEST would round too often. Of shorter ones than
 * SHORTEST, and where rows have to be made first, the cpu backend's loops make less. */
enum { LONGEST = 1 << 15, SHORTEST = 1 << 11, TINY = 1 << 14 };

typedef struct how {
    dnnl_alg_kind_t what;
    dnnl_data_type_t to;
} how;

static dnnl_status_t describe(const void *context, int64_t rows, int64_t m, dnnl_data_type_t type,
                              dnnl_primitive_desc_t *pd)
{
    const how *h = context;
    const int64_t wide[2] = {rows, m}, one[2] = {rows, 1};
    dn_md x, y;
    dnnl_status_t status = dn_md_tag(&x, 2, wide, type, dnnl_ab);
    if (status)
        return status;
    status = dn_md_tag(&y, 2, one, h->to, dnnl_ab);
    if (!status) {
        status = dn_pd_reduction(pd, dn_engine, dn_attr, h->what, &x, &y);
        dn_md_free(&y);
    }
    dn_md_free(&x);
    return status;
}

/* The dimensions with the reduced ones last, all of them when the attribute is not there. */
static bool rows_of(const cpu_call *call, const cr_meta *x, dn_rows *rows)
{
    int count = 0, at = 0;
    const int64_t *dims = cpu_attr_ints(call->node, "dim", &count);
    bool reduced[CR_MAX_RANK] = {false};
    for (int i = 0; i < count; i++) {
        int64_t d = dims[i] + (dims[i] < 0 ? x->rank : 0);
        if (d < 0 || d >= x->rank)
            return false;
        reduced[d] = true;
    }
    int inner = 0;
    for (int d = 0; d < x->rank; d++)
        inner += !count || reduced[d];
    if (!dn_rows_last(rows, x, inner))
        return false;
    rows->rows = rows->m = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < x->rank; d++)
            if ((!count || reduced[d]) == pass) {
                rows->order[at++] = d;
                *(pass ? &rows->m : &rows->rows) *= x->size[d];
            }
    return true;
}

static bool takes(const dn_rows *rows, const cr_meta *x)
{
    return dn_takes_tiny() ||
           (rows->m >= SHORTEST && rows->rows * rows->m >= TINY && dn_rows_dense(rows, x));
}

static cr_status plan_any(const cpu_call *call, dnnl_alg_kind_t what, cr_plan **out)
{
    const cr_meta *x = call->in[0], *y = call->out[0];
    dn_rows rows;
    if (!x || !y || (x->dtype != CR_F32 && x->dtype != CR_BF16 && x->dtype != CR_F16) ||
        (y->dtype != x->dtype && y->dtype != CR_F32) || !rows_of(call, x, &rows) || rows.m < 2 ||
        rows.m > LONGEST || !takes(&rows, x) || !cpu_is_contiguous(y))
        return CR_UNSUPPORTED;
    const how h = {what, dn_type(y->dtype)};
    const dn_row_operand operands[] = {
        {.arg = DNNL_ARG_SRC, .meta = x, .at = call->in_at[0]},
        {.form = DN_ONE, .arg = DNNL_ARG_DST, .meta = y, .at = call->out_at[0], .written = true}};
    dn_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    cr_status status =
        dn_rows_stage(plan, &rows, operands, 2, (double)rows.m * 0.1 + 5, describe, &h, NULL);
    return dn_plan_done(plan, call, status, out);
}

static cr_status plan_sum(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, dnnl_reduction_sum, out);
}

static cr_status plan_mean(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, dnnl_reduction_mean, out);
}

const cpu_op dn_family_reduce[] = {
    {"sum.dim_IntList", plan_sum},
    {"mean.dim", plan_mean},
    {"mean", plan_mean},
    {NULL, NULL},
};
