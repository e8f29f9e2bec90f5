/* Plans of convolution and convolution_backward: from the node to a plain shape, and for each part wanted the way that
 * computes it. Transposed convolution swaps the parts: forward is a plain backward_data, and so on. */
#include "conv.h"
#include "staged.h"

#include <stdlib.h>

typedef bool (*conv_part)(const conv_data *data);

typedef struct conv_plan {
    cpu_staged staged;
    conv_shape shape;
    bool transposed;
    conv_part forward, backward_data, backward_weight;
    int forward_choice, backward_data_choice, backward_weight_choice;
} conv_plan;

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

static bool read_ints(const cr_graph_node *node, const char *name, int dims, int64_t least,
                      int64_t to[3])
{
    int count = 0;
    const int64_t *from = cpu_attr_ints(node, name, &count);
    if (!from || (count != dims && count != 1))
        return false;
    for (int d = 0; d < dims; d++) {
        to[3 - dims + d] = from[count == 1 ? 0 : d];
        if (to[3 - dims + d] < least || to[3 - dims + d] > INT32_MAX)
            return false;
    }
    return true;
}

/* The shape for big (plain x) and small (plain y) values. */
static bool shape_of(const cr_graph_node *node, const cr_meta *big, const cr_meta *small,
                     const cr_meta *w, conv_shape *s)
{
    int dims = w->rank - 2;
    if (dims < 1 || dims > 3 || big->rank != w->rank || small->rank != w->rank)
        return false;
    *s = (conv_shape){.n = big->size[0], .groups = cpu_attr_int(node, "groups", 1)};
    for (int d = 0; d < 3; d++)
        s->in[d] = s->out[d] = s->k[d] = s->stride[d] = s->dil[d] = 1;
    if (s->groups < 1 || big->size[1] % s->groups || small->size[1] % s->groups ||
        !read_ints(node, "stride", dims, 1, s->stride) ||
        !read_ints(node, "padding", dims, 0, s->pad) ||
        !read_ints(node, "dilation", dims, 1, s->dil))
        return false;
    s->ic = big->size[1] / s->groups;
    s->oc = small->size[1] / s->groups;
    for (int d = 0; d < dims; d++) {
        s->in[3 - dims + d] = big->size[2 + d];
        s->out[3 - dims + d] = small->size[2 + d];
        s->k[3 - dims + d] = w->size[2 + d];
    }
    s->in_size = s->in[0] * s->in[1] * s->in[2];
    s->out_size = s->out[0] * s->out[1] * s->out[2];
    s->taps = s->k[0] * s->k[1] * s->k[2];
    return small->size[0] == s->n && w->size[0] == small->size[1] && w->size[1] == s->ic;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

typedef struct bias_sum {
    int32_t dtype;
    int64_t n, channels, size;
    const void *g;
    void *out;
} bias_sum;

/* bias'[c] = Σ over images and places of y'[·, c, ·], each row by lanes, the rows in f64. */
static void sum_channels(void *context, int64_t begin, int64_t end)
{
    const bias_sum *b = context;
    for (int64_t c = begin; c < end; c++) {
        double sum = 0;
        for (int64_t i = 0; i < b->n; i++) {
            int64_t at = (i * b->channels + c) * b->size;
            if (b->dtype == CR_F64) {
                for (int64_t j = 0; j < b->size; j++)
                    sum += ((const double *)b->g)[at + j];
            } else {
                const float *g = (const float *)b->g + at;
                for (int64_t from = 0; from < b->size; from += 4096) {
                    int64_t to = b->size - from < 4096 ? b->size : from + 4096;
                    float part = 0;
#pragma omp simd reduction(+ : part)
                    for (int64_t j = from; j < to; j++)
                        part += g[j];
                    sum += (double)part;
                }
            }
        }
        if (b->dtype == CR_F64)
            ((double *)b->out)[c] = sum;
        else
            ((float *)b->out)[c] = (float)sum;
    }
}

static cr_status out_of_memory(void)
{
    return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a convolution");
}

static cr_status forward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    const conv_plan *p = (const conv_plan *)staged;
    conv_data d = {.shape = &p->shape, .w = in[1], .bias = in[2], .scratch = scratch};
    d.plan = staged->base.tells ? &staged->base : NULL;
    d.x = p->transposed ? out[0] : in[0];
    d.y = p->transposed ? in[0] : out[0];
    d.choice = p->transposed ? p->backward_data_choice : p->forward_choice;
    return (p->transposed ? p->backward_data : p->forward)(&d) ? CR_OK : out_of_memory();
}

static cr_status backward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                               void *const *out, char *scratch)
{
    const conv_plan *p = (const conv_plan *)staged;
    const conv_shape *s = &p->shape;
    void *grad = in[0], *input = in[1], *weight = in[2];
    if (out[0]) {
        conv_data d = {.shape = s, .w = weight, .scratch = scratch};
        d.x = p->transposed ? grad : out[0];
        d.y = p->transposed ? out[0] : grad;
        d.choice = p->transposed ? p->forward_choice : p->backward_data_choice;
        if (!(p->transposed ? p->forward : p->backward_data)(&d))
            return out_of_memory();
    }
    if (out[1]) {
        conv_data d = {.shape = s, .w = out[1], .scratch = scratch};
        d.x = p->transposed ? grad : input;
        d.y = p->transposed ? input : grad;
        d.choice = p->backward_weight_choice;
        if (!p->backward_weight(&d))
            return out_of_memory();
    }
    if (out[2]) {
        bias_sum b = {.dtype = staged->in[0].dtype, .n = s->n, .g = grad, .out = out[2]};
        b.channels = s->groups * (p->transposed ? s->ic : s->oc);
        b.size = p->transposed ? s->in_size : s->out_size;
        cpu_parallel(b.channels, 1, (double)(b.n * b.size) * 0.05, sum_channels, &b);
    }
    return CR_OK;
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

/* Chooses the way of each wanted part and reserves the greatest scratch. */
static cr_status choose(conv_plan *p, const cpu_call *call, int32_t dtype, bool forward, bool data,
                        bool weight)
{
    const conv_way *ways[] = {&CPU_NAME(conv_direct_f32), &CPU_NAME(conv_amx_f32),
                              &CPU_NAME(conv_general_f32)};
    const conv_way *wide[] = {&CPU_NAME(conv_general_f64)};
    const conv_way **way = cpu_compute_dtype(dtype) == CR_F64 ? wide : ways;
    int count = cpu_compute_dtype(dtype) == CR_F64 ? 1 : 3;
    size_t scratch = 0;
#define CHOOSE(wanted, part)                                                           \
    for (int i = 0; wanted && i < count; i++) {                                        \
        size_t bytes = 0;                                                              \
        int *choice = &p->part##_choice;                                               \
        if (way[i]->takes_##part && way[i]->takes_##part(&p->shape, &bytes, choice)) { \
            p->part = way[i]->part;                                                    \
            scratch = bytes > scratch ? bytes : scratch;                               \
            break;                                                                     \
        }                                                                              \
    }
    CHOOSE(forward, forward)
    CHOOSE(data, backward_data)
    CHOOSE(weight, backward_weight)
#undef CHOOSE
    return cpu_staged_scratch(&p->staged, call, scratch);
}

static cr_status finish(conv_plan *p, cr_status status, cr_plan **plan)
{
    if (status == CR_OK)
        *plan = &p->staged.base;
    else
        free(p);
    return status;
}

static cr_status plan_convolution(const cpu_call *call, cr_plan **plan)
{
    const cr_meta *x = call->in[0], *w = call->in[1], *y = call->out[0];
    int32_t dtype = cpu_one_float(call);
    bool transposed = cpu_attr_int(call->node, "transposed", 0) != 0;
    conv_shape shape;
    if (!dtype || !x || !w || !y ||
        !shape_of(call->node, transposed ? y : x, transposed ? x : y, w, &shape))
        return CR_UNSUPPORTED;
    conv_plan *p = cpu_staged_new(call, sizeof *p, forward_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->shape = shape;
    p->transposed = transposed;
    p->staged.base.tells = !transposed && p->staged.out[0].direct;
    return finish(p, choose(p, call, dtype, !transposed, transposed, false), plan);
}

static cr_status plan_backward(const cpu_call *call, cr_plan **plan)
{
    const cr_meta *g = call->in[0], *x = call->in[1], *w = call->in[2];
    int32_t dtype = cpu_one_float(call);
    bool transposed = cpu_attr_int(call->node, "transposed", 0) != 0;
    conv_shape shape;
    if (!dtype || call->nout != 3 || !g || !x || !w ||
        !shape_of(call->node, transposed ? g : x, transposed ? x : g, w, &shape))
        return CR_UNSUPPORTED;
    conv_plan *p = cpu_staged_new(call, sizeof *p, backward_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->shape = shape;
    p->transposed = transposed;
    bool grad_input = call->out[0] != NULL;
    return finish(p,
                  choose(p, call, dtype, grad_input && transposed, grad_input && !transposed,
                         call->out[1] != NULL),
                  plan);
}

const cpu_op CPU_NAME(cpu_family_conv)[] = {
    {"convolution", plan_convolution},
    {"convolution_backward", plan_backward},
    {NULL, NULL},
};
