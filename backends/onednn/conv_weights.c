/* Convolution's gradients of weights and bias. Pieces of the images give partial sums in f32, which are then added in the
 * pieces' order: the result is the same whichever threads ran them. */
#include "conv.h"

#include <stdlib.h>

/* ---- partial sums ---- */

static void add_partials(const dn_plan *plan, const cr_run *run, const dn_partials *p,
                         int64_t begin, int64_t end)
{
    float *sum = dn_address(plan, run, &p->where, 0);
    for (int64_t k = 1; k < p->pieces; k++) {
        const float *part = (const float *)((char *)sum + (size_t)k * p->where.advance);
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            sum[i] += part[i];
    }
}

static void add_weights(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    add_partials(plan, run, &((const dn_conv_plan *)plan)->weights, begin, end);
}

static void add_biases(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    add_partials(plan, run, &((const dn_conv_plan *)plan)->bias, begin, end);
}

/* How many pieces: some for each thread, and more where images are reordered, which stay in the cache, if adding them up is a
 * fiftieth of computing them; else one for each thread, as long as that is a tenth. */
static int64_t pieces_of(const dn_conv *c, const dn_md *weights)
{
    double work = (double)c->shape.n * c->shape.flops / 100,
           one = (double)dn_md_bytes(weights) * 0.1;
    double fit = work / (one > 1 ? one : 1) / 50;
    const bool kept = c->x->layout && c->y->layout;
    int wanted = (kept ? 2 : 4) * dn_most_threads(), threads = cpu_host->num_threads(cpu_host);
    if (fit < wanted)
        wanted = fit > threads ? (int)fit : 5 * fit < threads ? (int)(5 * fit) : threads;
    return c->shape.n / dn_piece_of(c->shape.n, c->shape.flops / 100, wanted > 1 ? wanted : 1);
}

dnnl_status_t dn_conv_weights_describe(const dn_conv *c, dn_conv_parts *p, const dn_md *bias,
                                       dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = dn_pd_conv_forward(&hint, dn_engine, dn_attr, &p->any_x, &p->any_w, NULL,
                                              &p->any_y, &c->shape.window);
    if (!status)
        status = dn_pd_conv_weights(pd, dn_engine, dn_attr, &p->any_x, &p->any_sum, bias, &p->any_y,
                                    &c->shape.window, hint);
    if (!status)
        status = dn_conv_parts_read(p, *pd, dnnl_query_src_md, dnnl_query_diff_weights_md,
                                    dnnl_query_diff_dst_md);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}

/* Places for the partial sums of one gradient; where it is in the plan's value if that can be written at once. */
static cr_status place_partials(dn_conv_plan *plan, dn_partials *p, const dn_md *sum,
                                int64_t pieces, bool direct, int value_at)
{
    size_t each = (dn_md_bytes(sum) + 63) / 64 * 64, bytes;
    *p = (dn_partials){.where = dn_value(value_at, 0),
                       .count = (int64_t)(dn_md_bytes(sum) / sizeof(float)),
                       .pieces = pieces};
    if (direct)
        return CR_OK;
    if (__builtin_mul_overflow(each, (size_t)pieces, &bytes) ||
        !dn_take_shared(&plan->plan, bytes, &p->where))
        return CR_UNSUPPORTED;
    p->where.advance = each;
    return CR_OK;
}

/* The stages after the pieces: the sum, and its way into the value. like: the sizes of both if a reorder may be cut, or null. */
static cr_status finish_partials(dn_conv_plan *plan, const dn_partials *p, const dn_md *sum,
                                 const dn_side *value, const cr_meta *like,
                                 void (*add)(const dn_plan *, const cr_run *, int64_t, int64_t))
{
    if (p->pieces > 1) {
        dn_stage *stage = dn_stage_add(&plan->plan, p->count, 0, 0.1 * (double)p->pieces);
        if (!stage)
            return CR_UNSUPPORTED;
        stage->plain = add;
    }
    if (p->where.place == DN_VALUE)
        return CR_OK;
    const dn_side from = {sum, p->where, sizeof(float)};
    return dn_stage_reorder(&plan->plan, like, (double)p->count * 0.3, &from, value);
}

cr_status dn_conv_weights(dn_conv_plan *plan, const dn_conv *c)
{
    dn_conv_parts p, whole;
    dn_md bias = {0};
    dnnl_primitive_desc_t pd = NULL;
    cr_status status;
    if (dn_conv_weights_by_outputs(plan, c, &status))
        return status;
    dnnl_status_t made = dn_conv_parts_make(c, DN_WEIGHTS, c->shape.n, &whole);
    int64_t pieces = made ? 1 : pieces_of(c, &whole.w), piece = c->shape.n / pieces;
    dn_conv_parts_free(&whole);
    if (made)
        return dn_status(&plan->plan, made, "describe");
    made = dn_conv_parts_make(c, DN_WEIGHTS, piece, &p);
    if (!made && c->bias)
        made = dn_md_tag(&bias, 1, c->bias->size, dnnl_f32, dnnl_a);
    if (!made)
        made = dn_conv_weights_describe(c, &p, c->bias ? &bias : NULL, &pd);
    status = dn_status(&plan->plan, made, "describe");
    if (status == CR_OK)
        status = place_partials(plan, &plan->weights, &p.chosen_w, pieces,
                                pieces == 1 && dn_md_equal(&p.w, &p.chosen_w), c->w_at);
    if (status == CR_OK && c->bias)
        status = place_partials(plan, &plan->bias, &bias, pieces,
                                pieces == 1 && dn_md_equal(&p.bias, &bias), c->bias_at);
    dn_where x = dn_images(c->x, c->x_at), y = dn_images(c->y, c->y_at);
    dn_stage *stage =
        status == CR_OK ? dn_stage_add(&plan->plan, c->shape.n, piece, c->shape.flops / 100) : NULL;
    if (status == CR_OK)
        status =
            stage ? dn_reorder_in(&plan->plan, stage, c->x, &p.x, &p.chosen_x, &x) : CR_UNSUPPORTED;
    if (status == CR_OK)
        status = dn_reorder_in(&plan->plan, stage, c->y, &p.y, &p.chosen_y, &y);
    if (status == CR_OK) {
        const dn_operand operands[4] = {{DNNL_ARG_SRC, x},
                                        {DNNL_ARG_DIFF_DST, y},
                                        {DNNL_ARG_DIFF_WEIGHTS, plan->weights.where},
                                        {DNNL_ARG_DIFF_BIAS, plan->bias.where}};
        const dn_md *mds[4] = {&p.chosen_x, &p.chosen_y, &p.chosen_w, &bias};
        status =
            dn_step_set(&plan->plan, stage, stage->nsteps, 0, pd, operands, mds, c->bias ? 4 : 3);
        pd = NULL;
    }
    const size_t each = cpu_dtype_size(c->w->dtype);
    const dn_side to_w = {&p.w, dn_value(c->w_at, 0), each},
                  to_bias = {&p.bias, dn_value(c->bias_at, 0), each};
    if (status == CR_OK)
        status = finish_partials(plan, &plan->weights, &p.chosen_w, &to_w,
                                 c->shape.groups == 1 ? c->w : NULL, add_weights);
    if (status == CR_OK && c->bias)
        status = finish_partials(plan, &plan->bias, &bias, &to_bias, NULL, add_biases);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    dn_md_free(&bias);
    dn_conv_parts_free(&p);
    return status;
}

/* ---- channels: what a transposed convolution's bias needs ---- */

/* The value as five dimensions, absent ones of size 1 in the middle. */
static cr_meta five(const cr_meta *m)
{
    cr_meta f = *m;
    int spatial = m->rank - 2;
    for (int d = 0; d < 3; d++) {
        int from = d - (3 - spatial);
        f.size[2 + d] = from < 0 ? 1 : m->size[2 + from];
        f.stride[2 + d] = from < 0 ? 0 : m->stride[2 + from];
    }
    f.rank = 5;
    return f;
}

static void sum_channels(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const dn_conv_plan *plan = (const dn_conv_plan *)base;
    const cr_meta *m = &plan->sum;
    const char *images = cpu_at(run, plan->sum_at);
    char *sums = cpu_at(run, plan->vector_at);
    for (int64_t c = begin; c < end; c++) {
        double sum = 0;
        for (int64_t n = 0; n < m->size[0]; n++)
            for (int64_t i = 0; i < m->size[2]; i++)
                for (int64_t j = 0; j < m->size[3]; j++) {
                    int64_t at = n * m->stride[0] + c * m->stride[1] + i * m->stride[2] +
                                 j * m->stride[3],
                            step = m->stride[4];
                    float row = 0;
                    for (int64_t k = 0; k < m->size[4]; k++)
                        row += dn_read(m->dtype, images, at + k * step);
                    sum += (double)row;
                }
        dn_write(m->dtype, sums, c * plan->vector.stride[0], (float)sum);
    }
}

cr_status dn_conv_sum_channels(dn_conv_plan *plan, const cr_meta *images, int images_at,
                               const cr_meta *sums, int sums_at)
{
    double each = (double)cpu_numel(images) / (double)images->size[1];
    dn_stage *stage = dn_stage_add(&plan->plan, images->size[1], 0, each);
    if (!stage)
        return CR_UNSUPPORTED;
    stage->plain = sum_channels;
    plan->sum = five(images);
    plan->sum_at = images_at;
    plan->vector = *sums;
    plan->vector_at = sums_at;
    return CR_OK;
}

static void add_bias(const dn_plan *base, const cr_run *run, int64_t begin, int64_t end)
{
    const dn_conv_plan *plan = (const dn_conv_plan *)base;
    const cr_meta *m = &plan->sum;
    float *images = cpu_at(run, plan->sum_at);
    const float *bias = cpu_at(run, plan->vector_at);
    for (int64_t plane = begin; plane < end; plane++) {
        int64_t c = plane % m->size[1];
        float more = bias[c * plan->vector.stride[0]];
        for (int64_t i = 0; i < m->size[2]; i++)
            for (int64_t j = 0; j < m->size[3]; j++) {
                float *row = images + plane / m->size[1] * m->stride[0] + c * m->stride[1] +
                             i * m->stride[2] + j * m->stride[3];
                for (int64_t k = 0; k < m->size[4]; k++)
                    row[k * m->stride[4]] += more;
            }
    }
}

cr_status dn_conv_add_bias(dn_conv_plan *plan, const cr_meta *images, int images_at,
                           const cr_meta *bias, int bias_at)
{
    int64_t planes = images->size[0] * images->size[1];
    dn_stage *stage =
        dn_stage_add(&plan->plan, planes, 0, (double)cpu_numel(images) / (double)planes * 0.3);
    if (!stage)
        return CR_UNSUPPORTED;
    stage->plain = add_bias;
    plan->sum = five(images);
    plan->sum_at = images_at;
    plan->vector = *bias;
    plan->vector_at = bias_at;
    return CR_OK;
}
