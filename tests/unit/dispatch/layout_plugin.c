/* A host-memory backend with two private layouts, for test_layouts.c: "backward" keeps the elements of a value in reverse
 * order, "doubled" keeps each twice (so that the bytes are not just the elements). relu gives the first, sigmoid the second;
 * abs reads the first and keeps it; mm asks for its second operand in the first. floor is right, but takes a millisecond, and so does mm with seven rows.
 * Everything else is lent by cpu. */
#include <cresset/backend.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BACKWARD = 41, DOUBLED = 42 };

/* Copies that ran: out of a layout, and into one; and floors. */
CR_BACKEND_EXPORT int layouts_left, layouts_entered, layouts_floors;

static const cr_host *host;

struct cr_plan {
    char op[32];
    cr_meta in[2], out;
};

static int64_t count_of(const cr_meta *m)
{
    int64_t n = 1;
    for (int d = 0; d < m->rank; d++)
        n *= m->size[d];
    return n;
}

/* Where element k, counted row-major, lies. */
static int64_t place(const cr_meta *m, int64_t k)
{
    if (m->layout == BACKWARD)
        return count_of(m) - 1 - k;
    if (m->layout == DOUBLED)
        return 2 * k;
    int64_t at = 0;
    for (int d = m->rank - 1; d >= 0; d--) {
        at += k % m->size[d] * m->stride[d];
        k /= m->size[d];
    }
    return at;
}

static size_t bytes_of(int32_t dtype)
{
    switch (dtype) {
#define BYTES_(name, number, bytes, text) \
    case number: return bytes;
        CR_DTYPES(BYTES_)
#undef BYTES_
    default: return 0;
    }
}

static cr_status count(const cr_backend *self, int *n)
{
    (void)self;
    *n = 1;
    return CR_OK;
}

static cr_status info(const cr_backend *self, int index, cr_device_info *out)
{
    (void)self, (void)index;
    strcpy(out->name, "two layouts");
    out->rank = -1;
    out->host_memory = 1;
    out->alignment = 64;
    return CR_OK;
}

static cr_status open_device(const cr_backend *self, int index, cr_device **device)
{
    (void)self, (void)index;
    *device = (cr_device *)1;
    return CR_OK;
}

static void close_device(cr_device *device)
{
    (void)device;
}

static cr_status alloc(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    (void)device;
    *buffer = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return *buffer ? CR_OK : CR_OUT_OF_MEMORY;
}

static void free_buffer(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    free(buffer);
}

static void *pointer(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    return buffer;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    (void)device;
    memcpy((char *)to + offset, from, bytes);
    return CR_OK;
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    (void)device;
    memcpy(to, (char *)from + offset, bytes);
    return CR_OK;
}

static cr_status plan(cr_device *device, const cr_graph *graph, cr_plan_info *plan_info,
                      cr_plan **out)
{
    (void)device;
    const cr_graph_node *node = graph->nodes;
    const cr_meta *a = graph->nvalues ? &graph->values[node->inputs[0]] : NULL;
    if (!a || node->ninputs > 2 || node->noutputs != 1)
        return CR_UNSUPPORTED;
    const cr_meta *y = &graph->values[node->outputs[0]];
    bool gives = !strcmp(node->op, "relu") || !strcmp(node->op, "sigmoid");
    bool keeps = !strcmp(node->op, "abs"), copies = !strcmp(node->op, "copy");
    bool multiplies = !strcmp(node->op, "mm") && CR_HAS(plan_info, cr_plan_info, input_bytes) &&
                      plan_info->input_layouts;
    copies = copies && a->dtype == y->dtype && (a->layout || y->layout);
    keeps = keeps && a->layout == BACKWARD;
    if (!copies && (a->dtype != CR_F32 || (gives && a->layout)))
        return CR_UNSUPPORTED;
    bool dawdles = !strcmp(node->op, "floor") && !a->layout;
    if (!gives && !keeps && !copies && !multiplies && !dawdles)
        return CR_UNSUPPORTED;
    cr_plan *p = calloc(1, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    strncpy(p->op, node->op, sizeof p->op - 1);
    p->in[0] = *a;
    p->out = *y;
    size_t bytes = (size_t)count_of(y) * bytes_of(y->dtype);
    if (gives || keeps) {
        p->out.layout = !strcmp(node->op, "sigmoid") ? DOUBLED : BACKWARD;
        plan_info->output_layouts[0] = p->out.layout;
        plan_info->output_bytes[0] = p->out.layout == DOUBLED ? 2 * bytes : bytes;
    }
    if (multiplies) {
        p->in[1] = graph->values[node->inputs[1]];
        if (a->layout || p->in[1].layout) {
            free(p);
            return CR_UNSUPPORTED;
        }
        p->in[1].layout = plan_info->input_layouts[1] = BACKWARD;
        plan_info->input_bytes[1] = (size_t)count_of(&p->in[1]) * sizeof(float);
    }
    *out = p;
    return CR_OK;
}

static void *at(const cr_run *run, int i)
{
    return (char *)run->values[i].buffer + run->values[i].offset;
}

static void multiply(const cr_plan *p, const cr_run *run)
{
    const float *a = at(run, 0), *b = at(run, 1);
    float *c = at(run, 2);
    int64_t m = p->out.size[0], n = p->out.size[1], k = p->in[0].size[1];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += (double)a[place(&p->in[0], i * k + l)] * b[place(&p->in[1], l * n + j)];
            c[place(&p->out, i * n + j)] = (float)sum;
        }
}

static cr_status run_plan(cr_plan *p, const cr_run *run)
{
    layouts_floors += !strcmp(p->op, "floor");
    if (!strcmp(p->op, "floor") || (!strcmp(p->op, "mm") && p->out.size[0] == 7))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (!strcmp(p->op, "mm")) {
        multiply(p, run);
        return CR_OK;
    }
    if (!strcmp(p->op, "copy")) {
        size_t size = bytes_of(p->out.dtype);
        for (int64_t k = 0; k < count_of(&p->out); k++)
            memcpy((char *)at(run, 1) + (size_t)place(&p->out, k) * size,
                   (char *)at(run, 0) + (size_t)place(&p->in[0], k) * size, size);
        *(p->out.layout ? &layouts_entered : &layouts_left) += 1;
        return CR_OK;
    }
    const float *x = at(run, 0);
    float *y = at(run, 1);
    bool in_place = x == y;
    for (int64_t k = 0; k < count_of(&p->out); k++) {
        float f = x[place(&p->in[0], k)];
        f = !strcmp(p->op, "abs") ? fabsf(f)
            : p->op[0] == 'f'     ? floorf(f)
            : p->op[0] == 'r'     ? (f > 0 ? f : 0)
                                  : 1 / (1 + expf(-f));
        y[in_place ? place(&p->in[0], k) : place(&p->out, k)] = f;
    }
    return CR_OK;
}

static void free_plan(cr_plan *p)
{
    free(p);
}

static const cr_backend table = {sizeof table, CR_ABI_MAJOR, CR_ABI_MINOR, "layouts",    "1",
                                 count,        info,         open_device,  close_device, alloc,
                                 free_buffer,  pointer,      copy_in,      copy_out,     NULL,
                                 plan,         run_plan,     free_plan};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *from);

const cr_backend *cresset_backend_entry(const cr_host *from)
{
    host = from;
    (void)host;
    return &table;
}
