/* Plans of convolution and convolution_backward. A transposed convolution is the same shape read the other way: its
 * forward is a plain one's gradient of the input, and so on. Results stay in the layout that oneDNN chose where that has a
 * tag (layout.h); other values that it wants in a blocked layout are reordered piece by piece, next to the primitive that
 * reads them, so that they stay in the cache. Weights are reordered by the core when they have changed. */
#include "blocked.h"
#include "conv.h"

#include <stdlib.h>

static bool read_ints(const cr_graph_node *node, const char *name, int dims, dnnl_dims_t to)
{
    int count = 0;
    const int64_t *from = cpu_attr_ints(node, name, &count);
    for (int d = 0; from && d < dims; d++)
        to[d] = from[count == 1 ? 0 : d];
    return from && (count == dims || count == 1);
}

static bool shape_of(const cr_graph_node *node, const cr_meta *x, const cr_meta *y,
                     const cr_meta *w, dn_conv_shape *s)
{
    int dims = w->rank - 2;
    if (dims < 1 || dims > 3 || x->rank != w->rank || y->rank != w->rank)
        return false;
    *s = (dn_conv_shape){.dims = dims, .groups = cpu_attr_int(node, "groups", 1)};
    if (s->groups < 1 || x->size[1] % s->groups || y->size[1] % s->groups ||
        x->size[0] != y->size[0] || w->size[0] != y->size[1] ||
        w->size[1] != x->size[1] / s->groups ||
        !read_ints(node, "stride", dims, s->window.stride) ||
        !read_ints(node, "padding", dims, s->window.before) ||
        !read_ints(node, "dilation", dims, s->window.dilation))
        return false;
    double work = 2 * (double)w->size[0] * (double)w->size[1];
    for (int d = 0; d < dims; d++) {
        int64_t reach = (w->size[2 + d] - 1) * s->window.dilation[d] + 1;
        s->window.after[d] = (y->size[2 + d] - 1) * s->window.stride[d] + reach - x->size[2 + d] -
                             s->window.before[d];
        s->window.dilation[d]--; /* oneDNN counts what lies between two taps */
        work *= (double)w->size[2 + d] * (double)y->size[2 + d];
        if (s->window.after[d] + s->window.stride[d] <= 0)
            return false;
    }
    s->n = x->size[0];
    s->flops = work;
    return true;
}

/* The weights' descriptor: with groups they have a dimension more. With a type, for a primitive to choose the layout. */
static dnnl_status_t weights_md(const dn_conv_shape *s, const cr_meta *w, dnnl_data_type_t any,
                                dn_md *md)
{
    int64_t size[CR_MAX_RANK + 1] = {s->groups, w->size[0] / s->groups};
    if (any == dnnl_data_type_undef)
        return dn_md_of_weights(md, w, s->groups);
    memcpy(size + 2, w->size + 1, (size_t)(w->rank - 1) * sizeof *size);
    return s->groups > 1 ? dn_md_tag(md, w->rank + 1, size, any, dnnl_format_tag_any)
                         : dn_md_tag(md, w->rank, w->size, any, dnnl_format_tag_any);
}

typedef enum form { AS_IT_IS, ANY, CHANNELS_LAST } form;

static dnnl_status_t image_md(const cr_meta *m, int64_t n, form as, dn_md *md)
{
    static const dnnl_format_tag_t last[3] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
    int64_t size[CR_MAX_RANK];
    memcpy(size, m->size, sizeof size);
    size[0] = n;
    if (as != AS_IT_IS)
        return dn_md_tag(md, m->rank, size, dn_type(m->dtype),
                         as == ANY ? dnnl_format_tag_any : last[m->rank - 3]);
    return m->layout ? dn_md_of_tag(md, m, n) : dn_md_of_meta(md, m, size);
}

/* Whether so much goes forward through each step of a window that oneDNN's kernels for channels last are faster by a tenth than
 * those for its blocks: not in rows of under 8 places, nor for windows of one, nor where they move two places at a time. */
static bool is_broad(const dn_conv *c)
{
    int last = c->x->rank - 1;
    return c->x->size[1] >= 128 && c->w->size[last] > 1 && c->y->size[last] >= 8 &&
           2 * c->y->size[last] > c->x->size[last];
}

/* Where oneDNN's own choice of layouts is not its fastest, as measured with AVX-512: its blocks of 16 channels are partly
 * padding there, and channels last have none; gradients of weights by windows that move a place at a time are faster without
 * blocks by up to a fifth; and what lies so already need not be reordered. */
static form form_of(const dn_conv *c, dn_part part)
{
    int64_t in = c->x->size[1], out = c->y->size[1];
    bool blocked =
        (c->x->layout && dn_block_of(c->x) != in) || (c->y->layout && dn_block_of(c->y) != out);
    bool wide =
        (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    if (c->x->dtype != CR_F32 || c->shape.groups > 1 || blocked || !wide || c->no_last)
        return ANY;
    const bool x_last = c->x->layout != 0, y_last = c->y->layout != 0; /* no blocks here */
    const bool slides =
        c->w->size[c->w->rank - 1] > 1 && c->shape.window.stride[c->shape.dims - 1] == 1;
    bool last = part == DN_FORWARD ? in > 16 && (in % 16 || is_broad(c))
                : part == DN_DATA  ? in > 16 && (in % 16 || out % 16 || y_last)
                                   : in > 3 && (in % 16 || slides || (x_last && y_last));
    return last ? CHANNELS_LAST : ANY;
}

dn_where dn_images(const cr_meta *m, int at)
{
    return dn_value(at, (size_t)m->stride[0] * cpu_dtype_size(m->dtype));
}

dnnl_status_t dn_conv_parts_make(const dn_conv *c, dn_part part, int64_t n, dn_conv_parts *p)
{
    const form as = form_of(c, part);
    memset(p, 0, sizeof *p);
    dnnl_status_t status = image_md(c->x, n, AS_IT_IS, &p->x);
    status = status ? status : image_md(c->y, n, AS_IT_IS, &p->y);
    status = status ? status : weights_md(&c->shape, c->w, dnnl_data_type_undef, &p->w);
    status = status ? status : image_md(c->x, n, as, &p->any_x);
    status = status ? status : image_md(c->y, n, as, &p->any_y);
    status = status ? status : weights_md(&c->shape, c->w, dn_type(c->w->dtype), &p->any_w);
    status = status ? status : weights_md(&c->shape, c->w, dnnl_f32, &p->any_sum);
    if (!status && c->bias)
        status = dn_md_of_meta(&p->bias, c->bias, NULL);
    return status;
}

void dn_conv_parts_free(dn_conv_parts *p)
{
    dn_md *const all[] = {&p->x,        &p->w,        &p->y,       &p->bias,
                          &p->any_x,    &p->any_w,    &p->any_y,   &p->any_sum,
                          &p->chosen_x, &p->chosen_w, &p->chosen_y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        dn_md_free(all[i]);
}

dnnl_status_t dn_conv_parts_read(dn_conv_parts *p, const_dnnl_primitive_desc_t pd, dnnl_query_t x,
                                 dnnl_query_t w, dnnl_query_t y)
{
    dnnl_status_t status = dn_md_of(&p->chosen_x, pd, x);
    status = status ? status : dn_md_of(&p->chosen_w, pd, w);
    return status ? status : dn_md_of(&p->chosen_y, pd, y);
}

cr_status dn_reorder_weights(dn_plan *plan, const dn_conv *c, const dn_conv_parts *p, dn_where *w)
{
    *w = dn_value(c->w_at, 0);
    if (dn_md_equal(&p->w, &p->chosen_w))
        return CR_OK;
    size_t bytes = dn_md_bytes(&p->chosen_w);
    uint64_t tag =
        c->info && c->info->input_layouts ? dn_tag_of_weights(&p->chosen_w, c->shape.groups) : 0;
    if (tag) {
        c->info->input_layouts[c->w_at] = tag;
        c->info->input_bytes[c->w_at] = bytes;
        return CR_OK;
    }
    if (!dn_take_shared(plan, bytes, w))
        return CR_UNSUPPORTED;
    const size_t each = cpu_dtype_size(c->w->dtype);
    const dn_side from = {&p->w, dn_value(c->w_at, 0), each}, to = {&p->chosen_w, *w, each};
    return dn_stage_reorder(plan, c->shape.groups == 1 ? c->w : NULL, (double)bytes * 0.1, &from,
                            &to);
}

bool dn_turns(const cr_meta *meta, const dn_md *chosen, int64_t n, bool in, dn_turn_job *job)
{
    dn_grid grid;
    if (meta->layout || !dn_grid_chosen(chosen, meta, n, &grid) || grid.block < 8 ||
        meta->size[1] % grid.block)
        return false;
    *job = dn_turn_of(&grid, meta, in);
    return true;
}

/* Our own kernel is two to four times as fast as oneDNN's reorder where it can do it. */
cr_status dn_reorder_images(dn_plan *plan, dn_stage *stage, const cr_meta *meta, int64_t n,
                            const dn_md *plain, dn_where plain_at, const dn_md *chosen,
                            dn_where chosen_at, bool in)
{
    dn_turn_job job;
    const dn_where from = in ? plain_at : chosen_at, to = in ? chosen_at : plain_at;
    if (stage->items % stage->piece == 0 && dn_turns(meta, chosen, n, in, &job))
        return dn_step_turn(plan, stage, stage->nsteps, &job, from, to);
    return dn_step_reorder(plan, stage, stage->nsteps, 0, in ? plain : chosen, from,
                           in ? chosen : plain, to);
}

cr_status dn_reorder_in(dn_plan *plan, dn_stage *stage, const cr_meta *meta, const dn_md *from,
                        const dn_md *to, dn_where *at)
{
    dn_where there;
    if (dn_md_equal(from, to))
        return CR_OK;
    if (!dn_take_slot(plan, dn_md_bytes(to), &there))
        return CR_UNSUPPORTED;
    cr_status status =
        dn_reorder_images(plan, stage, meta, stage->piece, from, *at, to, there, true);
    *at = there;
    return status;
}

/* How many images a piece has: enough pieces for the threads, small enough for reordered values to stay in the cache; but two
 * where that leaves work for all threads, since for one alone oneDNN 2.6 lays its loops out otherwise, and takes up to a sixth
 * longer an image (64 channels of 56 x 56). */
static int64_t piece_of(const dn_conv *c)
{
    double bytes = (double)(cpu_numel(c->x) + cpu_numel(c->y)) / (double)c->shape.n *
                   (double)cpu_dtype_size(c->x->dtype);
    double fit = (double)c->shape.n * bytes / (1 << 18);
    int wanted = 4 * dn_most_threads();
    wanted = fit > wanted ? (fit < 4096 ? (int)fit : 4096) : wanted;
    int64_t pairs = c->shape.n / 2;
    if (pairs >= dn_most_threads() && wanted > pairs)
        wanted = (int)pairs;
    return dn_piece_of(c->shape.n, c->shape.flops / 100, wanted);
}

int64_t dn_kept_tag(const dn_conv *c, const cr_meta *m, int64_t piece, const dn_md *chosen)
{
    return c->keeps && cpu_is_contiguous(m) ? dn_tag_of(chosen, m, piece) : -1;
}

void dn_keep_output(const dn_conv *c, const cr_meta *m, int64_t piece, const dn_md *chosen,
                    const dn_md **as)
{
    int64_t tag = dn_kept_tag(c, m, piece, chosen);
    if (tag < 0)
        return;
    *as = chosen;
    if (!tag)
        return;
    c->info->output_layouts[c->output] = (uint64_t)tag;
    c->info->output_bytes[c->output] = (size_t)cpu_numel(m) * cpu_dtype_size(m->dtype);
}

static dn_where other_images(const void *posts, int i)
{
    const dn_post *op = &((const dn_posts *)posts)->op[i];
    return dn_images(&op->other, op->other_at);
}

dnnl_status_t dn_describe_posts(const dn_posts *posts, int64_t n, dn_post_set *set)
{
    dnnl_status_t status = dnnl_success;
    memset(set, 0, sizeof *set);
    for (int i = 0; posts && i < posts->count && !status; i++)
        if (posts->op[i].binary && posts->op[i].other_at >= 0)
            status = image_md(&posts->op[i].other, n, AS_IT_IS, &set->md[i]);
    return posts && !status ? dn_post_set_make(set, posts) : status;
}

bool dn_lie_alike(const dn_posts *posts, const dn_post_set *set, const dn_md *chosen, bool back)
{
    for (int i = 0; posts && i < posts->count; i++)
        if (posts->op[i].binary && posts->op[i].other_at >= 0 &&
            (back || !dn_md_equal(&set->md[i], chosen)))
            return false;
    return true;
}

/* The images' stage of forward (y from x) or of the input's gradient (x from y). */
static cr_status add_images(dn_plan *plan, const dn_conv *c, bool forward)
{
    cr_status status;
    if (forward && dn_conv_one_image(plan, c, &status))
        return status;
    int64_t piece = piece_of(c);
    dn_conv_parts p;
    dn_post_set set;
    dnnl_primitive_desc_t pd = NULL, hint = NULL;
    bool norm = c->posts && c->posts->norm;
    const dn_md *bias = forward && (c->bias || norm) ? &p.bias : NULL;
    dnnl_status_t made = dn_conv_parts_make(c, forward ? DN_FORWARD : DN_DATA, piece, &p);
    if (!made && norm) { /* less the mean, in f32 */
        dn_md_free(&p.bias);
        made = dn_md_tag(&p.bias, 1, &c->posts->channels, dnnl_f32, dnnl_a);
    }
    dnnl_status_t posts = dn_describe_posts(c->posts, piece, &set);
    made = made ? made : posts;
    if (!made)
        made = dn_pd_conv_forward(&hint, dn_engine, c->posts ? set.attr : dn_attr, &p.any_x,
                                  &p.any_w, bias, &p.any_y, &c->shape.window);
    if (!made && forward) {
        pd = hint;
        hint = NULL;
        made =
            dn_conv_parts_read(&p, pd, dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md);
    } else if (!made) {
        made = dn_pd_conv_data(&pd, dn_engine, dn_attr, &p.any_x, &p.any_w, &p.any_y,
                               &c->shape.window, hint);
        made = made ? made
                    : dn_conv_parts_read(&p, pd, dnnl_query_diff_src_md, dnnl_query_weights_md,
                                         dnnl_query_diff_dst_md);
    }
    status = dn_status(plan, made, "describe");
    dn_where w, from = forward ? dn_images(c->x, c->x_at) : dn_images(c->y, c->y_at),
                to = forward ? dn_images(c->y, c->y_at) : dn_images(c->x, c->x_at), into = to;
    const dn_md *md_from = forward ? &p.x : &p.y, *md_to = forward ? &p.y : &p.x;
    const dn_md *chosen_from = forward ? &p.chosen_x : &p.chosen_y;
    const dn_md *chosen_to = forward ? &p.chosen_y : &p.chosen_x;
    if (status == CR_OK)
        status = dn_reorder_weights(plan, c, &p, &w);
    dn_stage *stage =
        status == CR_OK ? dn_stage_add(plan, c->shape.n, piece, c->shape.flops / 100) : NULL;
    if (status == CR_OK)
        status =
            stage ? dn_reorder_in(plan, stage, forward ? c->x : c->y, md_from, chosen_from, &from)
                  : CR_UNSUPPORTED;
    if (status == CR_OK)
        dn_keep_output(c, forward ? c->y : c->x, piece, chosen_to, &md_to);
    bool back = status == CR_OK && !dn_md_equal(md_to, chosen_to);
    if (status == CR_OK && back && !dn_take_slot(plan, dn_md_bytes(chosen_to), &into))
        status = CR_UNSUPPORTED;
    if (status == CR_OK && !dn_lie_alike(c->posts, &set, chosen_to, back))
        status = CR_UNSUPPORTED;
    if (status == CR_OK && c->posts && c->posts->own &&
        !dn_grid_chosen(chosen_to, c->y, piece, &c->posts->grid))
        status = CR_UNSUPPORTED;
    if (status == CR_OK) {
        dn_operand operands[4 + DN_POSTS] = {
            {forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, from},
            {DNNL_ARG_WEIGHTS, w},
            {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, into},
            {DNNL_ARG_BIAS, norm ? c->posts->bias : dn_value(c->bias_at, 0)},
        };
        const dn_md *mds[4 + DN_POSTS] = {chosen_from, &p.chosen_w, chosen_to, &p.bias};
        int count = bias ? 4 : 3, step = stage->nsteps;
        if (c->posts)
            count = dn_posts_operands(c->posts, &set, operands, mds, count, other_images, c->posts);
        status = dn_step_set(plan, stage, step, 0, pd, operands, mds, count);
        pd = NULL;
        if (status == CR_OK && c->posts && c->posts->own)
            dn_posts_after_images(c->posts, &stage->step[step]);
        else if (status == CR_OK && c->posts) /* all elements, those that fill blocks too */
            dn_posts_after(c->posts, &stage->step[step],
                           (int64_t)(dn_md_bytes(chosen_to) / cpu_dtype_size(c->y->dtype)) / piece,
                           1, 0);
    }
    if (status == CR_OK && back)
        status = dn_reorder_images(plan, stage, forward ? c->y : c->x, piece, md_to, to, chosen_to,
                                   into, false);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    dn_post_set_free(&set);
    dn_conv_parts_free(&p);
    return status;
}

/* ---- the two operations ---- */

static bool takes(const cpu_call *call)
{
    int32_t dtype = 0;
    for (uint32_t i = 0; i < call->nin + call->nout; i++) {
        const cr_meta *m = i < call->nin ? call->in[i] : call->out[i - call->nin];
        if (m && dtype && m->dtype != dtype)
            return false;
        dtype = m ? m->dtype : dtype;
    }
    return dn_multiplies(dtype);
}

/* Whether a result should stay in a private layout, never of f16, which nothing else reads there: what reads it may not know the tag, so the convolution has to be large
 * beside the copy out of it, or its input in a private layout already. */
static bool keeps(const dn_conv *c, const cr_meta *read, const cr_meta *written)
{
    double elements = (double)cpu_numel(written) / (double)c->shape.n;
    return read->layout ||
           (read->dtype != CR_F16 && written->size[1] >= 32 && c->shape.flops / elements >= 250);
}

/* Where the cpu backend's direct kernels win, as measured: single microseconds, and few channels, where oneDNN's blocks of
 * 16 are mostly padding. */
static bool takes_part(const dn_conv *c, dn_part part)
{
    int64_t in = c->x->size[1], out = c->y->size[1];
    bool half = c->x->dtype != CR_F32;
    if (dn_takes_tiny())
        return true;
    if ((double)c->shape.n * c->shape.flops < 20000)
        return false;
    if (c->shape.groups > 1)
        return true;
    switch (part) {
    case DN_FORWARD: return half ? in > 1 || out >= 16 : in >= 4 || out >= 32;
    case DN_DATA: return in >= (half ? 6 : 16);
    default: return out > (half ? 8 : 6);
    }
}

static cr_status plan_forward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *x = call->in[0], *w = call->in[1], *bias = call->in[2], *y = call->out[0];
    bool transposed = cpu_attr_int(call->node, "transposed", 0) != 0;
    if (!x || !w || !y || !takes(call))
        return CR_UNSUPPORTED;
    dn_conv c = {.x = transposed ? y : x,
                 .y = transposed ? x : y,
                 .w = w,
                 .x_at = transposed ? call->out_at[0] : call->in_at[0],
                 .y_at = transposed ? call->in_at[0] : call->out_at[0],
                 .w_at = call->in_at[1],
                 .info = call->info};
    if (!transposed) {
        c.bias = bias;
        c.bias_at = call->in_at[2];
    } else if (bias && bias->dtype != CR_F32) {
        return CR_UNSUPPORTED; /* the sum would be rounded twice */
    }
    if (!shape_of(call->node, c.x, c.y, w, &c.shape))
        return CR_UNSUPPORTED;
    cr_status small = transposed ? CR_UNSUPPORTED : dn_conv_small(call, &c, false, out);
    if (small != CR_UNSUPPORTED || !takes_part(&c, transposed ? DN_DATA : DN_FORWARD))
        return small;
    c.keeps = keeps(&c, x, y) && !(transposed && bias);
    dn_conv_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    cr_status status = add_images(&plan->plan, &c, !transposed);
    if (status == CR_OK && transposed && bias)
        status = dn_conv_add_bias(plan, y, call->out_at[0], bias, call->in_at[2]);
    return dn_plan_done(&plan->plan, call, status, out);
}

cr_status dn_conv_chain(const cpu_call *call, dn_posts *posts, cr_plan **out)
{
    const cr_meta *x = call->in[0], *w = call->in[1], *y = call->out[0];
    dn_conv c = {.x = x,
                 .y = y,
                 .w = w,
                 .bias = call->in[2],
                 .x_at = call->in_at[0],
                 .y_at = call->out_at[0],
                 .w_at = call->in_at[1],
                 .bias_at = call->in_at[2],
                 .info = call->info,
                 .posts = posts};
    dn_conv_plan *plan = NULL;
    if (x && w && y && takes(call) && x->dtype != CR_F16 &&
        !cpu_attr_int(call->node, "transposed", 0) && shape_of(call->node, x, y, w, &c.shape) &&
        !dn_conv_is_small(call, &c) && takes_part(&c, DN_FORWARD))
        plan = dn_plan_new(call, sizeof *plan);
    if (!plan) {
        free(posts);
        return CR_UNSUPPORTED;
    }
    c.keeps = keeps(&c, x, y);
    cr_status status = dn_posts_own(&plan->plan, posts);
    if (status == CR_OK)
        status = add_images(&plan->plan, &c, true);
    return dn_plan_done(&plan->plan, call, status, out);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **out)
{
    const cr_meta *grad = call->in[0], *input = call->in[1], *w = call->in[2];
    bool transposed = cpu_attr_int(call->node, "transposed", 0) != 0;
    if (!grad || !input || !w || call->nout != 3 || !takes(call))
        return CR_UNSUPPORTED;
    /* The plain convolution whose parts are wanted, reading what is given. */
    dn_conv c = {.x = transposed ? grad : input,
                 .y = transposed ? input : grad,
                 .w = w,
                 .x_at = call->in_at[transposed ? 0 : 1],
                 .y_at = call->in_at[transposed ? 1 : 0],
                 .w_at = call->in_at[2],
                 .info = call->info};
    if (!shape_of(call->node, c.x, c.y, w, &c.shape))
        return CR_UNSUPPORTED;
    cr_status small = transposed ? CR_UNSUPPORTED : dn_conv_small(call, &c, true, out);
    if (small != CR_UNSUPPORTED)
        return small;
    if ((call->out[0] && !takes_part(&c, transposed ? DN_FORWARD : DN_DATA)) ||
        (call->out[1] && !takes_part(&c, DN_WEIGHTS)) || (!call->out[0] && !call->out[1]))
        return CR_UNSUPPORTED;
    dn_conv_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    cr_status status = CR_OK;
    if (call->out[0]) {
        dn_conv data = c;
        *(transposed ? &data.y : &data.x) = call->out[0];
        *(transposed ? &data.y_at : &data.x_at) = call->out_at[0];
        data.keeps = input->layout != 0; /* then its other reader knows it */
        status = add_images(&plan->plan, &data, transposed);
        dn_free_shared(&plan->plan);
    }
    /* What sums the channels reads strides. */
    if (call->out[2] && (transposed || !call->out[1]) && grad->layout && status == CR_OK)
        status = CR_UNSUPPORTED;
    bool own_sum = call->out[2] && (transposed || !call->out[1]);
    if (status == CR_OK && call->out[1]) {
        dn_conv weights = c;
        weights.w = call->out[1];
        weights.w_at = call->out_at[1];
        if (call->out[2] && !own_sum) {
            weights.bias = call->out[2];
            weights.bias_at = call->out_at[2];
        }
        status = dn_conv_weights(plan, &weights);
    }
    if (status == CR_OK && own_sum)
        status = dn_conv_sum_channels(plan, grad, call->in_at[0], call->out[2], call->out_at[2]);
    return dn_plan_done(&plan->plan, call, status, out);
}

const cpu_op dn_family_conv[] = {
    {"convolution", plan_forward},
    {"convolution_backward", plan_backward},
    {NULL, NULL},
};
