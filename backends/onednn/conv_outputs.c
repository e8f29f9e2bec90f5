/* The gradient of many weights, or of few images, by output channels: some of them are summed over all images while they stay in the
 * second cache, nothing is left to be added up, and threads share them. Cut by images (conv_weights.c), each image would read and
 * write all of them. */
#include "blocked.h"
#include "conv.h"

/* Bytes of a gradient: of all weights, and of those that are summed together. */
enum { MANY = 1 << 20, FIT = 5 << 18 };

static bool is_plain(const cr_meta *m)
{
    return !m->layout && cpu_is_contiguous(m);
}

/* How many output channels at a time, so few that there are some for each thread; or 0. */
static int64_t outputs_of(const dn_conv *c)
{
    const int64_t out = c->w->size[0], each = cpu_numel(c->w) / (out ? out : 1) * 4;
    const bool few = c->shape.n < cpu_host->num_threads(cpu_host);
    if (c->shape.n < 1 || c->shape.groups > 1 || !is_plain(c->w) ||
        (c->bias && (c->bias->dtype != CR_F32 || !is_plain(c->bias))) ||
        (each * out < MANY && !few))
        return 0;
    int64_t best = 0;
    for (int64_t outputs = 64; outputs >= 16; outputs /= 2)
        if (out % outputs == 0 && out > outputs && each * outputs <= FIT &&
            (!best || out / best < dn_most_threads()))
            best = outputs;
    return best;
}

/* The images as strides tell of them, also where they lie with their channels last by a layout; false for other layouts. */
static bool told_by_strides(cr_meta *m)
{
    if (!m->layout)
        return true;
    if (dn_block_of(m) != m->size[1])
        return false;
    int64_t step = m->size[1];
    m->stride[1] = 1;
    for (int d = m->rank - 1; d >= 2; d--) {
        m->stride[d] = step;
        step *= m->size[d];
    }
    m->stride[0] = step;
    m->layout = 0;
    return true;
}

typedef struct parts_of {
    dn_conv part; /* of some output channels */
    cr_meta y, w, bias;
    dn_conv_parts p;
    dn_md bias_md;
    size_t apart; /* bytes from one of y's channels to the next */
    dn_turn_job x_job, y_job;
    dn_weights_job w_job;
    bool x_lies;  /* as the primitive reads it */
    bool turns_w; /* our own kernel brings the gradient to the rows */
    dnnl_primitive_desc_t pd;
} parts_of;

static void let_go(parts_of *o)
{
    if (o->pd)
        dnnl_primitive_desc_destroy(o->pd);
    dn_md_free(&o->bias_md);
    dn_conv_parts_free(&o->p);
}

/* What is needed of all images for so many output channels; false where oneDNN or our own kernels don't go that way. */
static bool describe(const dn_conv *c, int64_t outputs, parts_of *o)
{
    const int64_t n = c->shape.n;
    cr_meta x = *c->x, y = *c->y;
    const bool x_told = told_by_strides(&x), y_told = told_by_strides(&y);
    const int64_t places = cpu_numel(&y) / (y.size[0] * y.size[1]);
    o->part = *c;
    o->y = *c->y;
    o->w = *c->w;
    o->part.y = &o->y;
    o->part.w = &o->w;
    o->apart = (size_t)(y_told ? y.stride[1] : places) * cpu_dtype_size(y.dtype);
    y.size[1] = o->y.size[1] = o->w.size[0] = outputs;
    if (c->bias) {
        o->bias = *c->bias;
        o->bias.size[0] = outputs;
        o->part.bias = &o->bias;
    }
    dnnl_status_t made = dn_conv_parts_make(&o->part, DN_WEIGHTS, n, &o->p);
    if (!made && c->bias)
        made = dn_md_tag(&o->bias_md, 1, o->bias.size, dnnl_f32, dnnl_a);
    if (!made)
        made = dn_conv_weights_describe(&o->part, &o->p, c->bias ? &o->bias_md : NULL, &o->pd);
    o->x_lies = !made && dn_md_equal(&o->p.x, &o->p.chosen_x);
    if (made || !(o->x_lies || (x_told && dn_turns(&x, &o->p.chosen_x, n, true, &o->x_job))))
        return false;
    o->x_job.grid.n = 1; /* a stage turns image by image */
    if (!y_told)         /* blocks of channels are cut out as they are */
        o->y_job = (dn_turn_job){.grid.n = n,
                                 .size = cpu_dtype_size(y.dtype),
                                 .stride = {c->y->size[1] * places},
                                 .in = true,
                                 .image = outputs * places};
    o->turns_w = dn_turns_weights(&o->w, &o->p.chosen_w, false, &o->w_job);
    return y_told ? dn_turns(&y, &o->p.chosen_y, n, true, &o->y_job)
                  : dn_md_equal(&o->p.y, &o->p.chosen_y);
}

/* A stage that brings all of x to the primitive's layout; *at is where it is then. */
static cr_status bring_x(dn_conv_plan *plan, const dn_conv *c, const parts_of *o, dn_where *at)
{
    const int64_t n = c->shape.n;
    const size_t bytes = dn_md_bytes(&o->p.chosen_x);
    *at = dn_value(c->x_at, 0);
    if (o->x_lies)
        return CR_OK;
    dn_stage *stage = dn_stage_add(&plan->plan, n, 1, (double)bytes / (double)n * 0.1);
    if (!stage || !dn_take_shared(&plan->plan, bytes, at))
        return CR_UNSUPPORTED;
    dn_where to = *at;
    to.advance = bytes / (size_t)n;
    return dn_step_turn(&plan->plan, stage, 0, &o->x_job, dn_images(c->x, c->x_at), to);
}

static cr_status add_stages(dn_conv_plan *plan, const dn_conv *c, int64_t outputs, parts_of *o)
{
    const size_t row = (size_t)(cpu_numel(c->w) / c->w->size[0]) * cpu_dtype_size(c->w->dtype);
    dn_where x, y, w;
    cr_status status = bring_x(plan, c, o, &x);
    if (status != CR_OK)
        return status;
    dn_stage *stage =
        dn_stage_add(&plan->plan, c->w->size[0], outputs,
                     (double)c->shape.n * c->shape.flops / 100 / (double)c->w->size[0]);
    if (!stage || !dn_take_slot(&plan->plan, dn_md_bytes(&o->p.chosen_y), &y) ||
        !dn_take_slot(&plan->plan, dn_md_bytes(&o->p.chosen_w), &w))
        return CR_UNSUPPORTED;
    status = dn_step_turn(&plan->plan, stage, 0, &o->y_job, dn_value(c->y_at, o->apart), y);
    if (status != CR_OK)
        return status;
    const dn_operand operands[4] = {{DNNL_ARG_SRC, x},
                                    {DNNL_ARG_DIFF_DST, y},
                                    {DNNL_ARG_DIFF_WEIGHTS, w},
                                    {DNNL_ARG_DIFF_BIAS, dn_value(c->bias_at, sizeof(float))}};
    const dn_md *mds[4] = {&o->p.chosen_x, &o->p.chosen_y, &o->p.chosen_w, &o->bias_md};
    status = dn_step_set(&plan->plan, stage, 1, 0, o->pd, operands, mds, c->bias ? 4 : 3);
    o->pd = NULL;
    if (status != CR_OK)
        return status;
    const dn_where to = dn_value(c->w_at, row);
    return o->turns_w ? dn_step_weights(&plan->plan, stage, 2, &o->w_job, w, to)
                      : dn_step_reorder(&plan->plan, stage, 2, 0, &o->p.chosen_w, w, &o->p.w, to);
}

bool dn_conv_weights_by_outputs(dn_conv_plan *plan, const dn_conv *c, cr_status *status)
{
    const int64_t outputs = outputs_of(c);
    parts_of o = {0};
    if (!outputs)
        return false;
    const bool taken = describe(c, outputs, &o);
    if (taken)
        *status = add_stages(plan, c, outputs, &o);
    let_go(&o);
    return taken;
}
