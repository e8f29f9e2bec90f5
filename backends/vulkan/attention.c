/* _blocked_attention and its backward: see shaders/attention.comp. Values wider than what a group's
 * registers hold are left to the operation's decomposition. */
#include "plan.h"

#include <string.h>

enum { BLOCK = 32, CHUNK = 32, GROUP = 64, WIDEST = 256 };
enum { FORWARD, QUERIES, KEYS }; /* PASS */

typedef struct lies { /* how a value lies: batch, head, row, column */
    uint32_t stride[4];
} lies;

/* Uniform block of shaders/attention.comp. */
typedef struct attention_block {
    uint32_t heads, targets, sources, width, values, unused[3];
    lies q, k, v, mask, g, y, out, dv;
} attention_block;

/* Places in cr_run.values, -1 for what there is not. */
typedef struct attention_plan {
    struct cr_plan base;
    int q, k, v, mask, g, y, lse;
    int out[3]; /* output and lse, or the gradients of query, key and value */
    int scale_at, dropout_at, seed_at, offset_at;
    int mask_kind; /* MASK */
    vk_class class;
    size_t sums; /* of g y, for each row: their place in the workspace */
    bool back;
} attention_plan;

static void bind_numbers(vk_launch *launch, const attention_plan *p, const cr_run *run)
{
    double dropout = p->dropout_at < 0 ? 0 : run->numbers[p->dropout_at].f;
    float drop = (float)dropout, kept = (float)(1 / (1 - dropout));
    uint64_t offset = p->offset_at < 0 ? 0 : (uint64_t)run->numbers[p->offset_at].i;
    launch->args.number[0] = vk_number_bits(&run->numbers[p->scale_at], p->class, CR_DTYPE_NONE);
    launch->args.number[1] = p->seed_at < 0 ? 0 : (uint64_t)run->numbers[p->seed_at].i;
    launch->args.word[0] = (uint32_t)offset;
    launch->args.word[1] = (uint32_t)(offset >> 32);
    memcpy(&launch->args.word[2], &drop, sizeof drop);
    memcpy(&launch->args.word[3], &kept, sizeof kept);
}

/* A launch of step i with what all passes read. */
static vk_launch begin(const attention_plan *p, int i, const cr_run *run)
{
    vk_launch launch = vk_step_launch(&p->base, i);
    vk_bind(&launch, 1, &run->values[p->q], 0, false);
    vk_bind(&launch, 2, &run->values[p->k], 0, false);
    vk_bind(&launch, 3, &run->values[p->v], 0, false);
    if (p->mask >= 0)
        vk_bind(&launch, 5, &run->values[p->mask], 0, false);
    bind_numbers(&launch, p, run);
    return launch;
}

static cr_status attention_run(cr_plan *plan, const cr_run *run)
{
    const attention_plan *p = (const attention_plan *)plan;
    vk_launch launch = begin(p, 0, run);
    vk_bind(&launch, 0, &run->values[p->out[0]], 0, true);
    if (!p->back) {
        vk_bind(&launch, 4, &run->values[p->out[1]], 0, true);
        return vk_record(plan->device, &launch);
    }
    vk_bind(&launch, 4, &run->values[p->lse], 0, false);
    vk_bind(&launch, 6, &run->values[p->g], 0, false);
    vk_bind(&launch, 7, &run->values[p->y], 0, false);
    vk_bind(&launch, 8, &run->workspace, p->sums, true);
    cr_status status = vk_record(plan->device, &launch);
    if (status != CR_OK)
        return status;
    launch = begin(p, 1, run);
    vk_bind(&launch, 0, &run->values[p->out[1]], 0, true);
    vk_bind(&launch, 4, &run->values[p->lse], 0, false);
    vk_bind(&launch, 6, &run->values[p->g], 0, false);
    vk_bind(&launch, 7, &run->values[p->out[2]], 0, true);
    vk_bind(&launch, 8, &run->workspace, p->sums, false);
    return vk_record(plan->device, &launch);
}

/* ---- plans ---- */

static lies lies_of(const cr_meta *v)
{
    lies l = {{0}};
    for (int d = 0; d < 4; d++)
        l.stride[d] = (uint32_t)v->stride[d];
    return l;
}

static bool fits(const cr_meta *v, int32_t dtype, int64_t batch, int64_t heads, int64_t rows,
                 int64_t width)
{
    return v && v->rank == 4 && v->dtype == dtype && v->size[0] == batch && v->size[1] == heads &&
           v->size[2] == rows && v->size[3] == width;
}

static uint32_t chunks_of(int64_t width)
{
    return width <= CHUNK ? 1 : (uint32_t)((width + CHUNK - 1) / CHUNK);
}

/* Whether a group's loops end before those of the device do. */
static bool ends_in_time(const cr_device *d, const attention_block *b)
{
    uint32_t longest = b->sources > b->targets ? b->sources : b->targets;
    uint64_t each = 128 + 6 * (uint64_t)(b->width + b->values);
    return (longest / BLOCK + 1) * each < d->loops;
}

static cr_status add_pass(attention_plan *p, int pass, const attention_block *b,
                          const cr_graph_node *node, int32_t dtype, uint64_t heads)
{
    static const vk_shader shaders[3][2] = {{VK_SHADER_attention_0_f32, VK_SHADER_attention_0_f64},
                                            {VK_SHADER_attention_1_f32, VK_SHADER_attention_1_f64},
                                            {VK_SHADER_attention_2_f32, VK_SHADER_attention_2_f64}};
    uint32_t special[] = {
        (uint32_t)dtype,    (uint32_t)p->mask_kind, vk_attr_int(node, "is_causal", 0) != 0,
        p->dropout_at >= 0, chunks_of(b->width),    chunks_of(b->values)};
    uint64_t own = pass == KEYS ? b->sources : b->targets;
    return vk_plan_step(&p->base, shaders[pass][p->class == VK_DOUBLE], GROUP, special, 6, b,
                        sizeof *b, (own + BLOCK - 1) / BLOCK, heads, 1);
}

/* The node's values by what they are; null where there is none. */
typedef struct parts {
    const cr_meta *q, *k, *v, *mask, *g, *y, *lse, *dq, *dk, *dv;
} parts;

static bool read_parts(const vk_call *call, bool back, parts *p)
{
    const uint32_t first = back ? 1 : 0, nin = back ? 6 : 3, nout = back ? 3 : 2;
    if (call->nin < nin || call->nout != nout)
        return false;
    for (uint32_t i = 0; i < nin; i++)
        if (!call->in[i])
            return false;
    for (uint32_t i = 0; i < nout; i++)
        if (!call->out[i])
            return false;
    *p = (parts){.q = call->in[first],
                 .k = call->in[first + 1],
                 .v = call->in[first + 2],
                 .mask = call->nin > nin ? call->in[nin] : NULL,
                 .g = back ? call->in[0] : NULL,
                 .y = back ? call->in[4] : call->out[0],
                 .lse = back ? call->in[5] : call->out[1],
                 .dq = back ? call->out[0] : NULL,
                 .dk = back ? call->out[1] : NULL,
                 .dv = back ? call->out[2] : NULL};
    return p->q->rank == 4 && p->k->rank == 4 && p->v->rank == 4 && vk_is_float(p->q->dtype);
}

static bool all_fit(const parts *p, bool back)
{
    const int32_t dtype = p->q->dtype;
    const int64_t batch = p->q->size[0], heads = p->q->size[1], targets = p->q->size[2],
                  width = p->q->size[3], sources = p->k->size[2], values = p->v->size[3];
    int32_t masks = p->mask && p->mask->dtype == CR_B8 ? CR_B8 : dtype;
    return width <= WIDEST && values <= WIDEST && fits(p->k, dtype, batch, heads, sources, width) &&
           fits(p->v, dtype, batch, heads, sources, values) &&
           (!p->mask || fits(p->mask, masks, batch, heads, targets, sources)) &&
           fits(p->y, dtype, batch, heads, targets, values) && vk_is_contiguous(p->lse) &&
           p->lse->dtype == (dtype == CR_F64 ? CR_F64 : CR_F32) &&
           vk_numel(p->lse) == batch * heads * targets &&
           (!back || (fits(p->g, dtype, batch, heads, targets, values) &&
                      fits(p->dq, dtype, batch, heads, targets, width) &&
                      fits(p->dk, dtype, batch, heads, sources, width) &&
                      fits(p->dv, dtype, batch, heads, sources, values)));
}

static cr_status plan_any(const vk_call *call, bool back, cr_plan **plan)
{
    enum { DOUBLES = 27 << 10 }; /* bytes of shared memory that the kernels of f64 have */
    cr_device *d = call->device;
    parts v;
    if (!read_parts(call, back, &v) || !all_fit(&v, back) || vk_number_at(call->node, "scale") < 0)
        return CR_UNSUPPORTED;
    attention_block b = {.heads = (uint32_t)v.q->size[1],
                         .targets = (uint32_t)v.q->size[2],
                         .sources = (uint32_t)v.k->size[2],
                         .width = (uint32_t)v.q->size[3],
                         .values = (uint32_t)v.v->size[3],
                         .q = lies_of(v.q),
                         .k = lies_of(v.k),
                         .v = lies_of(v.v),
                         .y = lies_of(v.y),
                         .out = lies_of(back ? v.dq : v.y)};
    if (v.mask)
        b.mask = lies_of(v.mask);
    if (back) {
        b.g = lies_of(v.g);
        b.dv = lies_of(v.dv);
    }
    vk_class class = vk_class_of(d, v.q->dtype);
    if (!ends_in_time(d, &b) ||
        (class == VK_DOUBLE && d->profile->limits.maxComputeSharedMemorySize < DOUBLES))
        return CR_UNSUPPORTED;
    attention_plan *p = vk_plan_new(d, sizeof *p, attention_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    const int first = back ? 1 : 0;
    p->back = back;
    p->class = class;
    p->q = call->in_at[first];
    p->k = call->in_at[first + 1];
    p->v = call->in_at[first + 2];
    p->mask = v.mask ? call->in_at[back ? 6 : 3] : -1;
    p->mask_kind = !v.mask ? 0 : v.mask->dtype == CR_B8 ? 1 : 2;
    p->g = back ? call->in_at[0] : -1;
    p->y = back ? call->in_at[4] : -1;
    p->lse = back ? call->in_at[5] : -1;
    for (uint32_t i = 0; i < call->nout; i++)
        p->out[i] = call->out_at[i];
    p->scale_at = vk_number_at(call->node, "scale");
    p->dropout_at = vk_number_at(call->node, "dropout_p");
    p->seed_at = vk_number_at(call->node, "seed");
    p->offset_at = vk_number_at(call->node, "offset");
    const uint64_t heads = (uint64_t)b.heads * (uint64_t)v.q->size[0];
    cr_status status = add_pass(p, back ? QUERIES : FORWARD, &b, call->node, v.q->dtype, heads);
    if (back && status == CR_OK) {
        p->sums = vk_workspace(call->info, heads * b.targets * (class == VK_DOUBLE ? 8 : 4));
        b.out = lies_of(v.dk);
        status = add_pass(p, KEYS, &b, call->node, v.q->dtype, heads);
    }
    return vk_plan_done(&p->base, status, plan);
}

static cr_status plan_forward(const vk_call *call, cr_plan **plan)
{
    return plan_any(call, false, plan);
}

static cr_status plan_backward(const vk_call *call, cr_plan **plan)
{
    return plan_any(call, true, plan);
}

const vk_op vk_family_attention[] = {
    {"_blocked_attention", plan_forward},
    {"_blocked_attention_backward", plan_backward},
    {NULL, NULL},
};
