/* One image forward, by output channels, so that all threads have a part. What a part writes lies together, in rows or in blocks of
 * channels, and so do its weights. */
#include "conv.h"

enum { ENOUGH = 20000 }; /* nanoseconds of a part */

/* How many output channels at a time, or 0. */
static int64_t outputs_of(const dn_conv *c)
{
    const int64_t out = c->y->size[1], threads = cpu_host->num_threads(cpu_host);
    int64_t best = 0;
    if (c->shape.n != 1 || c->shape.groups > 1 || threads < 2 || !cpu_is_contiguous(c->y) ||
        (c->posts && !c->posts->own) || (c->bias && c->bias->stride[0] != 1))
        return 0;
    for (int64_t outputs = 16; outputs * threads <= out; outputs += 16)
        if (out % outputs == 0 && c->shape.flops / 100 / (double)(out / outputs) >= ENOUGH)
            best = outputs;
    return best;
}

/* What is described once for all output channels, and once for a part's. */
typedef struct described {
    dn_conv conv;
    cr_meta y, w, bias;
    dn_conv_parts p;
    dnnl_primitive_desc_t pd;
} described;

static dnnl_status_t describe(const dn_conv *c, int64_t outputs, const dn_post_set *set,
                              described *d)
{
    const bool norm = c->posts && c->posts->norm;
    d->conv = *c;
    d->y = *c->y;
    d->w = *c->w;
    d->y.size[1] = d->w.size[0] = outputs;
    d->conv.y = &d->y;
    d->conv.w = &d->w;
    d->conv.no_last = true; /* parts would lie across each other */
    if (c->bias) {
        d->bias = *c->bias;
        d->bias.size[0] = outputs;
        d->conv.bias = &d->bias;
    }
    dnnl_status_t made = dn_conv_parts_make(&d->conv, DN_FORWARD, 1, &d->p);
    if (!made && norm) { /* less the mean, in f32 */
        dn_md_free(&d->p.bias);
        made = dn_md_tag(&d->p.bias, 1, &outputs, dnnl_f32, dnnl_a);
    }
    if (!made)
        made = dn_pd_conv_forward(&d->pd, dn_engine, c->posts ? set->attr : dn_attr, &d->p.any_x,
                                  &d->p.any_w, c->bias || norm ? &d->p.bias : NULL, &d->p.any_y,
                                  &c->shape.window);
    return made ? made
                : dn_conv_parts_read(&d->p, d->pd, dnnl_query_src_md, dnnl_query_weights_md,
                                     dnnl_query_dst_md);
}

static void let_go(described *d)
{
    if (d->pd)
        dnnl_primitive_desc_destroy(d->pd);
    dn_conv_parts_free(&d->p);
}

/* Whether a part's weights are a piece of all. */
static bool same_weights(const described *all, const described *part)
{
    const int rank = all->w.rank;
    dn_blocks a, b;
    return dn_md_blocks(&all->p.chosen_w, rank, &a) && dn_md_blocks(&part->p.chosen_w, rank, &b) &&
           a.count == b.count && !memcmp(a.stride, b.stride, (size_t)rank * sizeof *a.stride) &&
           !memcmp(a.block, b.block, (size_t)a.count * sizeof *a.block) &&
           !memcmp(a.dimension, b.dimension, (size_t)a.count * sizeof *a.dimension);
}

/* Whether a part's result is a piece of the whole, and x is wanted in one layout; the part's grid. */
static bool fit_together(const described *all, const described *part, dn_grid *grid)
{
    dn_grid whole;
    return dn_md_equal(&all->p.chosen_x, &part->p.chosen_x) && same_weights(all, part) &&
           dn_grid_chosen(&part->p.chosen_y, &part->y, 1, grid) &&
           dn_grid_chosen(&all->p.chosen_y, &all->y, 1, &whole) && grid->block == whole.block &&
           grid->block <= 16 && grid->blocks * grid->block == part->y.size[1];
}

/* Places of what follows: a part's, of `bytes` an output channel of the values and four of the vectors. */
typedef struct steps_on {
    const dn_posts *posts;
    size_t bytes;
} steps_on;

static dn_where other_part(const void *context, int i)
{
    const steps_on *on = context;
    return dn_value(on->posts->op[i].other_at, on->bytes);
}

static void move_vectors(dn_posts *posts, int64_t outputs)
{
    const size_t bytes = (size_t)outputs * sizeof(float);
    posts->bias.advance = bytes;
    for (int i = 0; i < posts->count; i++)
        posts->op[i].vector.advance = bytes;
}

static cr_status bring_x(dn_plan *plan, const dn_conv *c, const dn_conv_parts *p, dn_where *x)
{
    *x = dn_value(c->x_at, 0);
    if (dn_md_equal(&p->x, &p->chosen_x))
        return CR_OK;
    const size_t bytes = dn_md_bytes(&p->chosen_x);
    dn_stage *stage = dn_stage_add(plan, 1, 1, (double)bytes * 0.05);
    dn_where from = *x;
    if (!stage || !dn_take_shared(plan, bytes, x))
        return CR_UNSUPPORTED;
    return dn_reorder_images(plan, stage, c->x, 1, &p->x, from, &p->chosen_x, *x, true);
}

static cr_status add_stages(dn_plan *plan, const dn_conv *c, int64_t outputs, described *all,
                            described *part, dn_post_set *set)
{
    const int64_t out = c->y->size[1];
    const size_t each = cpu_dtype_size(c->y->dtype);
    const steps_on on = {c->posts, (size_t)(cpu_numel(c->y) / out) * each};
    const dn_md *md_to = &all->p.y;
    dn_where x, w, to = dn_value(c->y_at, on.bytes), into = to;
    cr_status status = bring_x(plan, c, &part->p, &x);
    if (status == CR_OK)
        status = dn_reorder_weights(plan, c, &all->p, &w);
    if (status != CR_OK)
        return status;
    w.advance = dn_md_bytes(&all->p.chosen_w) / (size_t)out;
    if (w.place != DN_VALUE)
        w.advance *= (size_t)outputs;
    dn_stage *stage = dn_stage_add(plan, out, outputs, c->shape.flops / 100 / (double)out);
    dn_keep_output(c, c->y, 1, &all->p.chosen_y, &md_to);
    const bool back = !dn_md_equal(md_to, &all->p.chosen_y);
    if (!stage || (back && !dn_take_slot(plan, dn_md_bytes(&part->p.chosen_y), &into)))
        return CR_UNSUPPORTED;
    const bool norm = c->posts && c->posts->norm;
    dn_operand operands[4 + DN_POSTS] = {
        {DNNL_ARG_SRC, x},
        {DNNL_ARG_WEIGHTS, w},
        {DNNL_ARG_DST, into},
        {DNNL_ARG_BIAS, norm      ? c->posts->bias
                        : c->bias ? dn_value(c->bias_at, cpu_dtype_size(c->bias->dtype))
                                  : dn_value(0, 0)},
    };
    const dn_md *mds[4 + DN_POSTS] = {&part->p.chosen_x, &part->p.chosen_w, &part->p.chosen_y,
                                      &part->p.bias};
    int count = c->bias || norm ? 4 : 3;
    if (c->posts)
        count = dn_posts_operands(c->posts, set, operands, mds, count, other_part, &on);
    status = dn_step_set(plan, stage, 0, 0, part->pd, operands, mds, count);
    part->pd = NULL;
    if (status == CR_OK && c->posts)
        dn_posts_after_images(c->posts, &stage->step[0]);
    if (status == CR_OK && back)
        status = dn_reorder_images(plan, stage, &part->y, 1, &part->p.y, to, &part->p.chosen_y,
                                   into, false);
    return status;
}

bool dn_conv_one_image(dn_plan *plan, const dn_conv *c, cr_status *status)
{
    const int64_t outputs = outputs_of(c);
    described all = {0}, part = {0};
    dn_post_set set = {0};
    dn_grid grid;
    if (!outputs)
        return false;
    bool taken = !dn_describe_posts(c->posts, 1, &set) && !describe(c, c->y->size[1], &set, &all) &&
                 !describe(c, outputs, &set, &part) && fit_together(&all, &part, &grid);
    const bool back = taken && !dn_md_equal(&all.p.y, &all.p.chosen_y) &&
                      dn_kept_tag(c, c->y, 1, &all.p.chosen_y) < 0;
    taken = taken && dn_lie_alike(c->posts, &set, &all.p.chosen_y, back);
    if (taken && c->posts) {
        c->posts->grid = grid;
        c->posts->one_image = true;
        move_vectors(c->posts, outputs);
    }
    if (taken)
        *status = add_stages(plan, c, outputs, &all, &part, &set);
    let_go(&all);
    let_go(&part);
    dn_post_set_free(&set);
    return taken;
}
