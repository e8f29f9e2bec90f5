/* See kernel_host.h. */
#include "kernel_host.h"

#include "core/base/team.h"

#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the host ---- */

int host_threads = 2;
char host_words[512];
bool host_few;
static void *library;
static const cr_backend *backend;
static cr_device *device;
static bool in_host_memory;

enum { PLACE = 64 }; /* where values lie in their buffers */

static cr_status refuse(const cr_host *host, cr_status status, const char *format, ...)
{
    va_list args;
    (void)host;
    va_start(args, format);
    vsnprintf(host_words, sizeof host_words, format, args);
    va_end(args);
    return status;
}

static void say(const cr_host *host, int level, const char *format, ...)
{
    (void)host;
    (void)level;
    (void)format;
}

static int num_threads(const cr_host *host)
{
    (void)host;
    return cr_team_inside() ? 1 : host_threads;
}

static void parallel(const cr_host *host, int64_t n, int64_t unit, double cost,
                     void (*body)(void *context, int64_t begin, int64_t end), void *context)
{
    (void)host;
    cr_team_run(host_threads, n, unit, cost, body, context);
}

static const cr_host host = {
    .struct_size = sizeof host,
    .abi_major = CR_ABI_MAJOR,
    .abi_minor = CR_ABI_MINOR,
    .fail = refuse,
    .log = say,
    .num_threads = num_threads,
    .parallel = parallel,
};

void host_open(const char *path)
{
    cr_backend_entry entry;
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    *(void **)&entry = dlsym(library, CR_BACKEND_ENTRY);
    backend = entry ? entry(&host) : NULL;
    cr_device_info info = {.struct_size = sizeof info};
    int count = 0;
    if (!backend || backend->device_count(backend, &count) != CR_OK) {
        fprintf(stderr, "%s: no backend: %s\n", path, host_words);
        exit(backend && strstr(host_words, "no Vulkan driver") ? 77 : 2);
    }
    if (backend->device_info(backend, 0, &info) != CR_OK ||
        backend->device_open(backend, 0, &device) != CR_OK) {
        fprintf(stderr, "%s: no device: %s\n", path, host_words);
        exit(2);
    }
    in_host_memory = info.host_memory;
}

void host_close(void)
{
    backend->device_close(device);
    cr_team_stop();
    dlclose(library);
}

/* ---- device memory: a buffer for every value, filled before and read after ---- */

/* Values of one memory (an operation in place) share their buffer. */
static void upload(const operation *op, cr_binding *bindings)
{
    const value *values[2 * MOST_VALUES];
    int count = 0;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i])
            values[count++] = op->in[i];
    for (int i = 0; i < op->nout; i++)
        values[count++] = op->out[i];
    for (int i = 0; i < count; i++) {
        bindings[i].buffer = NULL;
        for (int j = 0; j < i; j++)
            if (values[j]->memory == values[i]->memory)
                bindings[i].buffer = bindings[j].buffer;
        if (bindings[i].buffer)
            continue;
        ck_assert_int_eq(backend->alloc(device, values[i]->bytes + PLACE, &bindings[i].buffer),
                         CR_OK);
        ck_assert_int_eq(backend->copy_in(device, bindings[i].buffer, PLACE, values[i]->memory,
                                          values[i]->bytes),
                         CR_OK);
    }
    for (int i = 0; i < count; i++)
        bindings[i].offset = PLACE;
}

static cr_status download(const operation *op, cr_binding *bindings, cr_status status)
{
    int nin = 0, count;
    for (int i = 0; i < op->nin; i++)
        nin += op->in[i] != NULL;
    count = nin + op->nout;
    for (int i = 0; i < op->nout; i++) {
        cr_status copied = backend->copy_out(device, op->out[i]->memory, bindings[nin + i].buffer,
                                             PLACE, op->out[i]->bytes);
        status = status == CR_OK ? copied : status;
    }
    for (int i = 0; i < count; i++) {
        bool first = true;
        for (int j = 0; j < i; j++)
            first = first && bindings[j].buffer != bindings[i].buffer;
        if (first && bindings[i].buffer)
            continue;
        bindings[i].buffer = NULL;
    }
    for (int i = 0; i < count; i++)
        if (bindings[i].buffer)
            backend->free(device, bindings[i].buffer);
    return status;
}

cr_status operation_run(const operation *op)
{
    cr_meta metas[2 * MOST_VALUES];
    cr_binding bindings[2 * MOST_VALUES];
    uint32_t in[MOST_VALUES], out[MOST_VALUES], graph_in[MOST_VALUES], graph_out[MOST_VALUES],
        count = 0;
    uint32_t ngraph_in = 0, ngraph_out = 0;
    uint64_t layouts[MOST_VALUES] = {0};
    size_t bytes[MOST_VALUES] = {0};
    for (int i = 0; i < op->nin; i++) {
        in[i] = op->in[i] ? count : CR_NO_VALUE;
        if (op->in[i]) {
            graph_in[ngraph_in++] = count;
            metas[count] = op->in[i]->meta;
            bindings[count++] = (cr_binding){(cr_buffer *)op->in[i]->memory, 0};
        }
    }
    for (int i = 0; i < op->nout; i++) {
        graph_out[ngraph_out++] = out[i] = count;
        metas[count] = op->out[i]->meta;
        bindings[count++] = (cr_binding){(cr_buffer *)op->out[i]->memory, 0};
    }
    cr_graph_node node = {sizeof node,
                          op->name,
                          in,
                          out,
                          (uint32_t)op->nin,
                          (uint32_t)op->nout,
                          op->attrs,
                          (uint32_t)op->nattrs,
                          (uint32_t)op->nnumbers,
                          op->numbers};
    cr_graph graph = {sizeof graph, metas, &node,     graph_in,  graph_out,
                      count,        1,     ngraph_in, ngraph_out};
    cr_plan_info info = {sizeof info, 0, layouts, bytes, NULL, NULL};
    cr_plan *plan = NULL;
    host_words[0] = 0;
    cr_status status = backend->plan(device, &graph, &info, &plan);
    if (status != CR_OK)
        return status;
    cr_buffer *workspace = NULL;
    if (info.workspace && backend->alloc(device, info.workspace, &workspace) != CR_OK)
        return CR_OUT_OF_MEMORY;
    cr_run run = {sizeof run, bindings,   op->number, {workspace, 0},
                  op->seed,   op->offset, NULL,       NULL};
    if (!in_host_memory)
        upload(op, bindings);
    status = backend->run(plan, &run);
    if (!in_host_memory)
        status = download(op, bindings, status);
    backend->plan_free(plan);
    if (workspace)
        backend->free(device, workspace);
    return status;
}

/* ---- dtypes, said plainly ---- */

bool is_float(int32_t dtype)
{
    return dtype == CR_F64 || dtype == CR_F32 || dtype == CR_F16 || dtype == CR_BF16;
}

size_t dtype_bytes(int32_t dtype)
{
#define BYTES(name, number, bytes, text) \
    if (dtype == CR_##name)              \
        return bytes;
    CR_DTYPES(BYTES)
    return 0;
}

/* A half from its definition: `mantissa` bits after the point, exponents from `least` on, infinity at 2^most. */
static double half_value(uint16_t bits, int mantissa, int exponent_bits)
{
    int e = bits >> mantissa & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    double m = bits & ((1 << mantissa) - 1), sign = bits >> 15 ? -1 : 1;
    if (e == (1 << exponent_bits) - 1)
        return m != 0 ? NAN : sign * INFINITY;
    return sign *
           (e ? ldexp(m + (1 << mantissa), e - bias - mantissa) : ldexp(m, 1 - bias - mantissa));
}

static uint16_t half_bits(double x, int mantissa, int exponent_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1, e;
    uint16_t sign = signbit(x) ? 0x8000 : 0,
             top = (uint16_t)(((1 << exponent_bits) - 1) << mantissa);
    x = fabs(x);
    if (x != x)
        return (uint16_t)(sign | top | 1 << (mantissa - 1));
    if (x == 0)
        return sign;
    frexp(x, &e);
    e = isinf(x) ? bias + 1 : e - 1 < 1 - bias ? 1 - bias : e - 1;
    double steps = isinf(x) ? 0 : nearbyint(ldexp(x, mantissa - e)); /* ties to even */
    if (steps >= ldexp(2, mantissa)) {
        steps /= 2;
        e++;
    }
    if (e > bias)
        return sign | top;
    int whole = (int)steps;
    return (uint16_t)(sign |
                      (whole >> mantissa ? (e + bias) << mantissa | (whole & ((1 << mantissa) - 1))
                                         : whole));
}

static cell load(int32_t dtype, const void *at)
{
    cell c = {0, 0};
    switch (dtype) {
    case CR_F64: c.f = *(const double *)at; break;
    case CR_F32: c.f = (double)*(const float *)at; break;
    case CR_F16: c.f = half_value(*(const uint16_t *)at, 10, 5); break;
    case CR_BF16: c.f = half_value(*(const uint16_t *)at, 7, 8); break;
    case CR_I64: c.i = *(const int64_t *)at; break;
    case CR_I32: c.i = *(const int32_t *)at; break;
    case CR_I16: c.i = *(const int16_t *)at; break;
    case CR_I8: c.i = *(const int8_t *)at; break;
    default: c.i = *(const uint8_t *)at; break;
    }
    if (!is_float(dtype))
        c.f = (double)c.i;
    return c;
}

static void store(int32_t dtype, void *at, cell c)
{
    switch (dtype) {
    case CR_F64: *(double *)at = c.f; break;
    case CR_F32: *(float *)at = (float)c.f; break;
    case CR_F16: *(uint16_t *)at = half_bits((double)(float)c.f, 10, 5); break;
    case CR_BF16: *(uint16_t *)at = half_bits((double)(float)c.f, 7, 8); break;
    case CR_I64: *(int64_t *)at = c.i; break;
    case CR_I32: *(int32_t *)at = (int32_t)c.i; break;
    case CR_I16: *(int16_t *)at = (int16_t)c.i; break;
    case CR_I8: *(int8_t *)at = (int8_t)c.i; break;
    case CR_U8: *(uint8_t *)at = (uint8_t)c.i; break;
    default: *(uint8_t *)at = c.i != 0; break;
    }
}

cell value_round(int32_t dtype, cell c)
{
    uint64_t place = 0;
    store(dtype, &place, c);
    return load(dtype, &place);
}

/* A float's place among all floats of its dtype. */
static double ladder(int32_t dtype, double x)
{
    int mantissa = dtype == CR_F64 ? 52 : dtype == CR_F32 ? 23 : dtype == CR_F16 ? 10 : 7;
    int least = dtype == CR_F64 ? -1022 : dtype == CR_F16 ? -14 : -126, e;
    double a = fabs(x), greatest = dtype == CR_F64 ? 1024 : dtype == CR_F16 ? 16 : 128;
    if (isinf(x))
        return copysign((greatest - least + 1) * ldexp(1, mantissa), x);
    frexp(a, &e);
    e = e - 1 < least || a == 0 ? least : e - 1;
    return copysign((e - least) * ldexp(1, mantissa) + ldexp(a, mantissa - e), x);
}

/* The same of f64, in whole numbers: a double cannot count that far. */
static int64_t ladder_f64(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

double cells_apart(int32_t dtype, cell a, cell b)
{
    if (!is_float(dtype))
        return a.i == b.i ? 0 : INFINITY;
    if (a.f != a.f || b.f != b.f)
        return a.f != a.f && b.f != b.f ? 0 : INFINITY;
    if (a.f == b.f)
        return 0;
    if (dtype == CR_F64)
        return fabs((double)ladder_f64(a.f) - (double)ladder_f64(b.f)) > 1e17
                   ? INFINITY
                   : fabs((double)(ladder_f64(a.f) - ladder_f64(b.f)));
    return fabs(ladder(dtype, a.f) - ladder(dtype, b.f));
}

/* ---- values ---- */

value value_new(int32_t dtype, int rank, const int64_t *size, layout how)
{
    value v = {.meta = {.dtype = dtype, .rank = rank}};
    int64_t step = how == SPACED ? 2 : 1, last = 0;
    for (int k = 0; k < rank; k++) {
        int d = how == TURNED ? k : rank - 1 - k;
        v.meta.size[d] = size[d];
        bool repeated = (how == REPEATED && d == 0) || (how == REPEATED_1 && d == rank - 1);
        v.meta.stride[d] = repeated ? 0 : step;
        last += repeated || size[d] == 0 ? 0 : (size[d] - 1) * step;
        if (!repeated)
            step *= size[d] ? size[d] : 1;
        step += how == SPACED || how == ROWS ? 3 : 0;
    }
    v.bytes = (size_t)(last + 1) * dtype_bytes(dtype);
    size_t rounded = (v.bytes + 63) / 64 * 64; /* short of which the sanitizer watches */
    v.memory = how == DENSE || how == SPACED ? aligned_alloc(64, rounded) : malloc(v.bytes);
    memset(v.memory, how == REPEATED ? 0 : 1, v.bytes);
    return v;
}

void value_free(value *v)
{
    free(v->memory);
    v->memory = NULL;
}

int64_t value_numel(const value *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->meta.rank; d++)
        n *= v->meta.size[d];
    return n;
}

static char *place(const value *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->meta.rank - 1; d >= 0; d--) {
        at += i % v->meta.size[d] * v->meta.stride[d];
        i /= v->meta.size[d];
    }
    return v->memory + at * (int64_t)dtype_bytes(v->meta.dtype);
}

cell value_get(const value *v, int64_t i)
{
    return load(v->meta.dtype, place(v, i));
}

void value_set(value *v, int64_t i, cell c)
{
    store(v->meta.dtype, place(v, i), c);
}

void value_fill(value *v, uint32_t seed, bool special)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1.0, -1.0, 1e-6, 6e4, -1e38};
    static const int64_t far[] = {INT64_MAX, INT64_MIN, 0, -1, 1, 127, -128, 255, INT32_MIN, 32768};
    uint32_t state = seed * 2654435761u + 12345;
    int64_t n = value_numel(v);
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        uint32_t bits = state >> 8;
        cell c = {((double)(bits % 4001) - 2000) / 256, (int64_t)(bits % 41) - 20};
        if (special && bits % 7 == 0) {
            c.f = odd[bits / 7 % 10];
            c.i = far[bits / 7 % 10];
        }
        if (v->meta.dtype == CR_B8)
            c.i = bits & 1;
        value_set(v, i, c);
    }
}

/* ---- attributes and shapes ---- */

cr_attr attr_int(const char *name, int64_t i)
{
    return (cr_attr){.name = name, .kind = CR_ATTR_INT, .as.i = i};
}

cr_attr attr_ints(const char *name, const int64_t *ints, int count)
{
    return (cr_attr){.name = name, .kind = CR_ATTR_INTS, .count = count, .as.ints = ints};
}

cr_attr attr_text(const char *name, const char *text)
{
    return (cr_attr){.name = name, .kind = CR_ATTR_TEXT, .as.text = text};
}

const shape shapes[] = {
    {0, {0}},     {1, {0}},       {1, {1}},         {1, {5}},
    {1, {700}},   {2, {3, 5}},    {2, {70, 3}},     {2, {3, 130}},
    {2, {0, 4}},  {3, {4, 1, 6}}, {3, {5, 17, 33}}, {4, {2, 3, 4, 5}},
    {2, {1, 90}}, {2, {90, 1}},   {2, {600, 2}},    {3, {2, 300, 3}},
};
const int nshapes = sizeof shapes / sizeof *shapes;
