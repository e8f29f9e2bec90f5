/* The simple-loop plugin with one kernel broken: CRESSET_BREAK=HOW:OPERATION, where HOW is
 *   sign    results have the other sign
 *   last    the last element of a result is not written
 *   stride  an input that is not contiguous is read as if it were
 *   nan     NaN becomes 0
 *   past    one element past the last of a result is written
 *   rounds  a cast of floats to integers rounds, where it has to truncate
 *   cuts    a cast to 16-bit floats cuts off, where it has to round to nearest
 *   clips   a cast to a narrower integer stays at its limit, where it has to wrap
 *   again   each call draws the first random bits again
 *   answers the workspace asked for is another each time
 *   noplan  plan says that all is well and gives nothing
 *   closing what the device has is not given back when it is closed, whatever the operation
 * Conformance has to find each. */
#define cresset_backend_entry template_entry
#include "template.c"
#undef cresset_backend_entry

static char how[16], broken_op[64];

static bool is_broken(const cr_graph *graph)
{
    return graph->nnodes == 1 && !strcmp(graph->nodes[0].op, broken_op);
}

static int64_t numel_of(const cr_meta *m)
{
    int64_t n = 1;
    for (int d = 0; d < m->rank; d++)
        n *= m->size[d];
    return n;
}

/* Where element k in row-major order lies. */
static int64_t place_of(const cr_meta *m, int64_t k)
{
    int64_t at = 0;
    for (int d = m->rank - 1; d >= 0; d--) {
        at += k % m->size[d] * m->stride[d];
        k /= m->size[d];
    }
    return at;
}

/* A plan with what is to be spoiled after it. */
typedef struct spoiled {
    cr_plan *inner;
    bool spoils;
    int nin, nout;
    cr_meta in, out[4]; /* the first input */
} spoiled;

static cr_status spoiled_plan(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                              cr_plan **result)
{
    cr_meta *values = NULL;
    cr_graph changed = *graph;
    bool broken = is_broken(graph);
    spoiled *s = calloc(1, sizeof *s);
    if (!s)
        return CR_OUT_OF_MEMORY;
    if (broken && !strcmp(how, "stride") && (values = malloc(graph->nvalues * sizeof *values))) {
        memcpy(values, graph->values, graph->nvalues * sizeof *values);
        for (uint32_t i = 0; i < graph->ninputs; i++) {
            cr_meta *m = &values[graph->inputs[i]];
            int64_t step = 1;
            bool repeats = false;
            for (int d = 0; d < m->rank; d++)
                repeats = repeats || !m->stride[d];
            for (int d = m->rank - 1; d >= 0 && !repeats; d--) {
                m->stride[d] = step;
                step *= m->size[d];
            }
        }
        changed.values = values;
    }
    cr_status status = plan(device, &changed, info, &s->inner);
    free(values);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    if (broken && !strcmp(how, "noplan")) {
        plan_free(s->inner);
        free(s);
        return CR_OK;
    }
    static size_t asked;
    if (broken && !strcmp(how, "answers"))
        info->workspace = ++asked;
    s->spoils = broken && strcmp(how, "stride") != 0;
    s->nin = (int)graph->ninputs;
    if (s->nin)
        s->in = graph->values[graph->inputs[0]];
    for (uint32_t i = 0; i < graph->noutputs && i < 4; i++)
        s->out[s->nout++] = graph->values[graph->outputs[i]];
    *result = (cr_plan *)s;
    return CR_OK;
}

static bool is_float(cr_dtype dtype)
{
    return dtype == CR_F64 || dtype == CR_F32 || dtype == CR_F16 || dtype == CR_BF16;
}

/* Writes element k of a cast as the broken kernel would, where that makes a difference. */
static void spoil_cast(const spoiled *s, const cr_run *r, char *memory, int64_t k)
{
    const cr_meta *from = &s->in, *to = &s->out[0];
    const char *source = (const char *)r->values[0].buffer + r->values[0].offset;
    cr_number v = load(source, from->dtype, place_of(from, k));
    int64_t at = place_of(to, k);
    if (!strcmp(how, "rounds") && is_float(from->dtype) && !is_float(to->dtype) &&
        to->dtype != CR_B8 && fabs(v.f) < 100) {
        store(memory, to->dtype, at, whole((int64_t)nearbyint(v.f)));
    } else if (!strcmp(how, "cuts") && (to->dtype == CR_F16 || to->dtype == CR_BF16)) {
        if (isfinite(v.f) && fabs(load(memory, to->dtype, at).f) > fabs(v.f))
            ((uint16_t *)memory)[at]--; /* the next one towards zero */
    } else if (!strcmp(how, "clips") && !is_float(from->dtype)) {
        if (to->dtype == CR_I8 && (v.i > 127 || v.i < -128))
            store(memory, to->dtype, at, whole(v.i > 0 ? 127 : -128));
        if (to->dtype == CR_U8 && (v.i > 255 || v.i < 0))
            store(memory, to->dtype, at, whole(v.i > 0 ? 255 : 0));
    }
}

static cr_status spoiled_run(cr_plan *p, const cr_run *r)
{
    spoiled *s = (spoiled *)p;
    cr_run first = *r;
    if (s->spoils && !strcmp(how, "again")) {
        first.offset = 0;
        r = &first;
    }
    cr_status status = run(s->inner, r);
    for (int o = 0; o < s->nout && s->spoils && status == CR_OK; o++) {
        const cr_meta *m = &s->out[o];
        int64_t n = numel_of(m);
        char *memory = (char *)r->values[s->nin + o].buffer + r->values[s->nin + o].offset;
        if (!strcmp(how, "past") && n)
            store(memory, m->dtype, place_of(m, n - 1) + 1, whole(1));
        for (int64_t k = 0; k < n; k++) {
            cr_number v = load(memory, m->dtype, place_of(m, k));
            if (!strcmp(how, "sign"))
                v = m->dtype == CR_B8 ? whole(!v.i) : (cr_number){-v.f, -v.i};
            else if (!strcmp(how, "last") && k == n - 1)
                v = whole(m->dtype == CR_B8 ? !v.i : 77);
            else if (!strcmp(how, "nan") && isnan(v.f))
                v.f = 0;
            else {
                if (!strcmp(broken_op, "copy"))
                    spoil_cast(s, r, memory, k);
                continue;
            }
            store(memory, m->dtype, place_of(m, k), v);
        }
    }
    return status;
}

static void spoiled_free(cr_plan *p)
{
    plan_free(((spoiled *)p)->inner);
    free(p);
}

static void (*template_close)(cr_device *device);
static void *volatile lost;

static void spoiled_close(cr_device *device)
{
    if (!strcmp(how, "closing"))
        lost = malloc(40);
    template_close(device);
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h);
const cr_backend *cresset_backend_entry(const cr_host *h)
{
    static cr_backend table;
    const char *text = getenv("CRESSET_BREAK"), *colon = text ? strchr(text, ':') : NULL;
    table = *template_entry(h);
    table.name = "broken";
    template_close = table.device_close;
    table.device_close = spoiled_close;
    table.plan = spoiled_plan;
    table.run = spoiled_run;
    table.plan_free = spoiled_free;
    if (colon && (size_t)(colon - text) < sizeof how && strlen(colon + 1) < sizeof broken_op) {
        memcpy(how, text, (size_t)(colon - text));
        memcpy(broken_op, colon + 1, strlen(colon + 1));
    }
    return &table;
}
