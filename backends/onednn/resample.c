/* _resample and its gradient. Values in a private layout stay in it; others are taken plane by plane. oneDNN's nearest place
 * is PyTorch's where the output is a multiple of the input. */
#include "layout.h"

typedef struct images {
    const cr_meta *small,
        *large; /* the operation's input and output; small need not be the smaller */
    int64_t n;  /* that can be cut: images, or planes */
    bool tagged;
} images;

static dnnl_status_t md_of(const images *im, const cr_meta *m, int64_t n, dn_md *md)
{
    if (im->tagged)
        return dn_md_of_tag(md, m, n);
    static const dnnl_format_tag_t rows[3] = {dnnl_abc, dnnl_abcd, dnnl_abcde};
    int64_t size[CR_MAX_RANK] = {n, 1};
    memcpy(size + 2, m->size + 2, (size_t)(m->rank - 2) * sizeof *size);
    return dn_md_tag(md, m->rank, size, dn_type(m->dtype), rows[m->rank - 3]);
}

static cr_status add_stage(dn_plan *plan, const images *im, dnnl_alg_kind_t what, bool back,
                           int small_at, int large_at)
{
    double each = (double)cpu_numel(im->large) / (double)im->n * 0.7;
    int64_t piece = dn_piece_of(im->n, each, 4 * dn_most_threads());
    dn_md small = {0}, large = {0};
    dnnl_primitive_desc_t pd = NULL, forward = NULL;
    dnnl_status_t made = md_of(im, im->small, piece, &small);
    made = made ? made : md_of(im, im->large, piece, &large);
    if (!made)
        made =
            dn_pd_resampling(back ? &forward : &pd, dn_engine, dn_attr, what, NULL, &small, &large);
    if (!made && back)
        made = dn_pd_resampling_back(&pd, dn_engine, dn_attr, what, NULL, &small, &large, forward);
    cr_status status = dn_status(plan, made, "describe");
    dn_stage *stage = status == CR_OK ? dn_stage_add(plan, im->n, piece, each) : NULL;
    size_t element = cpu_dtype_size(im->small->dtype);
    size_t advance_small = (size_t)(cpu_numel(im->small) / im->n) * element;
    size_t advance_large = (size_t)(cpu_numel(im->large) / im->n) * element;
    if (stage) {
        const dn_operand operands[2] = {
            {back ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, dn_value(small_at, advance_small)},
            {back ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, dn_value(large_at, advance_large)}};
        const dn_md *mds[2] = {&small, &large};
        status = dn_step_set(plan, stage, 0, 0, pd, operands, mds, 2);
        pd = NULL;
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    dn_md_free(&small);
    dn_md_free(&large);
    return status;
}

static bool is_multiple(const cr_meta *small, const cr_meta *large)
{
    bool is = true;
    for (int d = 2; d < small->rank; d++)
        is = is && large->size[d] % small->size[d] == 0;
    return is;
}

/* Where oneDNN is the faster: its gradients are plain loops, ten times slower than the cpu backend's, and so, by half, is what
 * lies between places of row-major images. */
static bool takes(const images *im, bool linear, bool back)
{
    enum { TINY = 4096 };
    if (dn_takes_tiny())
        return true;
    return !back && (im->tagged || !linear) && cpu_numel(im->small) + cpu_numel(im->large) >= TINY;
}

static cr_status plan_any(const cpu_call *call, bool back, cr_plan **out)
{
    const cr_meta *in = call->in[0], *to = call->out[0];
    bool linear = !strcmp(cpu_attr_text(call->node, "mode", ""), "linear");
    if (!in || !to || in->dtype != to->dtype || in->rank != to->rank || in->rank < 3 ||
        in->rank > 5 || (in->dtype != CR_F32 && in->dtype != CR_BF16 && in->dtype != CR_F16))
        return CR_UNSUPPORTED;
    cr_meta result = *to;
    result.layout = in->layout;
    dn_grid grid;
    images im = {back ? &result : in, back ? in : &result, in->size[0], in->layout != 0};
    if (!takes(&im, linear, back) || (!linear && !is_multiple(im.small, im.large)) ||
        (im.tagged ? !dn_grid_of(in, dn_block_of(in), &grid)
                   : !cpu_is_contiguous(in) || !cpu_is_contiguous(to)))
        return CR_UNSUPPORTED;
    if (!im.tagged)
        im.n *= in->size[1];
    dn_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    cr_status status =
        add_stage(plan, &im, linear ? dnnl_resampling_linear : dnnl_resampling_nearest, back,
                  back ? call->out_at[0] : call->in_at[0], back ? call->in_at[0] : call->out_at[0]);
    if (status == CR_OK && im.tagged) {
        call->info->output_layouts[0] = in->layout;
        call->info->output_bytes[0] = (size_t)cpu_numel(to) * cpu_dtype_size(to->dtype);
    }
    return dn_plan_done(plan, call, status, out);
}

static cr_status plan_forward(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, false, out);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **out)
{
    return plan_any(call, true, out);
}

const cpu_op dn_family_resample[] = {
    {"_resample", plan_forward},
    {"_resample_backward", plan_backward},
    {NULL, NULL},
};
