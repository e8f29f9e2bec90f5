/* Convolution and its gradients as products, the windows found by coordinates and never written
 * down. Three forms serve all six: the windowed product (forward, and the input gradient of a
 * transposed one), the scattered one (the other way round), and the weight's. */
#include "product.h"
#include "reduce.h"

#include <string.h>

/* What the node says, its spatial dimensions the last n of three. */
typedef struct conv {
    int n;
    int64_t stride[3], padding[3], dilation[3], groups;
    bool transposed;
} conv;

/* A value by its batch, channels and space; of a weight: outputs, inputs of a group, and kernel. */
typedef struct field {
    int64_t size[2], stride[2], space[3], step[3];
} field;

static field field_of(const cr_meta *v, int n)
{
    field f = {.size = {v->size[0], v->size[1]},
               .stride = {v->stride[0], v->stride[1]},
               .space = {1, 1, 1}};
    for (int i = 0; i < n; i++) {
        f.space[3 - n + i] = v->size[2 + i];
        f.step[3 - n + i] = v->stride[2 + i];
    }
    return f;
}

static bool read_ints(const cr_graph_node *node, const char *name, int n, int64_t fallback,
                      int64_t to[3])
{
    int count;
    const int64_t *from = vk_attr_ints(node, name, &count);
    for (int i = 0; i < 3; i++) {
        int k = i - (3 - n);
        to[i] = k < 0 || !count ? fallback : from[count == 1 ? 0 : k];
        if (k >= 0 && count > 1 && count != n)
            return false;
        if (to[i] < 0 || to[i] > INT32_MAX / 4)
            return false;
    }
    return true;
}

static bool read_conv(const cr_graph_node *node, const cr_meta *weight, conv *c)
{
    c->n = weight->rank - 2;
    c->groups = vk_attr_int(node, "groups", 1);
    c->transposed = vk_attr_int(node, "transposed", 0) != 0;
    return c->n >= 1 && c->n <= 3 && c->groups > 0 &&
           read_ints(node, "stride", c->n, 1, c->stride) &&
           read_ints(node, "padding", c->n, 0, c->padding) &&
           read_ints(node, "dilation", c->n, 1, c->dilation) && c->stride[0] && c->stride[1] &&
           c->stride[2];
}

/* ---- the three products ---- */

/* An axis along spatial dimension i with `by` steps of the windows' coordinate. */
static void add_space(vk_axis *axes, int *rank, int i, int64_t size, int64_t a, int64_t c,
                      int64_t by)
{
    vk_axis_add(axes, rank, size, a, 0, c, 0);
    axes[*rank - 1].coordinate[i] = (int32_t)by;
}

static void set_windows(vk_product *p, const conv *c, const field *over, int mode)
{
    p->mode = mode;
    p->spatial = c->n;
    for (int i = 0; i < 3; i++) {
        p->block.base[i] = (int32_t)(mode == VK_WINDOWS ? -c->padding[i] : c->padding[i]);
        p->block.extent[i] = (int32_t)over->space[i];
        p->block.divide_by[i] = (int32_t)c->stride[i];
        p->block.spatial[i] = (uint32_t)over->step[i];
    }
}

/* y[b, o, q] = sum of w[o, c, r] x[b, c, q stride - padding + r dilation]; bias: the stride of C0
 * along o, 0 without. */
static void windowed(vk_product *p, const conv *c, const field *x, const field *w, const field *y,
                     int64_t bias)
{
    vk_product_block *b = &p->block;
    int one = 0;
    int64_t outputs = y->size[1] / c->groups, inputs = x->size[1] / c->groups;
    vk_axis_add(b->b_axis, &one, c->groups, outputs * w->stride[0], inputs * x->stride[1],
                outputs * y->stride[1], outputs * bias);
    vk_axis_add(b->m_axis, &p->m_rank, outputs, w->stride[0], 0, y->stride[1], bias);
    vk_axis_add(b->k_axis, &p->k_rank, inputs, w->stride[1], x->stride[1], 0, 0);
    vk_axis_add(b->n_axis, &p->n_rank, x->size[0], 0, x->stride[0], y->stride[0], 0);
    for (int i = 0; i < 3; i++) {
        add_space(b->k_axis, &p->k_rank, i, w->space[i], w->step[i], 0, c->dilation[i]);
        add_space(b->n_axis, &p->n_rank, i, y->space[i], 0, y->step[i], c->stride[i]);
    }
    set_windows(p, c, x, VK_WINDOWS);
}

/* x[b, c, s] = sum of w[o, c, r] y[b, o, (s + padding - r dilation) / stride] where that is whole. */
static void scattered(vk_product *p, const conv *c, const field *x, const field *w, const field *y,
                      int64_t bias)
{
    vk_product_block *b = &p->block;
    int one = 0;
    int64_t outputs = y->size[1] / c->groups, inputs = x->size[1] / c->groups;
    vk_axis_add(b->b_axis, &one, c->groups, outputs * w->stride[0], outputs * y->stride[1],
                inputs * x->stride[1], inputs * bias);
    vk_axis_add(b->m_axis, &p->m_rank, inputs, w->stride[1], 0, x->stride[1], bias);
    vk_axis_add(b->k_axis, &p->k_rank, outputs, w->stride[0], y->stride[1], 0, 0);
    vk_axis_add(b->n_axis, &p->n_rank, x->size[0], 0, y->stride[0], x->stride[0], 0);
    for (int i = 0; i < 3; i++) {
        add_space(b->k_axis, &p->k_rank, i, w->space[i], w->step[i], 0, -c->dilation[i]);
        add_space(b->n_axis, &p->n_rank, i, x->space[i], 0, x->step[i], 1);
    }
    set_windows(p, c, y, VK_SCATTERED);
}

/* w[o, c, r] = sum of y[b, o, q] x[b, c, q stride - padding + r dilation] */
static void weighted(vk_product *p, const conv *c, const field *x, const field *w, const field *y)
{
    vk_product_block *b = &p->block;
    int one = 0;
    int64_t outputs = y->size[1] / c->groups, inputs = x->size[1] / c->groups;
    vk_axis_add(b->b_axis, &one, c->groups, outputs * y->stride[1], inputs * x->stride[1],
                outputs * w->stride[0], 0);
    vk_axis_add(b->m_axis, &p->m_rank, outputs, y->stride[1], 0, w->stride[0], 0);
    vk_axis_add(b->k_axis, &p->k_rank, x->size[0], y->stride[0], x->stride[0], 0, 0);
    vk_axis_add(b->n_axis, &p->n_rank, inputs, 0, x->stride[1], w->stride[1], 0);
    for (int i = 0; i < 3; i++) {
        add_space(b->k_axis, &p->k_rank, i, y->space[i], y->step[i], 0, c->stride[i]);
        add_space(b->n_axis, &p->n_rank, i, w->space[i], 0, w->step[i], c->dilation[i]);
    }
    set_windows(p, c, x, VK_WINDOWS);
}

/* ---- plans ---- */

typedef struct conv_plan {
    struct cr_plan base;
    vk_product_steps x, w; /* of the output or the input gradient; of the weight's */
    vk_reduction bias;
    bool has_x, has_w, has_bias;
} conv_plan;

static cr_status conv_run(cr_plan *plan, const cr_run *run)
{
    const conv_plan *p = (const conv_plan *)plan;
    cr_status status = CR_OK;
    if (p->has_x)
        status = vk_product_run(plan, &p->x, run);
    if (p->has_w && status == CR_OK)
        status = vk_product_run(plan, &p->w, run);
    if (p->has_bias && status == CR_OK)
        status = vk_reduce_run(plan, &p->bias, run);
    return status;
}

static vk_product product_of(int32_t dtype, int a, int b, int c, int c0)
{
    return (vk_product){
        .from = dtype, .to = dtype, .at = {a, b, c, c0}, .alpha_at = -1, .beta_at = -1};
}

static bool fits(const cr_meta *v, int rank, int32_t dtype)
{
    return v && v->rank == rank && v->dtype == dtype;
}

static cr_status plan_convolution(const vk_call *call, cr_plan **plan)
{
    conv c;
    if (call->nin < 2 || call->nout != 1 || !call->in[0] || !call->in[1] || !call->out[0] ||
        !vk_is_float(call->in[0]->dtype) || !read_conv(call->node, call->in[1], &c))
        return CR_UNSUPPORTED;
    const cr_meta *bias = call->nin > 2 ? call->in[2] : NULL;
    int32_t dtype = call->in[0]->dtype;
    if (!fits(call->in[0], c.n + 2, dtype) || !fits(call->in[1], c.n + 2, dtype) ||
        !fits(call->out[0], c.n + 2, dtype) || (bias && !fits(bias, 1, dtype)))
        return CR_UNSUPPORTED;
    field x = field_of(call->in[0], c.n), w = field_of(call->in[1], c.n),
          y = field_of(call->out[0], c.n);
    vk_product p = product_of(dtype, call->in_at[1], call->in_at[0], call->out_at[0],
                              bias ? call->in_at[2] : -1);
    if (call->follow)
        p.follow = *call->follow;
    if (c.transposed)
        scattered(&p, &c, &y, &w, &x, bias ? bias->stride[0] : 0);
    else
        windowed(&p, &c, &x, &w, &y, bias ? bias->stride[0] : 0);
    conv_plan *v = vk_plan_new(call->device, sizeof *v, conv_run);
    if (!v)
        return CR_OUT_OF_MEMORY;
    v->has_x = true;
    return vk_plan_done(&v->base, vk_product_add(&v->base, &p, call->info, &v->x), plan);
}

static cr_status add_bias(const vk_call *call, conv_plan *v)
{
    v->has_bias = true;
    v->bias = (vk_reduction){
        .op = VK_SUM, .in_at = call->in_at[0], .out_at = call->out_at[2], .values_at = -1};
    for (int d = 0; d < call->in[0]->rank; d++)
        v->bias.is_reduced[d] = d != 1;
    return vk_reduce_add(&v->base, &v->bias, call->in[0], call->out[2], NULL, call->info);
}

/* grad_output, input, weight to the gradients of input, weight and bias, those that are wanted. */
static cr_status plan_backward(const vk_call *call, cr_plan **plan)
{
    conv c;
    if (call->nin < 3 || call->nout != 3 || !call->in[0] || !call->in[1] || !call->in[2] ||
        !vk_is_float(call->in[0]->dtype) || !read_conv(call->node, call->in[2], &c))
        return CR_UNSUPPORTED;
    int32_t dtype = call->in[0]->dtype;
    for (int i = 0; i < 3; i++)
        if (!fits(call->in[i], c.n + 2, dtype) ||
            (call->out[i] && !fits(call->out[i], i == 2 ? 1 : c.n + 2, dtype)))
            return CR_UNSUPPORTED;
    field dy = field_of(call->in[0], c.n), x = field_of(call->in[1], c.n),
          w = field_of(call->in[2], c.n);
    conv_plan *v = vk_plan_new(call->device, sizeof *v, conv_run);
    if (!v)
        return CR_OUT_OF_MEMORY;
    cr_status status = CR_OK;
    if (call->out[0]) {
        field dx = field_of(call->out[0], c.n);
        vk_product p = product_of(dtype, call->in_at[2], call->in_at[0], call->out_at[0], -1);
        if (c.transposed)
            windowed(&p, &c, &dy, &w, &dx, 0);
        else
            scattered(&p, &c, &dx, &w, &dy, 0);
        v->has_x = true;
        status = vk_product_add(&v->base, &p, call->info, &v->x);
    }
    if (call->out[1] && status == CR_OK) {
        field dw = field_of(call->out[1], c.n);
        int large = c.transposed ? 0 : 1; /* the one that the windows slide over */
        vk_product p =
            product_of(dtype, call->in_at[1 - large], call->in_at[large], call->out_at[1], -1);
        if (c.transposed)
            weighted(&p, &c, &dy, &dw, &x);
        else
            weighted(&p, &c, &x, &dw, &dy);
        v->has_w = true;
        status = vk_product_add(&v->base, &p, call->info, &v->w);
    }
    if (call->out[2] && status == CR_OK)
        status = add_bias(call, v);
    return vk_plan_done(&v->base, status, plan);
}

const vk_op vk_family_conv[] = {
    {"convolution", plan_convolution},
    {"convolution_backward", plan_backward},
    {NULL, NULL},
};
