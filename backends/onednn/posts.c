/* Post-ops: read out of a graph of several nodes, brought to oneDNN, and what they need at each run (posts.h). */
#include <math.h>
#include <stdlib.h>

#include "blocked.h"
#include "posts.h"

/* ---- reading the graph ---- */

/* Functions that oneDNN computes as the operation says, NaN and infinities too. */
static const struct function {
    const char *op, *approximate;
    dnnl_alg_kind_t what;
    float alpha;
} functions[] = {
    {"gelu", "none", dnnl_eltwise_gelu_erf, 0}, {"gelu", "tanh", dnnl_eltwise_gelu_tanh, 0},
    {"abs", NULL, dnnl_eltwise_abs, 0},         {"sqrt", NULL, dnnl_eltwise_sqrt, 0},
    {"tanh", NULL, dnnl_eltwise_tanh, 0},       {"sigmoid", NULL, dnnl_eltwise_logistic, 0},
    {"silu", NULL, dnnl_eltwise_swish, 1},
};

static const struct binary {
    const char *op;
    dnnl_alg_kind_t what;
    bool either; /* the value may be the second operand */
    bool scales; /* a number alpha multiplies the second operand */
} binaries[] = {
    {"add.Tensor", dnnl_binary_add, true, true},
    {"sub.Tensor", dnnl_binary_sub, false, true},
    {"mul.Tensor", dnnl_binary_mul, true, false},
    {"div.Tensor", dnnl_binary_div, false, false},
};

static int bound_at(const cr_graph *g, uint32_t value)
{
    for (uint32_t i = 0; value != CR_NO_VALUE && i < g->ninputs; i++)
        if (g->inputs[i] == value)
            return (int)i;
    return -1;
}

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && a->dtype == b->dtype &&
           !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

/* How many elements lie between the value's first and last, these included. */
static size_t extent(const cr_meta *m)
{
    int64_t last = 0;
    if (m->layout)
        return (size_t)cpu_numel(m);
    for (int d = 0; d < m->rank; d++)
        last += (m->size[d] - 1) * m->stride[d];
    return (size_t)last + 1;
}

/* The input is read times the number; where it is already, times both. False without room. */
static bool scale(dn_posts *p, const cr_graph *g, uint32_t value, int number)
{
    int at = bound_at(g, value);
    if (value == CR_NO_VALUE || number < 0)
        return true;
    for (int i = 0; i < p->nscaled; i++)
        if (p->scaled[i].at == at) {
            bool room = p->scaled[i].numbers[1] < 0;
            p->scaled[i].numbers[1] = room ? number : p->scaled[i].numbers[1];
            return room;
        }
    const cr_meta *m = &g->values[value];
    if (at < 0 || p->nscaled == DN_SCALED || (m->dtype != CR_F32 && m->dtype != CR_BF16))
        return false;
    p->scaled[p->nscaled++] = (dn_scaled){at, {number, -1}, m->dtype, extent(m)};
    return true;
}

/* Whether somebody reads the value otherwise than the one operand that is meant. */
static bool reads_again(const cr_graph *g, uint32_t value, uint32_t node, uint32_t operand)
{
    for (uint32_t k = 0; k < g->nnodes; k++)
        for (uint32_t i = 0; i < g->nodes[k].ninputs; i++)
            if (g->nodes[k].inputs[i] == value && (k != node || i != operand))
                return true;
    return false;
}

static bool is_product(const cr_graph_node *head)
{
    return !strcmp(head->op, "addmm") || !strcmp(head->op, "mm") || !strcmp(head->op, "bmm") ||
           !strcmp(head->op, "baddbmm");
}

/* The head times a number: it is linear in its operands. */
static bool scale_head(dn_posts *p, const cr_graph *g, int number)
{
    const cr_graph_node *head = &g->nodes[0];
    bool added = !strcmp(head->op, "addmm") || !strcmp(head->op, "baddbmm");
    if (p->count || p->norm)
        return false;
    if (is_product(head))
        return scale(p, g, head->inputs[added], number) &&
               (!added || scale(p, g, head->inputs[0], number));
    return scale(p, g, head->inputs[0], number) && scale(p, g, head->inputs[2], number);
}

static bool add_post(dn_posts *p, dn_post post)
{
    if (p->count == DN_POSTS)
        return false;
    p->op[p->count++] = post;
    return true;
}

static bool take_binary(dn_posts *p, const cr_graph *g, uint32_t k, uint32_t value, int number)
{
    const cr_graph_node *node = &g->nodes[k];
    const struct binary *b = NULL;
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (!strcmp(node->op, binaries[i].op))
            b = &binaries[i];
    if (!b || node->ninputs != 2)
        return false;
    uint32_t mine = node->inputs[0] == value ? 0 : 1, other = node->inputs[1 - mine];
    int at = bound_at(g, other), alpha = b->scales ? cpu_number_at(node, "alpha") : -1;
    alpha = alpha < 0 ? -1 : number + alpha;
    if (node->inputs[mine] != value || at < 0 || (mine && !b->either) ||
        reads_again(g, value, k, mine) || !same_sizes(&g->values[other], &p->result))
        return false;
    if (mine && alpha >= 0 && p->norm && p->count == 2) {
        p->norm_number = alpha;
        alpha = -1;
    }
    /* The second operand times alpha: the other, or the head. An operand that is read elsewhere, too, would be scaled there. */
    if (alpha >= 0 && (mine ? !scale_head(p, g, alpha)
                            : reads_again(g, other, k, 1) || !scale(p, g, other, alpha)))
        return false;
    return add_post(
        p, (dn_post){.what = b->what, .binary = true, .other_at = at, .other = g->values[other]});
}

static bool take_function(dn_posts *p, const cr_graph *g, uint32_t k, uint32_t value)
{
    const cr_graph_node *node = &g->nodes[k];
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const struct function *f = &functions[i];
        if (strcmp(node->op, f->op) ||
            (f->approximate && strcmp(cpu_attr_text(node, "approximate", "none"), f->approximate)))
            continue;
        return node->ninputs == 1 && node->inputs[0] == value && !reads_again(g, value, k, 0) &&
               add_post(p, (dn_post){.what = f->what, .alpha = f->alpha});
    }
    return false;
}

/* By running statistics, right behind a convolution. */
static bool take_norm(dn_posts *p, const cr_graph *g, uint32_t k, uint32_t value, int number)
{
    const cr_graph_node *node = &g->nodes[k], *head = &g->nodes[0];
    if (k != 1 || is_product(head) || cpu_attr_int(node, "training", 0) || node->ninputs != 5 ||
        node->inputs[0] != value || node->inputs[3] == CR_NO_VALUE ||
        node->inputs[4] == CR_NO_VALUE || p->result.rank < 2 || reads_again(g, value, k, 0))
        return false;
    p->norm = true;
    p->channels = p->result.size[1];
    p->eps_at = cpu_number_at(node, "eps");
    p->eps_at = p->eps_at < 0 ? -1 : number + p->eps_at;
    for (int i = 0; i < 4; i++) {
        uint32_t v = node->inputs[1 + i];
        p->norm_at[i] = bound_at(g, v);
        const cr_meta *m = v == CR_NO_VALUE ? NULL : &g->values[v];
        if (m && (p->norm_at[i] < 0 || m->dtype != CR_F32 || m->layout || !cpu_is_contiguous(m) ||
                  cpu_numel(m) != p->channels))
            return false;
    }
    uint32_t bias = head->ninputs > 2 ? head->inputs[2] : CR_NO_VALUE;
    p->head_bias_at = bound_at(g, bias);
    if (bias != CR_NO_VALUE) {
        p->head_bias_dtype = g->values[bias].dtype;
        if (p->head_bias_at < 0 || !cpu_is_contiguous(&g->values[bias]) ||
            (p->head_bias_dtype != CR_F32 && p->head_bias_dtype != CR_BF16))
            return false;
    }
    return add_post(p, (dn_post){.what = dnnl_binary_mul, .binary = true, .other_at = -1}) &&
           add_post(p, (dn_post){.what = dnnl_binary_add, .binary = true, .other_at = -1});
}

static bool take_nodes(dn_posts *p, const cr_graph *g)
{
    const cr_graph_node *head = &g->nodes[0];
    uint32_t value = head->outputs[0];
    int number = (int)head->nnumbers;
    bool product = is_product(head);
    for (uint32_t k = 1; k < g->nnodes; k++) {
        const cr_graph_node *node = &g->nodes[k];
        bool last = k + 1 == g->nnodes, taken;
        if (!node->noutputs || node->outputs[0] == CR_NO_VALUE ||
            !same_sizes(&g->values[node->outputs[0]], &p->result))
            return false;
        if (!strcmp(node->op, "relu"))
            taken = p->relu = last && node->inputs[0] == value;
        else if (!strcmp(node->op, "native_batch_norm"))
            taken = take_norm(p, g, k, value, number);
        else
            taken = take_function(p, g, k, value) || take_binary(p, g, k, value, number);
        if (!taken)
            return false;
        value = node->outputs[0];
        number += (int)node->nnumbers;
    }
    /* Products have numbers of their own. */
    bool added = product && head->ninputs == 3;
    int alpha = cpu_number_at(head, "alpha"), beta = cpu_number_at(head, "beta");
    return !added || (scale(p, g, head->inputs[1], alpha) && scale(p, g, head->inputs[0], beta));
}

dn_posts *dn_posts_of(const cr_graph *g)
{
    const cr_graph_node *head = &g->nodes[0], *last = &g->nodes[g->nnodes - 1];
    if (g->noutputs != 1 || g->ninputs + 1 > DN_POSTS_VALUES || !head->noutputs ||
        head->outputs[0] == CR_NO_VALUE || !last->noutputs || last->outputs[0] != g->outputs[0] ||
        (strcmp(head->op, "convolution") && !is_product(head)))
        return NULL;
    dn_posts *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->result = g->values[g->outputs[0]];
    p->nvalues = (int)g->ninputs + 1;
    p->eps_at = p->head_bias_at = p->norm_number = -1;
    bool taken = same_sizes(&g->values[head->outputs[0]], &p->result) && take_nodes(p, g);
    int sums = p->count - 2 * p->norm;
    p->own = !is_product(head) && (p->norm || p->relu) &&
             (!sums || (sums == 1 && p->op[p->count - 1].what == dnnl_binary_add));
    for (int i = 0; i < p->nscaled; i++) /* an operand that is read twice would be scaled twice */
        for (uint32_t k = 0, reads = 0; taken && k < g->nnodes; k++)
            for (uint32_t v = 0; v < g->nodes[k].ninputs; v++) {
                reads += bound_at(g, g->nodes[k].inputs[v]) == p->scaled[i].at;
                taken = taken && reads < 2;
            }
    if (taken)
        return p;
    free(p);
    return NULL;
}

/* ---- what a run needs ---- */

/* Blocks of channels may be longer than there are channels. */
static int64_t padded(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

static void make_vectors(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    const dn_posts *p = plan->posts;
    float *bias = dn_address(plan, run, &p->bias, 0);
    float *scale = dn_address(plan, run, &p->scale, 0),
          *shift = dn_address(plan, run, &p->shift, 0);
    const float *vector[4];
    for (int i = 0; i < 4; i++)
        vector[i] = p->norm_at[i] < 0 ? NULL : cpu_at(run, p->norm_at[i]);
    const void *head = p->head_bias_at < 0 ? NULL : cpu_at(run, p->head_bias_at);
    double eps = p->eps_at < 0 ? 1e-5 : run->numbers[p->eps_at].f;
    float times = p->norm_number < 0 ? 1 : (float)run->numbers[p->norm_number].f;
    for (int64_t c = end; end == p->channels && c < padded(p->channels); c++)
        scale[c] = shift[c] = 0;
    for (int64_t c = begin; c < end; c++) {
        float own = !head                          ? 0
                    : p->head_bias_dtype == CR_F32 ? ((const float *)head)[c]
                                                   : dn_from_bf16(((const uint16_t *)head)[c]);
        float rstd = (float)(1 / sqrt((double)vector[3][c] + eps));
        bias[c] = own - vector[2][c];
        scale[c] = times * rstd * (vector[0] ? vector[0][c] : 1);
        shift[c] = times * (vector[1] ? vector[1][c] : 0);
    }
}

static void scale_copy(const dn_scaled *s, const void *from, void *to, float by)
{
    for (size_t i = 0; i < s->elements; i++)
        if (s->dtype == CR_F32) {
            ((float *)to)[i] = by == 0 ? 0 : by * ((const float *)from)[i];
        } else {
            float f = dn_from_bf16(((const uint16_t *)from)[i]);
            ((uint16_t *)to)[i] = dn_to_bf16(by == 0 ? 0 : by * f);
        }
}

static float number_of(const dn_scaled *s, const cr_run *run)
{
    float by = 1;
    for (int i = 0; i < 2; i++)
        by *= s->numbers[i] < 0 ? 1 : (float)run->numbers[s->numbers[i]].f;
    return by;
}

static cr_status run_posts(cr_plan *base, const cr_run *run)
{
    const dn_plan *plan = (const dn_plan *)base;
    const dn_posts *p = plan->posts;
    cr_binding values[DN_POSTS_VALUES];
    void *copies[DN_SCALED] = {NULL};
    cr_run r = *run;
    cr_status status = CR_OK;
    for (int i = 0; i < p->nscaled && status == CR_OK; i++) {
        const dn_scaled *s = &p->scaled[i];
        float by = number_of(s, run);
        if (by == 1)
            continue;
        if (r.values != values) {
            memcpy(values, run->values, (size_t)p->nvalues * sizeof *values);
            r.values = values;
        }
        copies[i] = aligned_alloc(64, (s->elements * cpu_dtype_size(s->dtype) + 63) / 64 * 64);
        if (!copies[i]) {
            status = cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: no memory for %zu elements",
                                    plan->text, s->elements);
            continue;
        }
        scale_copy(s, cpu_at(run, s->at), copies[i], by);
        values[s->at] = (cr_binding){copies[i], 0};
    }
    if (status == CR_OK)
        status = dn_plan_run(base, &r);
    for (int i = 0; i < p->nscaled; i++)
        free(copies[i]);
    return status;
}

cr_status dn_posts_own(dn_plan *plan, dn_posts *posts)
{
    plan->posts = posts;
    plan->base.run = run_posts;
    if (!posts->norm)
        return CR_OK;
    size_t bytes = (size_t)padded(posts->channels) * sizeof(float);
    dn_stage *stage = dn_stage_add(plan, posts->channels, 0, 4);
    if (!stage || !dn_take_shared(plan, bytes, &posts->bias) ||
        !dn_take_shared(plan, bytes, &posts->scale) || !dn_take_shared(plan, bytes, &posts->shift))
        return CR_UNSUPPORTED;
    stage->plain = make_vectors;
    posts->op[0].vector = posts->scale;
    posts->op[1].vector = posts->shift;
    return CR_OK;
}

/* ---- oneDNN's side ---- */

static dnnl_status_t vector_md(const dn_posts *p, dn_md *md)
{
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK];
    for (int d = 0; d < p->result.rank; d++) {
        size[d] = d == 1 ? p->channels : 1;
        stride[d] = d == 0 ? p->channels : 1;
    }
    return dn_md_strided(md, p->result.rank, size, dnnl_f32, stride);
}

dnnl_status_t dn_post_set_make(dn_post_set *set, const dn_posts *p)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dn_attr_make(&set->attr, false);
    if (status)
        set->attr = NULL;
    status = status ? status : dnnl_post_ops_create(&ops);
    for (int i = 0; i < p->count && !status; i++) {
        const dn_post *op = &p->op[i];
        if (op->binary && op->other_at < 0)
            status = vector_md(p, &set->md[i]);
        if (!status && !p->own)
            status = op->binary ? dn_ops_binary(ops, op->what, &set->md[i])
                                : dn_ops_eltwise(ops, op->what, op->alpha, 0);
    }
    if (!status && !p->own)
        status = dnnl_primitive_attr_set_post_ops(set->attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

void dn_post_set_free(dn_post_set *set)
{
    if (set->attr)
        dnnl_primitive_attr_destroy(set->attr);
    for (int i = 0; i < DN_POSTS; i++)
        dn_md_free(&set->md[i]);
    set->attr = NULL;
}

/* Those of an own loop are the step's, too, so that it finds them; oneDNN passes over what it has no use for. */
int dn_posts_operands(dn_posts *p, const dn_post_set *set, dn_operand *operands, const dn_md **mds,
                      int count, dn_where (*where_of)(const void *, int), const void *context)
{
    p->first = count;
    for (int i = 0; i < p->count; i++) {
        if (!p->op[i].binary)
            continue;
        operands[count] =
            (dn_operand){DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1,
                         p->op[i].other_at < 0 ? p->op[i].vector : where_of(context, i)};
        mds[count++] = &set->md[i];
    }
    return count;
}

static void after(const dn_plan *plan, void *const *at, int64_t elements)
{
    const dn_posts *p = plan->posts;
    bool half = p->result.dtype == CR_BF16;
    for (int64_t row = 0; row < p->rows; row++)
        dn_kernels()->relu(
            half, (char *)at[2] + (size_t)(row * p->stride) * cpu_dtype_size(p->result.dtype),
            elements);
}

void dn_posts_after(dn_posts *p, dn_step *step, int64_t unit, int64_t rows, int64_t stride)
{
    if (!p->relu)
        return;
    p->rows = rows;
    p->stride = stride;
    step->after = after;
    step->unit = unit;
}

static void after_images(const dn_plan *plan, void *const *at, int64_t images)
{
    const dn_posts *p = plan->posts;
    dn_tail_job job = {
        .grid = p->grid, .half = p->result.dtype == CR_BF16, .relu = p->relu, .y = at[2]};
    int next = p->first;
    job.grid.n = p->one_image ? 1 : images;
    if (p->norm) {
        job.scale = at[next++];
        job.shift = at[next++];
    }
    if (p->count > 2 * p->norm)
        job.other = at[next];
    dn_kernels()->tail(&job);
}

void dn_posts_after_images(dn_posts *p, dn_step *step)
{
    step->after = after_images;
    step->unit = 1;
}
