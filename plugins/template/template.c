/* A complete backend in one file, from the public header alone: host memory, and every primitive by simple loops. Copy it,
 * and replace loops with your device, one family at a time. Numbers travel as double or int64_t; an element's address is
 * found from its position by sizes and strides. */
#include <cresset/backend.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cr_host *host;

/* ---- elements ---- */

typedef struct number {
    double f;
    int64_t i;
} number;

static bool is_float(int dtype)
{
    return dtype <= CR_BF16;
}
static float half(uint16_t h)
{
    float f = (h >> 10 & 31) == 31 ? (h & 1023 ? NAN : INFINITY)
                                   : ldexpf((float)((h & 1023) | ((h >> 10 & 31) ? 1024 : 0)),
                                            ((h >> 10 & 31) ? (h >> 10 & 31) : 1) - 25);
    return h & 0x8000 ? -f : f;
}
static uint16_t to_half(double v) /* to nearest, ties to even */
{
    uint16_t s = signbit(v) ? 0x8000 : 0;
    double a = fabs(v);
    if (isnan(v))
        return 0x7e00;
    if (a >= 65520)
        return s | 0x7c00;
    int e = a > 0 ? ilogb(a) : -15;
    if (e < -14)
        e = -14;
    uint32_t m = (uint32_t)nearbyint(ldexp(a, 10 - e)); /* 1024…2048 when normal */
    return (uint16_t)(s | (m < 1024 ? m : (uint32_t)(e + 14) * 1024 + m));
}
static uint16_t to_bf16(float v)
{
    uint32_t u;
    memcpy(&u, &v, 4);
    return isnan(v) ? 0x7fc0 : (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static number load(const void *p, int dtype, int64_t k)
{
    number n = {0, 0};
    switch (dtype) {
    case CR_F64: n.f = ((const double *)p)[k]; break;
    case CR_F32: n.f = ((const float *)p)[k]; break;
    case CR_F16: n.f = half(((const uint16_t *)p)[k]); break;
    case CR_BF16: {
        uint32_t u = (uint32_t)((const uint16_t *)p)[k] << 16;
        float f;
        memcpy(&f, &u, 4);
        n.f = f;
        break;
    }
    case CR_I64: n.i = ((const int64_t *)p)[k]; break;
    case CR_I32: n.i = ((const int32_t *)p)[k]; break;
    case CR_I16: n.i = ((const int16_t *)p)[k]; break;
    case CR_I8: n.i = (int64_t)((const int8_t *)p)[k]; break;
    default: n.i = ((const uint8_t *)p)[k];
    }
    if (is_float(dtype))
        n.i = !(n.f >= -9.2e18) ? INT64_MIN : n.f >= 9.2e18 ? INT64_MAX : (int64_t)n.f;
    else
        n.f = (double)n.i;
    return n;
}
static void store(void *p, int dtype, int64_t k, number n)
{
    switch (dtype) {
    case CR_F64: ((double *)p)[k] = n.f; break;
    case CR_F32: ((float *)p)[k] = (float)n.f; break;
    case CR_F16: ((uint16_t *)p)[k] = to_half(n.f); break;
    case CR_BF16: ((uint16_t *)p)[k] = to_bf16((float)n.f); break;
    case CR_I64: ((int64_t *)p)[k] = n.i; break;
    case CR_I32: ((int32_t *)p)[k] = (int32_t)n.i; break;
    case CR_I16: ((int16_t *)p)[k] = (int16_t)n.i; break;
    case CR_I8: ((int8_t *)p)[k] = (int8_t)n.i; break;
    case CR_U8: ((uint8_t *)p)[k] = (uint8_t)n.i; break;
    default: ((uint8_t *)p)[k] = n.f != 0 || n.i != 0;
    }
}
static int64_t numel(const cr_meta *m)
{
    int64_t n = 1;
    for (int d = 0; d < m->rank; d++)
        n *= m->size[d];
    return n;
}
/* Where element k (counted row-major over sizes of `by`) lies in m; dimension `skip` counts 0. */
static int64_t at(const cr_meta *m, const cr_meta *by, int64_t k, int skip)
{
    int64_t o = 0;
    for (int d = by->rank - 1; d >= 0; d--) {
        if (d != skip)
            o += k % by->size[d] * m->stride[d];
        k /= by->size[d];
    }
    return o;
}

/* ---- plans ---- */

typedef void (*kernel)(cr_plan *, const cr_run *);
struct cr_plan {
    kernel run;
    int nin, nout, op, dim;
    bool descending, sum_all;
    uint8_t reduced[CR_MAX_RANK];
    char mode;
    bool failed;
    int alpha;
    cr_meta m[8];
};
#define PTR(i)  ((void *)((char *)r->values[i].buffer + r->values[i].offset))
#define NUM(f_) ((number){(f_), 0})

static const char *const unary[] = {
    "abs",    "neg",        "sign",    "floor",       "ceil",        "trunc", "round", "sqrt",
    "rsqrt",  "reciprocal", "exp",     "exp2",        "expm1",       "log",   "log2",  "log10",
    "log1p",  "sin",        "cos",     "tan",         "asin",        "acos",  "atan",  "sinh",
    "cosh",   "tanh",       "asinh",   "acosh",       "atanh",       "erf",   "erfc",  "erfinv",
    "lgamma", "digamma",    "sigmoid", "bitwise_not", "logical_not", "copy",  NULL};
static double erfinv(double y)
{
    if (fabs(y) >= 1)
        return fabs(y) == 1 ? copysign(INFINITY, y) : NAN;
    double w = -log1p(-y * y),
           x = copysign(
               sqrt(sqrt((4.33 + w * -0.5) * (4.33 + w * -0.5) + w / 0.147) - (4.33 - w * 0.5)), y);
    for (int k = 0; k < 4; k++)
        x -= (erf(x) - y) / (1.1283791670955126 * exp(-x * x));
    return x;
}
static double digamma(double x)
{
    if (x <= 0 && floor(x) == x)
        return x == 0 ? copysign(INFINITY, -x) : NAN;
    if (x < 0)
        return digamma(1 - x) - 3.14159265358979323846 / tan(3.14159265358979323846 * x);
    double s = 0;
    for (; x < 10; x++)
        s -= 1 / x;
    double z = 1 / (x * x);
    return s + log(x) - 0.5 / x -
           z * (1 / 12. - z * (1 / 120. - z * (1 / 252. - z * (1 / 240. - z * (1 / 132.)))));
}
static void run_unary(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *y = &p->m[1];
    for (int64_t k = 0, n = numel(y); k < n; k++) {
        number x = load(PTR(0), a->dtype, at(a, y, k, -1));
        bool f = is_float(a->dtype);
        double v = x.f;
        switch (p->op) {
        case 0: x = (number){fabs(v), x.i < 0 ? (int64_t)(0 - (uint64_t)x.i) : x.i}; break;
        case 1: x = (number){-v, (int64_t)(0 - (uint64_t)x.i)}; break;
        case 2: x = (number){(v > 0) - (v < 0), (x.i > 0) - (x.i < 0)}; break;
        case 3: x.f = floor(v); break;
        case 4: x.f = ceil(v); break;
        case 5: x.f = trunc(v); break;
        case 6: x.f = nearbyint(v); break;
        case 7: x.f = sqrt(v); break;
        case 8: x.f = 1 / sqrt(v); break;
        case 9: x.f = 1 / v; break;
        case 10: x.f = exp(v); break;
        case 11: x.f = exp2(v); break;
        case 12: x.f = expm1(v); break;
        case 13: x.f = log(v); break;
        case 14: x.f = log2(v); break;
        case 15: x.f = log10(v); break;
        case 16: x.f = log1p(v); break;
        case 17: x.f = sin(v); break;
        case 18: x.f = cos(v); break;
        case 19: x.f = tan(v); break;
        case 20: x.f = asin(v); break;
        case 21: x.f = acos(v); break;
        case 22: x.f = atan(v); break;
        case 23: x.f = sinh(v); break;
        case 24: x.f = cosh(v); break;
        case 25: x.f = tanh(v); break;
        case 26: x.f = asinh(v); break;
        case 27: x.f = acosh(v); break;
        case 28: x.f = atanh(v); break;
        case 29: x.f = erf(v); break;
        case 30: x.f = erfc(v); break;
        case 31: x.f = erfinv(v); break;
        case 32: x.f = lgamma(v); break;
        case 33: x.f = digamma(v); break;
        case 34: x.f = 1 / (1 + exp(-v)); break;
        case 35:
            x.i = a->dtype == CR_B8 ? !x.i : ~x.i;
            x.f = 0;
            break;
        case 36: x = NUM(f ? v == 0 : x.i == 0); break;
        default:
            if (y->dtype == CR_B8 && f)
                x = NUM(v != 0);
            else if (y->dtype == CR_B8)
                x.f = 0;
        }
        if (y->dtype == CR_B8 && p->op == 35)
            x.f = (double)x.i;
        store(PTR(1), y->dtype, at(y, y, k, -1), x);
    }
}

static const char *const binary[] = {"add.Tensor",
                                     "sub.Tensor",
                                     "mul.Tensor",
                                     "div.Tensor",
                                     "maximum",
                                     "minimum",
                                     "atan2",
                                     "pow.Tensor_Tensor",
                                     "fmod.Tensor",
                                     "remainder.Tensor",
                                     "div.Tensor_mode",
                                     "eq.Tensor",
                                     "ne.Tensor",
                                     "lt.Tensor",
                                     "le.Tensor",
                                     "gt.Tensor",
                                     "ge.Tensor",
                                     "logical_and",
                                     "logical_or",
                                     "logical_xor",
                                     "bitwise_and.Tensor",
                                     "bitwise_or.Tensor",
                                     "bitwise_xor.Tensor",
                                     "bitwise_left_shift.Tensor",
                                     "bitwise_right_shift.Tensor",
                                     "copysign.Tensor",
                                     "nextafter",
                                     NULL};
static int64_t floor_div(int64_t a, int64_t b)
{
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    return b ? a / b - (a % b != 0 && (a % b < 0) != (b < 0)) : 0;
}
static number combine(int op, number a, number b, bool f, char mode, number alpha, int dtype)
{
    number x = {0, 0};
    uint64_t u = (uint64_t)a.i, w = (uint64_t)b.i;
    double q;
    switch (op) {
    case 0: x = (number){a.f + alpha.f * b.f, (int64_t)(u + (uint64_t)alpha.i * w)}; break;
    case 1: x = (number){a.f - alpha.f * b.f, (int64_t)(u - (uint64_t)alpha.i * w)}; break;
    case 2: x = (number){a.f * b.f, (int64_t)(u * w)}; break;
    case 3: x.f = a.f / b.f; break;
    case 4:
        x = (number){isnan(a.f) || isnan(b.f) ? NAN : a.f > b.f ? a.f : b.f, a.i > b.i ? a.i : b.i};
        break;
    case 5:
        x = (number){isnan(a.f) || isnan(b.f) ? NAN : a.f < b.f ? a.f : b.f, a.i < b.i ? a.i : b.i};
        break;
    case 6: x.f = atan2(a.f, b.f); break;
    case 7:
        if (f)
            x.f = pow(a.f, b.f);
        else if (b.i < 0)
            x.i = a.i == 1 ? 1 : a.i == -1 ? (b.i & 1 ? -1 : 1) : 0;
        else {
            uint64_t z = 1;
            for (; w; w >>= 1, u *= u)
                if (w & 1)
                    z *= u;
            x.i = (int64_t)z;
        }
        break;
    case 8: x = (number){fmod(a.f, b.f), b.i && b.i != -1 ? a.i % b.i : 0}; break;
    case 9:
        q = fmod(a.f, b.f);
        x = (number){q != 0 && (q < 0) != (b.f < 0) ? q + b.f : q,
                     b.i ? a.i - (int64_t)((uint64_t)floor_div(a.i, b.i) * w) : 0};
        break;
    case 10:
        if (f) {
            q = fmod(a.f, b.f);
            x.f = mode == 't' ? trunc(a.f / b.f)
                  : b.f == 0  ? a.f / b.f
                              : floor((a.f - q) / b.f + 0.5) - (q != 0 && (q < 0) != (b.f < 0));
        } else
            x.i = mode == 'f' ? floor_div(a.i, b.i)
                  : b.i == -1 ? (int64_t)(0 - u)
                  : b.i       ? a.i / b.i
                              : 0;
        break;
    case 11: x = NUM(f ? a.f == b.f : a.i == b.i); break;
    case 12: x = NUM(f ? a.f != b.f : a.i != b.i); break;
    case 13: x = NUM(f ? a.f < b.f : a.i < b.i); break;
    case 14: x = NUM(f ? a.f <= b.f : a.i <= b.i); break;
    case 15: x = NUM(f ? a.f > b.f : a.i > b.i); break;
    case 16: x = NUM(f ? a.f >= b.f : a.i >= b.i); break;
    case 17: x = NUM(a.f != 0 && b.f != 0); break;
    case 18: x = NUM(a.f != 0 || b.f != 0); break;
    case 19: x = NUM((a.f != 0) != (b.f != 0)); break;
    case 20: x.i = a.i & b.i; break;
    case 21: x.i = a.i | b.i; break;
    case 22: x.i = a.i ^ b.i; break;
    case 23: x.i = b.i < 0 || b.i > 63 ? 0 : (int64_t)(u << w); break;
    case 24: x.i = a.i >> (b.i < 0 || b.i > 63 ? 63 : b.i); break;
    case 25: x.f = copysign(a.f, b.f); break;
    default:
        x.f = dtype == CR_F64 ? nextafter(a.f, b.f) : (double)nextafterf((float)a.f, (float)b.f);
    }
    return x;
}
static void run_binary(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *b = &p->m[1], *y = &p->m[2];
    number alpha = {1, 1};
    if (p->alpha)
        alpha = (number){r->numbers[0].f, r->numbers[0].i};
    for (int64_t k = 0, n = numel(y); k < n; k++)
        store(PTR(2), y->dtype, at(y, y, k, -1),
              combine(p->op, load(PTR(0), a->dtype, at(a, y, k, -1)),
                      load(PTR(1), b->dtype, at(b, y, k, -1)), is_float(a->dtype), p->mode, alpha,
                      a->dtype));
}
static void run_where(cr_plan *p, const cr_run *r)
{
    const cr_meta *y = &p->m[3];
    for (int64_t k = 0, n = numel(y); k < n; k++) {
        int pick = load(PTR(0), CR_B8, at(&p->m[0], y, k, -1)).i ? 1 : 2;
        store(PTR(3), y->dtype, at(y, y, k, -1),
              load(PTR(pick), y->dtype, at(&p->m[pick], y, k, -1)));
    }
}
static void run_fill(cr_plan *p, const cr_run *r) /* fill.Scalar, arange.start_step */
{
    const cr_meta *y = &p->m[0];
    for (int64_t k = 0, n = numel(y); k < n; k++) {
        number x = {r->numbers[0].f, r->numbers[0].i};
        if (p->op) {
            const cr_number *step = &r->numbers[p->alpha];
            x.f += (double)k * step->f;
            x.i += k * step->i;
        }
        store(PTR(0), y->dtype, at(y, y, k, -1), x);
    }
}

/* ---- reductions and scans: one output position at a time, over a list of input positions ---- */

static const char *const reduces[] = {
    "sum.dim_IntList", "prod.dim_int", "amax",     "amin", "argmax",
    "argmin",          "any.dims",     "all.dims", NULL};
static bool beats(number a, number best, bool f, bool largest)
{
    if (f && isnan(best.f))
        return false;
    if (f && isnan(a.f))
        return true;
    return f ? (largest ? a.f > best.f : a.f < best.f) : (largest ? a.i > best.i : a.i < best.i);
}
static void run_reduce(cr_plan *p, const cr_run *r)
{
    cr_meta a = p->m[0], kept = a, inner = a;
    const cr_meta *y = &p->m[1];
    int64_t ystride[CR_MAX_RANK];
    for (int d = 0, e = 0; d < a.rank; d++) {
        if (p->reduced[d])
            kept.size[d] = 1;
        else
            inner.size[d] = 1;
        ystride[d] = p->reduced[d] ? (e += p->sum_all, 0) : y->stride[e++];
    }
    bool f = is_float(a.dtype);
    for (int64_t k = 0, n = numel(&kept), m = numel(&inner); k < n; k++) {
        number x = {p->op == 1 || p->op == 7, p->op == 1 || p->op == 7};
        int64_t index = 0, base = at(&a, &kept, k, -1), to = 0;
        double lost = 0; /* Kahan */
        for (int64_t j = 0; j < m; j++) {
            number v = load(PTR(0), a.dtype, base + at(&a, &inner, j, -1));
            if (p->op == 0) {
                double t = v.f - lost, s = x.f + t;
                lost = isfinite(s) ? (s - x.f) - t : 0;
                x.f = s;
                x.i = (int64_t)((uint64_t)x.i + (uint64_t)v.i);
            } else if (p->op == 1)
                x = (number){x.f * v.f, (int64_t)((uint64_t)x.i * (uint64_t)v.i)};
            else if (p->op < 6) {
                if (!j || beats(v, x, f, !(p->op & 1)))
                    x = v, index = j;
            } else
                x.f = x.i = p->op == 6 ? x.i || v.i : x.i && v.i;
        }
        int64_t kk = k;
        for (int d = a.rank - 1; d >= 0; d--) {
            to += kk % kept.size[d] * ystride[d];
            kk /= kept.size[d];
        }
        store(PTR(1), y->dtype, to, p->op == 4 || p->op == 5 ? (number){0, index} : x);
    }
}
static const char *const scans[] = {"cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", NULL};
static void run_scan(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *y = &p->m[1];
    cr_meta lanes = *a;
    int64_t n = a->rank ? a->size[p->dim] : 1, step = a->rank ? a->stride[p->dim] : 0,
            out = a->rank ? y->stride[p->dim] : 0;
    if (a->rank)
        lanes.size[p->dim] = 1;
    for (int64_t k = 0, m = n ? numel(&lanes) : 0; k < m; k++) {
        number x = {0, 0};
        int64_t index = 0;
        for (int64_t j = 0; j < n; j++) {
            number v = load(PTR(0), a->dtype, at(a, &lanes, k, -1) + j * step);
            if (!j)
                x = v;
            else if (p->op == 0)
                x = (number){x.f + v.f, (int64_t)((uint64_t)x.i + (uint64_t)v.i)};
            else if (p->op == 1)
                x = (number){x.f * v.f, (int64_t)((uint64_t)x.i * (uint64_t)v.i)};
            else if (p->op == 4) {
                double hi = fmax(x.f, v.f), lo = fmin(x.f, v.f);
                x.f = isnan(x.f) || isnan(v.f) ? NAN : isinf(hi) ? hi : hi + log1p(exp(lo - hi));
            } else if (!beats(x, v, is_float(a->dtype), p->op == 2))
                x = v, index = j;
            store(PTR(1), y->dtype, at(y, &lanes, k, -1) + j * out, x);
            if (p->nout == 2)
                store(PTR(2), CR_I64,
                      at(&p->m[2], &lanes, k, -1) + j * (a->rank ? p->m[2].stride[p->dim] : 0),
                      (number){0, index});
        }
    }
}

/* ---- products, gathering, scattering, sorting, bits ---- */

static void run_bmm(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *b = &p->m[1], *y = &p->m[2];
    for (int64_t g = 0; g < y->size[0]; g++)
        for (int64_t i = 0; i < y->size[1]; i++)
            for (int64_t j = 0; j < y->size[2]; j++) {
                number x = {0, 0};
                for (int64_t k = 0; k < a->size[2]; k++) {
                    number u = load(PTR(0), a->dtype,
                                    g * a->stride[0] + i * a->stride[1] + k * a->stride[2]),
                           v = load(PTR(1), b->dtype,
                                    g * b->stride[0] + k * b->stride[1] + j * b->stride[2]);
                    x = (number){x.f + u.f * v.f,
                                 (int64_t)((uint64_t)x.i + (uint64_t)u.i * (uint64_t)v.i)};
                }
                store(PTR(2), y->dtype, g * y->stride[0] + i * y->stride[1] + j * y->stride[2], x);
            }
}
static bool bad_index(cr_plan *p, int64_t index, const cr_meta *m)
{
    if (index >= 0 && index < m->size[p->dim])
        return false;
    host->fail(host, CR_INVALID, "index %lld is out of bounds for dimension %d with size %lld",
               (long long)index, p->dim, (long long)m->size[p->dim]);
    return p->failed = true;
}
static void run_gather(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *index = &p->m[1], *y = &p->m[2];
    for (int64_t k = 0, n = numel(y); k < n && !p->failed; k++) {
        int64_t i = load(PTR(1), CR_I64, at(index, y, k, -1)).i;
        if (!bad_index(p, i, a))
            store(PTR(2), y->dtype, at(y, y, k, -1),
                  load(PTR(0), a->dtype, at(a, y, k, p->dim) + i * a->stride[p->dim]));
    }
}
static void run_scatter(
    cr_plan *p, const cr_run *r) /* scatter.src, scatter_reduce.two; mode: sUm pRod aMax aMin */
{
    const cr_meta *a = &p->m[0], *index = &p->m[1], *src = &p->m[2], *y = &p->m[3];
    for (int64_t k = 0, n = PTR(3) != PTR(0) ? numel(y) : 0; k < n; k++)
        store(PTR(3), y->dtype, at(y, y, k, -1), load(PTR(0), a->dtype, at(a, y, k, -1)));
    for (int64_t k = 0, n = numel(index); k < n && !p->failed; k++) {
        int64_t i = load(PTR(1), CR_I64, at(index, index, k, -1)).i;
        if (bad_index(p, i, y))
            return;
        int64_t to = at(y, index, k, p->dim) + i * y->stride[p->dim];
        number v = load(PTR(2), src->dtype, at(src, index, k, -1)),
               old = load(PTR(3), y->dtype, to);
        if (p->mode)
            v = combine(p->mode == 's'   ? 0
                        : p->mode == 'p' ? 2
                        : p->mode == 'x' ? 4
                                         : 5,
                        old, v, is_float(y->dtype), 0, (number){1, 1}, y->dtype);
        store(PTR(3), y->dtype, to, v);
    }
}
static void run_sort(cr_plan *p, const cr_run *r)
{
    const cr_meta *a = &p->m[0], *y = &p->m[1], *z = &p->m[2];
    cr_meta lanes = *a;
    int64_t n = a->rank ? a->size[p->dim] : 1, sa = a->rank ? a->stride[p->dim] : 0,
            sy = a->rank ? y->stride[p->dim] : 0, sz = a->rank ? z->stride[p->dim] : 0;
    if (a->rank)
        lanes.size[p->dim] = 1;
    bool f = is_float(a->dtype);
    for (int64_t k = 0, m = n ? numel(&lanes) : 0; k < m; k++)
        for (int64_t j = 0; j < n; j++) { /* by rank: how many come before */
            number v = load(PTR(0), a->dtype, at(a, &lanes, k, -1) + j * sa);
            int64_t before = 0;
            for (int64_t i = 0; i < n; i++) {
                number w = load(PTR(0), a->dtype, at(a, &lanes, k, -1) + i * sa);
                bool less = f ? (isnan(v.f) ? !isnan(w.f) : w.f < v.f) : w.i < v.i,
                     more = f ? (isnan(w.f) ? !isnan(v.f) : w.f > v.f) : w.i > v.i;
                before += p->descending ? more : less;
                before += !less && !more && i < j;
            }
            store(PTR(1), y->dtype, at(y, &lanes, k, -1) + before * sy, v);
            store(PTR(2), CR_I64, at(z, &lanes, k, -1) + before * sz, (number){0, j});
        }
}
static void run_bits(cr_plan *p, const cr_run *r) /* Philox4x32-10 */
{
    const cr_meta *y = &p->m[0];
    int per = y->dtype == CR_I64 ? 2 : 4;
    for (int64_t k = 0, n = numel(y); k < n; k++) {
        uint64_t counter = r->offset + (uint64_t)(k / per);
        uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0},
                 key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
        for (int round = 0; round < 10; round++, key[0] += 0x9E3779B9u, key[1] += 0xBB67AE85u) {
            uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
            uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b,
                                (uint32_t)(a >> 32) ^ c[3] ^ key[1], (uint32_t)a};
            memcpy(c, next, sizeof c);
        }
        int64_t bits = per == 2 ? (int64_t)(c[2 * (k & 1)] | (uint64_t)c[2 * (k & 1) + 1] << 32)
                                : (int32_t)c[k & 3];
        store(PTR(0), y->dtype, at(y, y, k, -1), (number){0, bits});
    }
}

/* ---- the table ---- */

static int find(const char *const *names, const char *op)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], op))
            return i;
    return -1;
}
static cr_status plan(cr_device *d, const cr_graph *g, cr_plan_info *info, cr_plan **out)
{
    const cr_graph_node *node = g->nodes;
    const char *op = node->op;
    kernel run = NULL;
    int code = 0;
    (void)d, (void)info;
    if (g->nnodes != 1 || g->nvalues > 8)
        return CR_UNSUPPORTED;
    if ((code = find(unary, op)) >= 0)
        run = run_unary;
    else if ((code = find(binary, op)) >= 0)
        run = run_binary;
    else if ((code = find(reduces, op)) >= 0)
        run = run_reduce;
    else if ((code = find(scans, op)) >= 0)
        run = run_scan;
    else if (!strcmp(op, "where.self"))
        run = run_where;
    else if (!strcmp(op, "fill.Scalar") || !strcmp(op, "arange.start_step"))
        run = run_fill, code = op[0] == 'a';
    else if (!strcmp(op, "bmm"))
        run = run_bmm;
    else if (!strcmp(op, "gather"))
        run = run_gather;
    else if (!strcmp(op, "scatter.src") || !strcmp(op, "scatter_reduce.two"))
        run = run_scatter;
    else if (!strcmp(op, "sort.stable"))
        run = run_sort;
    else if (!strcmp(op, "random_bits"))
        run = run_bits;
    cr_plan *p = run ? calloc(1, sizeof *p) : NULL;
    if (!run)
        return CR_UNSUPPORTED;
    if (!p)
        return host->fail(host, CR_OUT_OF_MEMORY, "a plan");
    p->run = run, p->op = code, p->nin = (int)g->ninputs, p->nout = (int)g->noutputs;
    for (uint32_t i = 0; i < g->nvalues; i++)
        p->m[i] = g->values[i];
    for (uint32_t i = 0; i < node->nattrs; i++) {
        const cr_attr *a = &node->attrs[i];
        if (!strcmp(a->name, "dim") && a->kind == CR_ATTR_INT)
            p->dim = (int)a->as.i;
        if (!strcmp(a->name, "dim") && a->kind == CR_ATTR_INTS)
            for (int j = 0; j < a->count; j++)
                p->reduced[a->as.ints[j]] = 1;
        if (!strcmp(a->name, "keepdim"))
            p->sum_all = a->as.i != 0;
        if (!strcmp(a->name, "descending"))
            p->descending = a->as.i != 0;
        if (!strcmp(a->name, "rounding_mode"))
            p->mode = a->as.text[0];
        if (!strcmp(a->name, "reduce"))
            p->mode = a->as.text[0] == 'a' ? a->as.text[3] : a->as.text[0];
    }
    for (uint32_t i = 0; i < node->nnumbers; i++)
        if (!strcmp(node->number_names[i], "alpha") || !strcmp(node->number_names[i], "step"))
            p->alpha = run == run_fill ? (int)i : 1;
    *out = p;
    return CR_OK;
}
static cr_status run(cr_plan *p, const cr_run *r)
{
    p->failed = false;
    p->run(p, r);
    return p->failed ? CR_INVALID : CR_OK;
}
static void plan_free(cr_plan *p)
{
    free(p);
}
static cr_status count(const cr_backend *self, int *n)
{
    (void)self;
    *n = 1;
    return CR_OK;
}
static cr_status info(const cr_backend *self, int index, cr_device_info *i)
{
    (void)self, (void)index;
    strcpy(i->name, "simple loops");
    i->alignment = 64, i->rank = 1, i->host_memory = 1;
    return CR_OK;
}
static cr_status open_(const cr_backend *self, int index, cr_device **d)
{
    (void)self, (void)index;
    *d = NULL;
    return CR_OK;
}
static void close_(cr_device *d)
{
    (void)d;
}
static cr_status alloc(cr_device *d, size_t bytes, cr_buffer **b)
{
    (void)d;
    *b = (cr_buffer *)aligned_alloc(64, (bytes + 63) / 64 * 64);
    return *b ? CR_OK : CR_OUT_OF_MEMORY;
}
static void free_(cr_device *d, cr_buffer *b)
{
    (void)d;
    free(b);
}
static void *pointer(cr_device *d, cr_buffer *b)
{
    (void)d;
    return b;
}
static cr_status copy_in(cr_device *d, cr_buffer *to, size_t o, const void *from, size_t n)
{
    (void)d;
    memcpy((char *)to + o, from, n);
    return CR_OK;
}
static cr_status copy_out(cr_device *d, void *to, cr_buffer *from, size_t o, size_t n)
{
    (void)d;
    memcpy(to, (char *)from + o, n);
    return CR_OK;
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h);
const cr_backend *cresset_backend_entry(const cr_host *h)
{
    static const cr_backend table = {sizeof table, CR_ABI_MAJOR, CR_ABI_MINOR, "template", "1",
                                     count,        info,         open_,        close_,     alloc,
                                     free_,        pointer,      copy_in,      copy_out,   NULL,
                                     plan,         run,          plan_free};
    host = h;
    return &table;
}
