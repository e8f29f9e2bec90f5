/* Maximum and mean pooling over one plane of two or three dimensions, and their gradients. */
#include "plan.h"

#include <string.h>

enum { MAX, MAX_BACK, MEAN, MEAN_BACK, MAX_BACK_APART }; /* shaders/pool.comp */
enum { X, Y, INDEX };

/* Uniform block of shaders/pool.comp. */
typedef struct pool_block {
    uint32_t count;
    int32_t divisor, count_pad;
    uint32_t unused;
    int32_t k[4], stride[4], pad[4], dil[4], x_size[4], y_size[4];
    vk_dim axis[5];
    uint32_t step[3][4];
} pool_block;

typedef struct pool_plan {
    struct cr_plan base;
    int out_at, in_at, index_at;
    bool index_written, empty;
} pool_plan;

static cr_status pool_run(cr_plan *plan, const cr_run *run)
{
    const pool_plan *p = (const pool_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    vk_bind(&launch, 1, &run->values[p->in_at], 0, false);
    vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
    if (p->index_at >= 0)
        vk_bind(&launch, 2, &run->values[p->index_at], 0, p->index_written);
    return vk_record(plan->device, &launch);
}

static bool read_ints(const cr_graph_node *node, const char *name, int n, const int32_t *fallback,
                      int32_t least, int32_t to[4])
{
    int count;
    const int64_t *from = vk_attr_ints(node, name, &count);
    for (int d = 0; d < 3; d++) {
        int k = d - (3 - n);
        int64_t value = k < 0 || !count ? fallback[d] : from[count == 1 ? 0 : k];
        if ((k >= 0 && count > 1 && count != n) || value < least || value > INT32_MAX / 4)
            return false;
        to[d] = (int32_t)value;
    }
    return true;
}

/* A value's sizes along the space, and its strides along batch, channels and space. */
static void lay(pool_block *b, int which, const cr_meta *v, int n)
{
    int lead = v->rank - n;
    for (int d = 0; d < 2; d++)
        b->axis[d].stride[which] = d - (2 - lead) < 0 ? 0 : (uint32_t)v->stride[d - (2 - lead)];
    for (int d = 0; d < 3; d++)
        b->step[which][d] = d < 3 - n ? 0 : (uint32_t)v->stride[lead + d - (3 - n)];
}

static void space_of(const cr_meta *v, int n, int32_t to[4])
{
    for (int d = 0; d < 3; d++)
        to[d] = d < 3 - n ? 1 : (int32_t)v->size[v->rank - n + d - (3 - n)];
}

static bool alike(const cr_meta *a, const cr_meta *b, int n)
{
    if (!a || !b || a->rank != b->rank || (a->rank != n + 1 && a->rank != n + 2))
        return false;
    for (int d = 0; d < a->rank - n; d++)
        if (a->size[d] != b->size[d])
            return false;
    return true;
}

static bool fill_block(const vk_call *call, int n, const cr_meta *x, const cr_meta *y,
                       const cr_meta *index, bool back, pool_block *b)
{
    static const int32_t none[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    const cr_graph_node *node = call->node;
    if (!read_ints(node, "kernel_size", n, one, 1, b->k) ||
        !read_ints(node, "stride", n, b->k, 1, b->stride) ||
        !read_ints(node, "padding", n, none, 0, b->pad) ||
        !read_ints(node, "dilation", n, one, 1, b->dil))
        return false;
    b->divisor = (int32_t)vk_attr_int(node, "divisor_override", 0);
    b->count_pad = vk_attr_int(node, "count_include_pad", 1) != 0;
    space_of(x, n, b->x_size);
    space_of(y, n, b->y_size);
    const cr_meta *over = back ? x : y;
    const int32_t *size = back ? b->x_size : b->y_size;
    int lead = over->rank - n;
    for (int d = 0; d < 2; d++)
        b->axis[d] = vk_dim_of(d - (2 - lead) < 0 ? 1 : (uint32_t)over->size[d - (2 - lead)]);
    for (int d = 0; d < 3; d++)
        b->axis[2 + d] = vk_dim_of((uint32_t)size[d]);
    lay(b, X, x, n);
    lay(b, Y, y, n);
    if (index)
        lay(b, INDEX, index, n);
    b->count = (uint32_t)vk_numel(over);
    return true;
}

/* Whether windows lie side by side from the plane's first element on; invocations then run over
 * windows, also those that would follow the last one. */
static bool lie_apart(const cr_meta *x, int n, pool_block *b)
{
    for (int d = 0; d < 3; d++)
        if (b->pad[d] || b->dil[d] != 1 || b->stride[d] != b->k[d])
            return false;
    uint64_t count = 1;
    for (int d = 0; d < x->rank - n; d++)
        count *= (uint64_t)x->size[d];
    for (int d = 0; d < 3; d++) {
        uint32_t windows = (uint32_t)((b->x_size[d] + b->k[d] - 1) / b->k[d]);
        vk_dim axis = vk_dim_of(windows);
        memcpy(axis.stride, b->axis[2 + d].stride, sizeof axis.stride);
        b->axis[2 + d] = axis;
        count *= windows;
    }
    b->count = (uint32_t)count;
    return true;
}

/* x and y are the values or their gradients; in_at is the one that is read. */
static cr_status plan_new(const vk_call *call, int op, int n, const cr_meta *x, const cr_meta *y,
                          const cr_meta *index, int in_at, int index_at, cr_plan **plan)
{
    cr_device *d = call->device;
    bool back = op == MAX_BACK || op == MEAN_BACK;
    pool_block b = {0};
    if (!alike(x, y, n) || x->dtype != y->dtype || !vk_is_float(x->dtype) ||
        (index && (!alike(index, y, n) || index->dtype != CR_I64)) ||
        !fill_block(call, n, x, y, index, back, &b))
        return CR_UNSUPPORTED;
    if (op == MAX_BACK && lie_apart(x, n, &b))
        op = MAX_BACK_APART;
    pool_plan *p = vk_plan_new(d, sizeof *p, pool_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->out_at = call->out_at[0];
    p->in_at = in_at;
    p->index_at = index_at;
    p->index_written = !back;
    p->empty = !b.count;
    uint32_t special[11] = {(uint32_t)op, (uint32_t)x->dtype};
    for (int i = 0; i < 3; i++) {
        special[2 + i] = (uint32_t)b.k[i];
        special[5 + i] = (uint32_t)b.stride[i];
        special[8 + i] = (uint32_t)b.dil[i];
    }
    cr_status status =
        p->empty
            ? CR_OK
            : vk_plan_step(&p->base, x->dtype == CR_F64 ? VK_SHADER_pool_f64 : VK_SHADER_pool_f32,
                           0, special, 11, &b, sizeof b, vk_groups(d, b.count), 1, 1);
    return vk_plan_done(&p->base, status, plan);
}

static cr_status plan_max(const vk_call *call, int n, cr_plan **plan)
{
    if (call->nin != 1 || call->nout != 2 || !call->in[0] || !call->out[0] || !call->out[1])
        return CR_UNSUPPORTED;
    return plan_new(call, MAX, n, call->in[0], call->out[0], call->out[1], call->in_at[0],
                    call->out_at[1], plan);
}

/* grad_output, self, indices */
static cr_status plan_max_back(const vk_call *call, int n, cr_plan **plan)
{
    if (call->nin != 3 || call->nout != 1 || !call->in[0] || !call->in[2] || !call->out[0])
        return CR_UNSUPPORTED;
    return plan_new(call, MAX_BACK, n, call->out[0], call->in[0], call->in[2], call->in_at[0],
                    call->in_at[2], plan);
}

static cr_status plan_mean(const vk_call *call, int n, cr_plan **plan)
{
    if (call->nin != 1 || call->nout != 1 || !call->in[0] || !call->out[0])
        return CR_UNSUPPORTED;
    return plan_new(call, MEAN, n, call->in[0], call->out[0], NULL, call->in_at[0], -1, plan);
}

/* grad_output, self */
static cr_status plan_mean_back(const vk_call *call, int n, cr_plan **plan)
{
    if (call->nin != 2 || call->nout != 1 || !call->in[0] || !call->out[0])
        return CR_UNSUPPORTED;
    return plan_new(call, MEAN_BACK, n, call->out[0], call->in[0], NULL, call->in_at[0], -1, plan);
}

#define POOL(name, function, n)                                       \
    static cr_status plan_##name(const vk_call *call, cr_plan **plan) \
    {                                                                 \
        return function(call, n, plan);                               \
    }
POOL(max2d, plan_max, 2)
POOL(max3d, plan_max, 3)
POOL(max2d_back, plan_max_back, 2)
POOL(max3d_back, plan_max_back, 3)
POOL(mean2d, plan_mean, 2)
POOL(mean3d, plan_mean, 3)
POOL(mean2d_back, plan_mean_back, 2)
POOL(mean3d_back, plan_mean_back, 3)

const vk_op vk_family_pool[] = {
    {"max_pool2d_with_indices", plan_max2d},
    {"max_pool3d_with_indices", plan_max3d},
    {"max_pool2d_with_indices_backward", plan_max2d_back},
    {"max_pool3d_with_indices_backward", plan_max3d_back},
    {"avg_pool2d", plan_mean2d},
    {"avg_pool3d", plan_mean3d},
    {"avg_pool2d_backward", plan_mean2d_back},
    {"avg_pool3d_backward", plan_mean3d_back},
    {NULL, NULL},
};
