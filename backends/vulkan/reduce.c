/* Reductions, in one pass or two: where there are few outputs, the terms of each are cut into
 * chunks, and a second pass joins the parts. The order is fixed, so results repeat. */
#include "reduce.h"

#include <string.h>

enum { WHOLE, TO_PARTS, FROM_PARTS }; /* PARTS in shaders/reduce.glsl */

/* Uniform block of shaders/reduce.glsl. */
typedef struct reduce_block {
    uint32_t outputs, terms, chunks, chunk, divisor, unused[3];
    vk_dim kept[CR_MAX_RANK], reduced[CR_MAX_RANK];
} reduce_block;

cr_status vk_reduce_run(const cr_plan *plan, const vk_reduction *r, const cr_run *run)
{
    if (r->empty)
        return CR_OK;
    vk_launch first = vk_step_launch(plan, r->first);
    vk_bind(&first, 1, &run->values[r->in_at], 0, false);
    return vk_reduce_launch(plan, r, run, &first);
}

cr_status vk_reduce_launch(const cr_plan *plan, const vk_reduction *r, const cr_run *run,
                           vk_launch *first)
{
    vk_launch *last = first, second;
    if (r->two) {
        vk_bind(first, 0, &run->workspace, r->parts, true);
        if (r->arg)
            vk_bind(first, 3, &run->workspace, r->places, true);
        cr_status status = vk_record(plan->device, first);
        if (status != CR_OK)
            return status;
        second = vk_step_launch(plan, r->first + 1);
        last = &second;
        vk_bind(last, 1, &run->workspace, r->parts, false);
        if (r->arg)
            vk_bind(last, 4, &run->workspace, r->places, false);
    }
    vk_bind(last, 0, &run->values[r->out_at], 0, true);
    if (r->values_at >= 0)
        vk_bind(last, 2, &run->values[r->values_at], 0, true);
    return vk_record(plan->device, last);
}

/* ---- geometry ---- */

typedef struct spaces {
    vk_space kept, reduced; /* kept: the output, the input, the values; reduced: the input */
} spaces;

/* Splits the input's dimensions; false where the output's sizes disagree. */
static bool split_dims(const vk_reduction *r, const cr_meta *in, const cr_meta *out,
                       const cr_meta *values, spaces *s)
{
    int to = 0;
    cr_meta kept[3] = {*in, *in, *in}, reduced = *in;
    kept[0].rank = kept[1].rank = kept[2].rank = reduced.rank = 0;
    for (int d = 0; d < in->rank; d++) {
        if (r->is_reduced[d]) {
            reduced.size[reduced.rank] = in->size[d];
            reduced.stride[reduced.rank++] = in->stride[d];
            to += r->keepdim;
            continue;
        }
        if (to >= out->rank || out->size[to] != in->size[d])
            return false;
        int k = kept[0].rank;
        for (int v = 0; v < 3; v++) {
            kept[v].size[k] = in->size[d];
            kept[v].stride[k] = v == 0   ? out->stride[to]
                                : v == 1 ? in->stride[d]
                                         : values->stride[to];
            kept[v].rank = k + 1;
        }
        to++;
    }
    const cr_meta *all[3] = {&kept[0], &kept[1], &kept[2]}, *terms = &reduced;
    s->kept = vk_space_of(3, all, false);
    s->reduced = vk_space_of(1, &terms, true);
    return true;
}

static void set_dims(vk_dim *dims, const vk_space *s)
{
    for (int d = 0; d < s->rank; d++) {
        dims[d] = vk_dim_of((uint32_t)s->size[d]);
        for (int v = 0; v < 3; v++)
            dims[d].stride[v] = (uint32_t)s->stride[v][d];
    }
}

/* ---- how to share the work ---- */

typedef struct shares {
    uint32_t group, chunks;
    bool grouped;
} shares;

static shares share(const cr_device *d, const spaces *s)
{
    shares w = {0, 1, false};
    int64_t outputs = s->kept.numel, terms = s->reduced.numel;
    int64_t wanted, least; /* units, and terms of a chunk */
    if (d->is_cpu) {
        /* Groups that wait for each other cost a software device more than they share. */
        w.group = 16;
        wanted = 64;
        least = 64;
    } else {
        bool rows = s->reduced.rank && s->reduced.stride[0][s->reduced.rank - 1] == 1;
        w.grouped = terms >= 32 && (rows || outputs < 8192);
        w.group = d->group;
        wanted = w.grouped ? 512 : 16384;
        least = w.grouped ? 8 * (int64_t)d->group : 256;
    }
    if (outputs && outputs < wanted && terms >= 2 * least) {
        int64_t chunks = (wanted + outputs - 1) / outputs, most = terms / least;
        w.chunks = (uint32_t)(chunks < most ? chunks : most);
    }
    /* A unit's terms within half of the loops that the driver allows. */
    int64_t most = w.grouped ? d->loops / 2 * (int64_t)w.group : d->loops / 2;
    if (terms / w.chunks >= most)
        w.chunks = (uint32_t)(terms / most + 1);
    return w;
}

static uint64_t units_to_groups(const shares *w, uint64_t units)
{
    uint64_t groups = w->grouped ? units : (units + w->group - 1) / w->group;
    return groups < 65535 ? groups : 65535;
}

/* ---- steps ---- */

/* The first step of what a chain makes. */
static cr_status add_chained(cr_plan *plan, vk_reduction *r, const reduce_block *b,
                             const uint32_t *special, const shares *w, uint64_t groups)
{
    char block[VK_CONSTANT_BYTES];
    if (sizeof *b + r->chain_bytes > sizeof block)
        return CR_UNSUPPORTED;
    memcpy(block, b, sizeof *b);
    memcpy(block + sizeof *b, r->chain, r->chain_bytes);
    memcpy(r->special, special, sizeof r->special);
    r->group = w->group;
    return vk_plan_bare_step(plan, block, sizeof *b + r->chain_bytes, groups, 1, 1);
}

static cr_status add_passes(cr_plan *plan, vk_reduction *r, vk_shader shader, const spaces *s,
                            int32_t from, int32_t to, const shares *w)
{
    static const uint8_t wide[] = {
        [VK_FLOAT] = CR_F32, [VK_DOUBLE] = CR_F64, [VK_INT] = CR_I32, [VK_LONG] = CR_I64};
    uint32_t terms = (uint32_t)s->reduced.numel, outputs = (uint32_t)s->kept.numel;
    reduce_block b = {.outputs = outputs,
                      .terms = terms,
                      .chunks = w->chunks,
                      .chunk = (terms + w->chunks - 1) / w->chunks,
                      .divisor = terms};
    set_dims(b.kept, &s->kept);
    set_dims(b.reduced, &s->reduced);
    uint32_t special[VK_REDUCE_SPECIALS] = {r->two && r->op == VK_MEAN && !r->arg ? VK_SUM : r->op,
                                            (uint32_t)s->kept.rank,
                                            s->reduced.rank <= 1 ? 1 : (uint32_t)s->reduced.rank,
                                            (uint32_t)from,
                                            (uint32_t)to,
                                            w->grouped,
                                            r->two ? TO_PARTS : WHOLE};
    uint64_t groups = units_to_groups(w, (uint64_t)outputs * w->chunks);
    cr_status status = r->chain ? add_chained(plan, r, &b, special, w, groups)
                                : vk_plan_step(plan, shader, w->group, special, VK_REDUCE_SPECIALS,
                                               &b, sizeof b, groups, 1, 1);
    if (status != CR_OK || !r->two)
        return status;
    shares last = {w->group, 1, false};
    uint32_t step = 1;
    for (int d = s->kept.rank - 1; d >= 0; d--) { /* parts are dense in the space's order */
        b.kept[d].stride[1] = step;
        step *= b.kept[d].size;
    }
    b.terms = b.chunk = w->chunks;
    b.chunks = 1;
    b.reduced[0] = (vk_dim){.size = w->chunks, .stride = {outputs}};
    special[0] = r->op;
    special[2] = 1;
    special[3] = wide[vk_class_of(plan->device, from)];
    special[5] = 0;
    special[6] = FROM_PARTS;
    return vk_plan_step(plan, shader, w->group, special, VK_REDUCE_SPECIALS, &b, sizeof b,
                        units_to_groups(&last, outputs), 1, 1);
}

cr_status vk_reduce_add(cr_plan *plan, vk_reduction *r, const cr_meta *in, const cr_meta *out,
                        const cr_meta *values, cr_plan_info *info)
{
    static const vk_shader shaders[2][4] = {
        {VK_SHADER_reduce_f32, VK_SHADER_reduce_f64, VK_SHADER_reduce_i32, VK_SHADER_reduce_i64},
        {VK_SHADER_arg_reduce_f32, VK_SHADER_arg_reduce_f64, VK_SHADER_arg_reduce_i32,
         VK_SHADER_arg_reduce_i64}};
    cr_device *d = plan->device;
    spaces s;
    if (!split_dims(r, in, out, values ? values : out, &s))
        return CR_UNSUPPORTED;
    r->first = plan->nsteps;
    r->empty = !s.kept.numel;
    if (r->empty)
        return CR_OK;
    shares w = share(d, &s);
    if (w.chunks > d->loops / 2)
        return CR_UNSUPPORTED;
    vk_class class = vk_class_of(d, in->dtype);
    r->two = w.chunks > 1;
    if (r->two) {
        size_t parts = (size_t)s.kept.numel * w.chunks;
        r->parts = vk_workspace(info, parts * (class == VK_FLOAT || class == VK_INT ? 4 : 8));
        if (r->arg)
            r->places = vk_workspace(info, parts * 4);
    }
    int32_t to = !r->arg ? out->dtype : values ? values->dtype : CR_DTYPE_NONE;
    vk_shader shader = shaders[r->arg][class];
    if (shader == VK_SHADER_reduce_f32 && !d->profile->f64)
        shader = VK_SHADER_reduce_narrow;
    return add_passes(plan, r, shader, &s, in->dtype, to, &w);
}

/* ---- plans ---- */

typedef struct reduce_plan {
    struct cr_plan base;
    vk_reduction reduction;
} reduce_plan;

static cr_status reduce_run(cr_plan *plan, const cr_run *run)
{
    return vk_reduce_run(plan, &((const reduce_plan *)plan)->reduction, run);
}

/* A list, or one. */
bool vk_reduce_dims(const vk_call *call, vk_reduction *r)
{
    int count, rank = call->in[0]->rank;
    const int64_t *dims = vk_attr_ints(call->node, "dim", &count);
    int64_t one = vk_attr_int(call->node, "dim", -1);
    if (!dims && one >= 0) {
        dims = &one;
        count = 1;
    }
    for (int i = 0; i < count && rank; i++) {
        if (dims[i] < 0 || dims[i] >= rank)
            return false;
        r->is_reduced[dims[i]] = true;
    }
    r->keepdim = vk_attr_int(call->node, "keepdim", 0) != 0;
    return true;
}

/* out: which output is the result, or the places; values: whether output 0 is the values. */
static cr_status plan_new(const vk_call *call, uint32_t op, bool arg, int out, bool values,
                          cr_plan **plan)
{
    reduce_plan *p = vk_plan_new(call->device, sizeof *p, reduce_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    vk_reduction *r = &p->reduction;
    r->op = op;
    r->arg = arg;
    r->in_at = call->in_at[0];
    r->out_at = call->out_at[out];
    r->values_at = values ? call->out_at[0] : -1;
    cr_status status = vk_reduce_dims(call, r)
                           ? vk_reduce_add(&p->base, r, call->in[0], call->out[out],
                                           values ? call->out[0] : NULL, call->info)
                           : CR_UNSUPPORTED;
    return vk_plan_done(&p->base, status, plan);
}

static cr_status fold(const vk_call *call, uint32_t op, cr_plan **plan)
{
    if (call->nin != 1 || call->nout != 1 || !call->in[0] || !call->out[0] ||
        call->in[0]->dtype != call->out[0]->dtype)
        return CR_UNSUPPORTED;
    if (call->in[0]->dtype == CR_B8) /* or and and */
        op = op == VK_SUM || op == VK_AMAX ? VK_ANY : op == VK_PROD || op == VK_AMIN ? VK_ALL : op;
    else if (op == VK_ANY || op == VK_ALL || (op == VK_MEAN && !vk_is_float(call->in[0]->dtype)))
        return CR_UNSUPPORTED;
    return plan_new(call, op, false, 0, false, plan);
}

static cr_status arg(const vk_call *call, uint32_t op, bool values, cr_plan **plan)
{
    uint32_t nout = values ? 2 : 1;
    if (call->nin != 1 || call->nout != nout || !call->in[0] || !call->out[0] ||
        !call->out[nout - 1])
        return CR_UNSUPPORTED;
    return plan_new(call, op, true, (int)nout - 1, values, plan);
}

#define FOLD(name, op)                                                \
    static cr_status plan_##name(const vk_call *call, cr_plan **plan) \
    {                                                                 \
        return fold(call, op, plan);                                  \
    }
#define ARG(name, op, values)                                         \
    static cr_status plan_##name(const vk_call *call, cr_plan **plan) \
    {                                                                 \
        return arg(call, op, values, plan);                           \
    }
FOLD(sum, VK_SUM)
FOLD(mean, VK_MEAN)
FOLD(prod, VK_PROD)
FOLD(amax, VK_AMAX)
FOLD(amin, VK_AMIN)
FOLD(any, VK_ANY)
FOLD(all, VK_ALL)
ARG(argmax, VK_ARGMAX, false)
ARG(argmin, VK_ARGMIN, false)
ARG(max, VK_ARGMAX, true)
ARG(min, VK_ARGMIN, true)

const vk_op vk_family_reduce[] = {
    {"sum.dim_IntList", plan_sum},
    {"sum", plan_sum},
    {"mean.dim", plan_mean},
    {"mean", plan_mean},
    {"prod.dim_int", plan_prod},
    {"prod", plan_prod},
    {"amax", plan_amax},
    {"amin", plan_amin},
    {"max", plan_amax},
    {"min", plan_amin},
    {"any.dims", plan_any},
    {"all.dims", plan_all},
    {"argmax", plan_argmax},
    {"argmin", plan_argmin},
    {"max.dim", plan_max},
    {"min.dim", plan_min},
    {NULL, NULL},
};
