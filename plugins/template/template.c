/* A complete backend from the public header alone: host memory, every primitive by simple loops.
 * README.md builds it up: the number before a section, or ending a line, is the step it is of. */
#include <cresset/backend.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
/* 1: tables. First, how a dtype's element e is read as a number, and a number x written as one. */
/* clang-format off */
#define TYPES(X) \
    X(F64, double, real(e), x.f) X(F16, uint16_t, wide(e, 10), narrow(x.f, 10)) \
    X(F32, float, real(e), x.f) X(BF16, uint16_t, wide(e, 7), narrow(x.f, 7)) \
    X(I64, int64_t, whole(e), x.i) X(I32, int32_t, whole(e), x.i) X(I16, int16_t, whole(e), x.i) \
    X(I8, int8_t, whole(e), x.i) X(U8, uint8_t, whole(e), x.i) X(B8, uint8_t, whole(e), x.f != 0)
#define LOAD(D, T, read, write) if (dtype == CR_##D) { T e = ((const T *)p)[k]; return read; }
#define STORE(D, T, read, write) if (dtype == CR_##D) ((T *)p)[k] = (T)(write);
/* 2: elementwise operations, in floats and in integers and bool. a b c are the inputs and, after
 * them, the numbers; u and w are a and b as unsigned, since integers wrap. */
#define F(X, id) X(id, #id, id(a.f), 0)
#define C(X, id, op) X(id, #id ".Tensor", a.f op b.f, a.i op b.i)
#define B(X, id, bits) X(bit_##id, "bitwise_" #id ".Tensor", 0, bits)
#define OPERATIONS(X) \
    F(X, floor) F(X, ceil) F(X, trunc) F(X, sqrt) F(X, exp) F(X, exp2) F(X, expm1) F(X, log) \
    F(X, log2) F(X, log10) F(X, log1p) F(X, sin) F(X, cos) F(X, tan) F(X, asin) F(X, acos) \
    F(X, atan) F(X, sinh) F(X, cosh) F(X, tanh) F(X, asinh) F(X, acosh) F(X, atanh) F(X, erf) \
    F(X, erfc) F(X, erfinv) F(X, lgamma) F(X, digamma) X(reciprocal, "reciprocal", 1 / a.f, 0) \
    X(rsqrt, "rsqrt", 1 / sqrt(a.f), 0) X(sigmoid, "sigmoid", 1 / (1 + exp(-a.f)), 0) \
    X(pow, "pow.Tensor_Tensor", pow(a.f, b.f), ipower(a.i, b.i)) X(copy, "copy", a.f, a.i) \
    X(sign, "sign", (a.f > 0) - (a.f < 0), (a.i > 0) - (a.i < 0)) X(neg, "neg", -a.f, 0 - u) \
    B(X, right_shift, a.i >> (w > 63 ? 63 : w)) X(abs, "abs", fabs(a.f), a.i < 0 ? 0 - u : u) \
    X(where, "where.self", a.f ? b.f : c.f, u ? b.i : c.i) X(round, "round", nearbyint(a.f), 0) \
    X(div, "div.Tensor", a.f / b.f, 0) X(mul, "mul.Tensor", a.f * b.f, u * w) \
    X(add, "add.Tensor", a.f + c.f * b.f, u + (uint64_t)c.i * w) \
    X(sub, "sub.Tensor", a.f - c.f * b.f, u - (uint64_t)c.i * w) \
    X(div_mode, "div.Tensor_mode", p->mode == 't' ? trunc(a.f / b.f) : b.f == 0 ? a.f / b.f \
        : nearbyint((a.f - modulo(a.f, b.f)) / b.f), iquotient(a.i, b.i, p->mode)) \
    X(fmod, "fmod.Tensor", fmod(a.f, b.f), b.i ? u - iquotient(a.i, b.i, 't') * w : 0) \
    X(modulo, "remainder.Tensor", modulo(a.f, b.f), b.i ? u - iquotient(a.i, b.i, 'f') * w : 0) \
    X(maximum, "maximum", isnan(a.f) || a.f > b.f ? a.f : b.f, a.i > b.i ? a.i : b.i) \
    X(minimum, "minimum", isnan(a.f) || a.f < b.f ? a.f : b.f, a.i < b.i ? a.i : b.i) \
    X(atan2, "atan2", atan2(a.f, b.f), 0) X(copysign, "copysign.Tensor", copysign(a.f, b.f), 0) \
    X(next, "nextafter", p->dtype[0] == CR_F64 ? nextafter(a.f, b.f) : nextafterf(a.f, b.f), 0) \
    X(lse, "logaddexp", fmax(a.f, b.f) + (a.f == b.f ? log(2) : log1p(exp(-fabs(a.f - b.f)))), 0) \
    C(X, eq, ==) C(X, ne, !=) C(X, lt, <) C(X, le, <=) C(X, gt, >) C(X, ge, >=) \
    X(and, "logical_and", a.f && b.f, u && w) X(or, "logical_or", a.f || b.f, u || w) \
    X(xor, "logical_xor", !a.f != !b.f, !u != !w) X(not, "logical_not", !a.f, !u) \
    B(X, and, u & w) B(X, or, u | w) B(X, xor, u ^ w) B(X, left_shift, w > 63 ? 0 : u << w) \
    X(bit_not, "bitwise_not", 0, p->dtype[0] == CR_B8 ? !u : ~u) \
    X(fill, "fill.Scalar", a.f, p->dtype[0] == CR_B8 ? a.f != 0 : a.i) \
    X(random_bits, "random_bits", 0, philox(p)) /* 6 */ \
    X(arange, "arange.start_step", a.f + (double)p->k * c.f, a.i + p->k * c.i)
#define OP(id, name, f, i) OP_##id,
#define CASE(id, name, f, i) case OP_##id: return p->floats ? real(f) : whole((int64_t)(i));
#define FIND_OPERATION(id, name, f, i) FIND(name, elementwise, OP_##id, 0)
/* 1: kernels of their own: what they fold with; 'i'ndex or 's'can instead of a folded value. */
#define KERNELS(X) \
    X("sum.dim_IntList", fold, OP_add, 0) X("prod.dim_int", fold, OP_mul, 0) /* 3 */ \
    X("amax", fold, OP_maximum, 0) X("amin", fold, OP_minimum, 0) /* 3 */ \
    X("any.dims", fold, OP_or, 0) X("all.dims", fold, OP_and, 0) /* 3 */ \
    X("argmax", fold, OP_maximum, 'i') X("argmin", fold, OP_minimum, 'i') /* 3 */ \
    X("cumsum", fold, OP_add, 's') X("cumprod", fold, OP_mul, 's') /* 3 */ \
    X("cummax", fold, OP_maximum, 's') X("cummin", fold, OP_minimum, 's') /* 3 */ \
    X("logcumsumexp", fold, OP_lse, 's') /* 3 */ \
    X("gather", move, 0, 0) X("scatter.src", move, 0, 0) /* 4 */ \
    X("scatter_reduce.two", move, 0, 0) /* 4 */ \
    X("sort.stable", sort, 0, 0) /* 5 */ \
    X("bmm", bmm, 0, 0)
#define FIND(o, k, b, f) if (!strcmp(op, o)) return p->kernel = k, p->by = b, p->form = f, true;
/* clang-format on */

static const cr_host *host;
/* 1: elements. Whatever its dtype, one is read as a cr_number: both a double and an int64_t. */
static cr_number whole(int64_t i) { return (cr_number){(double)i, i}; }
static cr_number real(double f) {
    return (cr_number){f, !(f >= -9.2e18) ? INT64_MIN : f >= 9.2e18 ? INT64_MAX : (int64_t)f};
}
static cr_number wide(int h, int m) { /* floats of 16 bits, m of them the fraction */
    int bias = m == 10 ? 15 : 127, e = h >> m & (2 * bias + 1), low = h & ((1 << m) - 1);
    double v = ldexp(e ? low + (1 << m) : low, (e ? e : 1) - bias - m);
    if (e > 2 * bias) v = low ? NAN : INFINITY;
    return real(h & 0x8000 ? -v : v);
}
static int narrow(double v, int m) {
    int bias = m == 10 ? 15 : 127, e = (int)fmax(1 - bias, ilogb(v)), inf = (2 * bias + 1) << m;
    if (isnan(v)) return inf | 1 << (m - 1);
    int bits = e > bias ? inf : ((e + bias - 1) << m) + (int)nearbyint(ldexp(fabs(v), m - e));
    return (signbit(v) ? 0x8000 : 0) | (bits < inf ? bits : inf);
}
static cr_number load(const void *p, int dtype, int64_t k) { TYPES(LOAD) return whole(0); }
static void store(void *p, int dtype, int64_t k, cr_number x) { TYPES(STORE) }
/* 1: plans. All have one form: at each place of `outer` the kernel meets a lane, which is `inner`:
 * what a reduction reduces, or a scan runs along; of an elementwise operation, one element. */
struct cr_plan {
    cr_status (*kernel)(cr_plan *);
    int by, form, mode, nin, nout, nnumbers, all, rank, dim, floats, dtype[4]; /* see KERNELS */
    int64_t size[CR_MAX_RANK], outer[CR_MAX_RANK], inner[CR_MAX_RANK], numel, lanes, n;
    int64_t stride[4][CR_MAX_RANK]; /* of every value: inputs, then outputs */
    const cr_run *r; /* of the run, and of the k-th lane: where it begins in each value */
    void *data[4];
    int64_t at[4], k;
};
static int64_t place(const cr_plan *p, int i, const int64_t *size, int64_t k) { /* of the k-th */
    int64_t offset = 0;
    for (int d = p->rank - 1; d >= 0; k /= size[d--]) offset += k % size[d] * p->stride[i][d];
    return offset;
}
static cr_number get(const cr_plan *p, int i, int64_t j) { /* the j-th of value i's lane */
    return load(p->data[i], p->dtype[i], p->at[i] + j * p->stride[i][p->dim]);
}
static cr_status put(const cr_plan *p, int i, int64_t j, cr_number x) {
    return store(p->data[i], p->dtype[i], p->at[i] + j * p->stride[i][p->dim], x), CR_OK;
}
static cr_status bmm(cr_plan *p) { /* lanes: a row of one matrix and a column of the other */
    cr_number x = whole(0);
    for (int64_t j = 0; j < p->n; j++) {
        cr_number a = get(p, 0, j), b = get(p, 1, j);
        x.f += a.f * b.f, x.i = (int64_t)((uint64_t)x.i + (uint64_t)a.i * (uint64_t)b.i);
    }
    return put(p, 2, 0, x);
}
/* 6: random bits */
static uint64_t philox(const cr_plan *p) {
    uint64_t word = (uint64_t)p->k * (p->dtype[0] == CR_I64 ? 2 : 1), key = p->r->seed;
    uint64_t block = p->r->offset + word / 4;
    uint32_t low = (uint32_t)key, high = key >> 32, c[5] = {(uint32_t)block, block >> 32};
    for (int round = 0; round < 10; round++, low += 0x9E3779B9u, high += 0xBB67AE85u) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ low, c[2] = (uint32_t)(a >> 32) ^ c[3] ^ high;
        c[1] = (uint32_t)b, c[3] = (uint32_t)a;
    }
    return c[word % 4] | (uint64_t)c[word % 4 + 1] << 32;
}

/* 2: elementwise operations, casts, copies, fill and iota */
static double erfinv(double y) { /* Newton's steps; they come closer from one side */
    double x = fabs(y) < 1 ? 0 : fabs(y) == 1 ? y * INFINITY : NAN;
    for (int k = 0; k < 60 && fabs(y) < 1; k++) x += (y - erf(x)) / 1.1283791670955126 * exp(x * x);
    return x;
}
static double digamma(double x) {
    double s = 0, pi = 3.14159265358979323846;
    if (x <= 0 && floor(x) == x) return x == 0 ? copysign(INFINITY, -x) : NAN;
    if (x < 0) return digamma(1 - x) - pi / tan(pi * x);
    for (; x < 10; x++) s -= 1 / x;
    double z = 1 / (x * x), t = 1. / 252 - z * (1. / 240 - z / 132);
    return s + log(x) - 0.5 / x - z * (1. / 12 - z * (1. / 120 - z * t));
}
static double modulo(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static uint64_t iquotient(int64_t a, int64_t b, int mode) { /* 't'runc or 'f'loor */
    if (b == -1 || !b) return b ? 0 - (uint64_t)a : 0;
    return (uint64_t)(a / b - (mode == 'f' && a % b != 0 && (a % b < 0) != (b < 0)));
}
static uint64_t ipower(int64_t a, int64_t b) {
    uint64_t z = 1, u = (uint64_t)a;
    if (b < 0) return a == 1 || (a == -1 && !(b & 1)) ? 1 : a == -1 ? UINT64_MAX : 0;
    for (; b; b >>= 1, u *= u) z *= b & 1 ? u : 1;
    return z;
}
enum { OPERATIONS(OP) };
static cr_number combine(const cr_plan *p, int op, cr_number a, cr_number b, cr_number c) {
    uint64_t u = (uint64_t)a.i, w = (uint64_t)b.i;
    switch (op) { OPERATIONS(CASE) default : return a; }
}
static cr_status elementwise(cr_plan *p) {
    cr_number v[6];
    for (int i = 0; i < p->nin; i++) v[i] = get(p, i, 0);
    for (int i = 0; i < p->nnumbers; i++) v[p->nin + i] = p->r->numbers[i];
    return put(p, p->nin, 0, combine(p, p->by, v[0], v[1], v[2]));
}
/* 3: reductions and scans */
static bool beats(const cr_plan *p, cr_number a, cr_number b, bool largest) { /* NaN beats all */
    if (!p->floats) return largest ? a.i > b.i : a.i < b.i;
    return isnan(a.f) ? !isnan(b.f) : largest ? a.f > b.f : a.f < b.f;
}
static cr_status fold(cr_plan *p) {
    cr_number x = whole(p->by == OP_mul || p->by == OP_and), at = x;
    bool max = p->by == OP_maximum, picks = max || p->by == OP_minimum, scans = p->form == 's';
    for (int64_t j = 0; j < p->n; j++) {
        cr_number v = load(p->data[0], p->dtype[0], p->at[0] + place(p, 0, p->inner, j));
        bool better = !j || (scans ? !beats(p, x, v, max) : beats(p, v, x, max));
        if (better) at = whole(j);
        if (better || !picks) x = j && !picks ? combine(p, p->by, x, v, whole(1)) : v;
        if (scans) put(p, p->nout, j, at), put(p, 1, j, x);
    }
    return scans ? CR_OK : put(p, 1, 0, p->form == 'i' ? at : x);
}
/* 4: gather and scatter */
static int reduces_by(const char *name) { /* "sum", "prod", "amax" or "amin" */
    return *name == 's' ? OP_add : *name == 'p' ? OP_mul : name[2] == 'a' ? OP_maximum : OP_minimum;
}
static cr_status move(cr_plan *p) { /* inputs: self, index and, to scatter, src */
    bool gathers = p->nin == 2;
    for (int64_t j = 0, size = p->size[p->dim]; j < p->n; j++) {
        int64_t i = get(p, 1, j).i;
        if (i < 0 || i >= size)
            return host->fail(host, CR_INVALID, "index %lld is out of bounds", (long long)i);
        cr_number v = gathers ? get(p, 0, i) : get(p, 2, j);
        if (p->by) v = combine(p, p->by, get(p, 3, i), v, whole(1));
        put(p, p->nin, gathers ? j : i, v);
    }
    return CR_OK;
}
/* 5: sort, by insertion */
static cr_status sort(cr_plan *p) {
    for (int64_t j = 0, i; j < p->n; j++) {
        cr_number v = get(p, 0, i = j);
        for (cr_number w; i > 0; i--, put(p, 1, i + 1, w), put(p, 2, i + 1, get(p, 2, i))) {
            w = get(p, 1, i - 1);
            if (p->mode == 'd' ? !beats(p, v, w, true) : !beats(p, w, v, true)) break;
        }
        put(p, 1, i, v), put(p, 2, i, whole(j));
    }
    return CR_OK;
}
/* 1: planning and running */
static bool find(cr_plan *p, const char *op) {
    OPERATIONS(FIND_OPERATION) /* 2 */
    KERNELS(FIND)
    return false;
}
static cr_status plan(cr_device *device, const cr_graph *graph, cr_plan_info *more, cr_plan **out) {
    static const int8_t dims_of_bmm[3][4] = {{0, 1, -1, 2}, {0, -1, 2, 1}, {0, 1, 2, -1}};
    const cr_graph_node *node = graph->nodes;
    const cr_meta *m = graph->values; /* of a graph of one node: its inputs, then its outputs */
    cr_plan plan = {.numel = 1, .lanes = 1, .n = 1}, *p = &plan;
    if (graph->nnodes != 1 || !find(p, node->op)) return CR_UNSUPPORTED;
    p->nin = (int)graph->ninputs, p->nout = (int)graph->noutputs, p->nnumbers = (int)node->nnumbers;
    bool worked[CR_MAX_RANK] = {false};  /* the dimensions along which lanes lie */
    cr_meta shape = m[p->nin];           /* of outer and inner together */
    if (p->kernel == fold) shape = m[0]; /* 3 */
    if (p->kernel == sort) shape = m[0]; /* 5 */
    if (p->kernel == move) shape = m[1]; /* 4 */
    if (p->kernel == bmm) shape.size[shape.rank++] = m[0].size[2], worked[p->dim = 3] = true;
    for (uint32_t i = 0; i < node->nattrs; i++) {
        const cr_attr *a = &node->attrs[i];
        bool list = a->kind == CR_ATTR_INTS;
        for (int j = 0; !strcmp(a->name, "dim") && j < (list ? a->count : 1); j++)
            worked[p->dim = (int)(list ? a->as.ints[j] : a->as.i)] = true;
        if (a->kind == CR_ATTR_TEXT) p->mode = a->as.text[0];
        if (!strcmp(a->name, "descending")) p->mode = a->as.i ? 'd' : 0; /* 5 */
        if (!strcmp(a->name, "reduce")) p->by = reduces_by(a->as.text);  /* 4 */
    }
    p->all = p->nin + p->nout, p->rank = shape.rank,
    p->floats = m[p->nin ? p->nin - 1 : 0].dtype <= CR_BF16;
    for (int d = 0; d < p->rank; d++) {
        p->numel *= p->size[d] = m[0].size[d];
        p->lanes *= p->outer[d] = worked[d] ? 1 : shape.size[d];
        p->n *= p->inner[d] = worked[d] ? shape.size[d] : 1;
    }
    for (int i = 0; i < p->all; i++) {
        p->dtype[i] = m[i].dtype;
        for (int d = 0, e = 0; d < p->rank; d++) { /* a reduction may have dropped dimensions */
            int from = m[i].rank == p->rank ? d : worked[d] ? -1 : e++;
            if (p->kernel == bmm) from = dims_of_bmm[i][d];
            p->stride[i][d] = from < 0 ? 0 : m[i].stride[from];
        }
    }
    return (*out = malloc(sizeof plan)) ? **out = plan, CR_OK : CR_OUT_OF_MEMORY;
}
static cr_status run(cr_plan *p, const cr_run *r) {
    cr_status status = CR_OK;
    p->r = r;
    for (int i = 0; i < p->all; i++) p->data[i] = (char *)r->values[i].buffer + r->values[i].offset;
    for (int64_t k = 0; p->kernel == move && p->nin == 3 && k < p->numel; k++) /* 4 */
        store(p->data[3], p->dtype[3], place(p, 3, p->size, k),                /* 4 */
              load(p->data[0], p->dtype[0], place(p, 0, p->size, k)));         /* 4 */
    for (p->k = 0; p->k < p->lanes && status == CR_OK; p->k++) {
        for (int i = 0; i < p->all; i++) p->at[i] = place(p, i, p->outer, p->k);
        status = p->kernel(p);
    }
    return status;
}
static void plan_free(cr_plan *p) { free(p); }
/* 1: the device and its memory */
static cr_status count(const cr_backend *self, int *count) { return *count = 1, CR_OK; }
static cr_status info(const cr_backend *self, int index, cr_device_info *i) {
    return strcpy(i->name, "simple loops"), i->rank = 1, i->host_memory = 1, CR_OK;
}
static cr_status opened(const cr_backend *self, int index, cr_device **d) { return CR_OK; }
static void closed(cr_device *d) {}
static cr_status alloc(cr_device *d, size_t bytes, cr_buffer **buffer) {
    return (*buffer = aligned_alloc(64, (bytes + 63) / 64 * 64)) ? CR_OK : CR_OUT_OF_MEMORY;
}
static void release(cr_device *d, cr_buffer *buffer) { free(buffer); }
static void *pointer(cr_device *d, cr_buffer *buffer) { return buffer; }
static cr_status copy_in(cr_device *d, cr_buffer *to, size_t at, const void *from, size_t bytes) {
    return memcpy((char *)to + at, from, bytes), CR_OK;
}
static cr_status copy_out(cr_device *d, void *to, cr_buffer *from, size_t at, size_t bytes) {
    return memcpy(to, (char *)from + at, bytes), CR_OK;
}
CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h) {
    static const cr_backend table = {
        sizeof table, CR_ABI_MAJOR, CR_ABI_MINOR, "template",   "1",        count,
        info,         opened,       closed,       alloc,        release,    pointer,
        copy_in,      copy_out,     NULL,         .plan = plan, .run = run, .plan_free = plan_free};
    return host = h, &table;
}
