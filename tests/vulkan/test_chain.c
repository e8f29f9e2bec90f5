/* Chains of elementwise operations on a Vulkan device: what is captured computes what eager running computes, to the bit, in
 * one dispatch, by shaders that are valid. Every module that the driver gets is written down (by a function that stands before
 * Vulkan's own) and shown to spirv-val at the end. */
#include "loader.h"

#include "first_device.h"

#include <check.h>

#include <math.h>
#include <unistd.h>

static const char *device;
static char folder[] = "/tmp/cresset-chain-XXXXXX";
static int modules, dispatches;

INSTEAD VkResult vkCreateShaderModule(VkDevice handle, const VkShaderModuleCreateInfo *info,
                                      const VkAllocationCallbacks *callbacks,
                                      VkShaderModule *module)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%d.spv", folder, modules++);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(info->pCode, 1, info->codeSize, file) != info->codeSize || fclose(file))
        fprintf(stderr, "%s can't be written\n", path);
    return CALL_REAL(vkCreateShaderModule, handle, info, callbacks, module);
}

INSTEAD void vkCmdDispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
    dispatches++;
    CALL_REAL(vkCmdDispatch, commands, x, y, z);
}

static void no_error(const char *what)
{
    ck_assert_msg(!cr_error(), "%s: %s", what, cr_error());
}

/* ---- comparing ---- */

static bool is_nan(const char *at, cr_dtype dtype)
{
    uint16_t h;
    float f;
    double d;
    switch (dtype) {
    case CR_F16: return memcpy(&h, at, 2), (h & 0x7fff) > 0x7c00;
    case CR_BF16: return memcpy(&h, at, 2), (h & 0x7fff) > 0x7f80;
    case CR_F32: return memcpy(&f, at, 4), isnan(f);
    case CR_F64: return memcpy(&d, at, 8), isnan(d);
    default: return false;
    }
}

/* To the bit, but that any NaN is as good as another. */
static void assert_same(const char *what, cr_tensor *a, cr_tensor *b)
{
    ck_assert_msg(a && b, "%s: %s", what, cr_error());
    cr_dtype dtype = cr_tensor_dtype(a);
    ck_assert_int_eq(dtype, cr_tensor_dtype(b));
    ck_assert_int_eq(cr_tensor_numel(a), cr_tensor_numel(b));
    size_t n = (size_t)cr_tensor_numel(a), size = cr_dtype_size(dtype);
    char *x = malloc(n * size + 1), *y = malloc(n * size + 1);
    ck_assert(x && y && !cr_tensor_read(a, x, n * size) && !cr_tensor_read(b, y, n * size));
    for (size_t i = 0; i < n; i++)
        if (memcmp(x + i * size, y + i * size, size) &&
            !(is_nan(x + i * size, dtype) && is_nan(y + i * size, dtype))) {
            double u =
                cr_item(cr_to_dtype(cr_select(cr_reshape(a, CR_INTS(-1)), 0, (int64_t)i), CR_F64));
            double v =
                cr_item(cr_to_dtype(cr_select(cr_reshape(b, CR_INTS(-1)), 0, (int64_t)i), CR_F64));
            ck_abort_msg("%s: element %zu of %zu (%s) is %.17g, eagerly %.17g", what, i, n,
                         cr_dtype_name(dtype), u, v);
        }
    free(x);
    free(y);
}

/* Runs it until it is a graph, compares, and counts the dispatches of a replay. */
static cr_compile_stats agree(const char *what, cr_compiled_function f, void *context,
                              cr_tensor *const *in, size_t nin, int *replayed)
{
    cr_compile_stats s = {0};
    CR_NO_GRAD
        CR_SCOPE {
            cr_compiled *c = cr_compile_function(f, context, NULL);
            cr_tensor *out[8], *right[8];
            size_t n = f(context, in, nin, right);
            ck_assert_msg(n, "%s: %s", what, cr_error());
            for (int k = 0; k < 4; k++) {
                int before = dispatches;
                ck_assert_msg(!cr_compiled_call_many(c, in, nin, out, n), "%s: %s", what,
                              cr_error());
                *replayed = dispatches - before;
                for (size_t i = 0; i < n; i++)
                    assert_same(what, out[i], right[i]);
            }
            ck_assert_msg(!cr_compile_reason(c), "%s: %s", what, cr_compile_reason(c));
            ck_assert(!cr_compile_get_stats(c, &s));
        }
    no_error(what);
    return s;
}

/* ---- operations ---- */

enum { FLOATS = 1, WHOLES = 2, BOOLS = 4, NUMBERS = FLOATS | WHOLES, ANY = 7 };

/* args: t a tensor of the dtype, b of bools, n a number. After a colon: what its text attribute is. */
typedef struct operation {
    const char *name, *args;
    int of;
    bool to_bool;
} operation;

static const operation operations[] = {
    {"abs", "t", NUMBERS, 0},
    {"neg", "t", NUMBERS, 0},
    {"sign", "t", NUMBERS, 0},
    {"square", "t", NUMBERS, 0},
    {"relu", "t", NUMBERS, 0},
    {"floor", "t", FLOATS, 0},
    {"ceil", "t", FLOATS, 0},
    {"trunc", "t", FLOATS, 0},
    {"round", "t", FLOATS, 0},
    {"sqrt", "t", FLOATS, 0},
    {"rsqrt", "t", FLOATS, 0},
    {"reciprocal", "t", FLOATS, 0},
    {"exp", "t", FLOATS, 0},
    {"log", "t", FLOATS, 0},
    {"tanh", "t", FLOATS, 0},
    {"sigmoid", "t", FLOATS, 0},
    {"erf", "t", FLOATS, 0},
    {"gelu", "t", FLOATS, 0},
    {"gelu:tanh", "t", FLOATS, 0},
    {"silu", "t", FLOATS, 0},
    {"leaky_relu", "tn", FLOATS, 0},
    {"elu", "tnn", FLOATS, 0},
    {"hardtanh", "tnn", FLOATS, 0},
    {"softplus", "tnn", FLOATS, 0},
    {"bitwise_not", "t", WHOLES | BOOLS, 0},
    {"logical_not", "t", ANY, 1},
    {"add.Tensor", "tt", ANY, 0},
    {"sub.Tensor", "tt", NUMBERS, 0},
    {"mul.Tensor", "tt", ANY, 0},
    {"div.Tensor", "tt", FLOATS, 0},
    {"div.Tensor_mode:trunc", "tt", NUMBERS, 0},
    {"div.Tensor_mode:floor", "tt", NUMBERS, 0},
    {"maximum", "tt", ANY, 0},
    {"minimum", "tt", ANY, 0},
    {"fmod.Tensor", "tt", NUMBERS, 0},
    {"remainder.Tensor", "tt", NUMBERS, 0},
    {"pow.Tensor_Tensor", "tt", NUMBERS, 0},
    {"atan2", "tt", FLOATS, 0},
    {"copysign.Tensor", "tt", FLOATS, 0},
    {"eq.Tensor", "tt", ANY, 1},
    {"ne.Tensor", "tt", ANY, 1},
    {"lt.Tensor", "tt", ANY, 1},
    {"le.Tensor", "tt", ANY, 1},
    {"gt.Tensor", "tt", ANY, 1},
    {"ge.Tensor", "tt", ANY, 1},
    {"logical_and", "tt", ANY, 1},
    {"logical_or", "tt", ANY, 1},
    {"logical_xor", "tt", ANY, 1},
    {"bitwise_and.Tensor", "tt", WHOLES | BOOLS, 0},
    {"bitwise_or.Tensor", "tt", WHOLES | BOOLS, 0},
    {"bitwise_xor.Tensor", "tt", WHOLES | BOOLS, 0},
    {"bitwise_left_shift.Tensor", "tt", WHOLES, 0},
    {"bitwise_right_shift.Tensor", "tt", WHOLES, 0},
    {"threshold_backward", "ttn", NUMBERS, 0},
    {"sigmoid_backward", "tt", FLOATS, 0},
    {"tanh_backward", "tt", FLOATS, 0},
    {"gelu_backward", "tt", FLOATS, 0},
    {"silu_backward", "tt", FLOATS, 0},
    {"add.Scalar", "tn", NUMBERS, 0},
    {"sub.Scalar", "tn", NUMBERS, 0},
    {"rsub.Scalar", "tn", NUMBERS, 0},
    {"mul.Scalar", "tn", NUMBERS, 0},
    {"div.Scalar", "tn", FLOATS, 0},
    {"pow.Tensor_Scalar", "tn", NUMBERS, 0},
    {"gt.Scalar", "tn", NUMBERS, 1},
    {"clamp", "tnn", NUMBERS, 0},
    {"clamp_min", "tn", NUMBERS, 0},
    {"where.self", "btt", ANY, 0},
    {"masked_fill.Scalar", "tbn", NUMBERS, 0},
    {"addcmul", "ttt", NUMBERS, 0},
    {"addcdiv", "ttt", FLOATS, 0},
    {"lerp.Tensor", "ttt", FLOATS, 0},
    {"lerp.Scalar", "ttn", FLOATS, 0},
    /* These take a driver long: from here on only once each. */
    {"exp2", "t", FLOATS, 0},
    {"expm1", "t", FLOATS, 0},
    {"log2", "t", FLOATS, 0},
    {"log10", "t", FLOATS, 0},
    {"log1p", "t", FLOATS, 0},
    {"sin", "t", FLOATS, 0},
    {"cos", "t", FLOATS, 0},
    {"tan", "t", FLOATS, 0},
    {"asin", "t", FLOATS, 0},
    {"acos", "t", FLOATS, 0},
    {"atan", "t", FLOATS, 0},
    {"sinh", "t", FLOATS, 0},
    {"cosh", "t", FLOATS, 0},
    {"asinh", "t", FLOATS, 0},
    {"acosh", "t", FLOATS, 0},
    {"atanh", "t", FLOATS, 0},
    {"erfc", "t", FLOATS, 0},
    {"erfinv", "t", FLOATS, 0},
    {"lgamma", "t", FLOATS, 0},
    {"digamma", "t", FLOATS, 0},
};
enum { OPERATIONS = sizeof operations / sizeof *operations, QUICK = OPERATIONS - 20 };

static cr_tensor *apply(const operation *o, cr_tensor *const *tensors, const double *numbers,
                        bool whole)
{
    char name[48];
    cr_value args[4], out = {0};
    cr_keyword keyword = {"approximate", {.tag = CR_STRING}};
    size_t n = 0, t = 0, m = 0;
    snprintf(name, sizeof name, "%s", o->name);
    char *colon = strchr(name, ':');
    if (colon) {
        *colon = 0;
        keyword.value.as.s = colon + 1;
        keyword.value.count = (int64_t)strlen(colon + 1);
        keyword.name = strstr(name, "mode") ? "rounding_mode" : "approximate";
    }
    for (const char *a = o->args; *a; a++, n++) {
        if (*a != 'n')
            args[n] = (cr_value){.tag = CR_TENSOR, .as.tensor = tensors[t++]};
        else if (whole)
            args[n] = (cr_value){.tag = CR_INT, .as.i = (int64_t)(4 * numbers[m++])};
        else
            args[n] = (cr_value){.tag = CR_FLOAT, .as.f = numbers[m++]};
    }
    size_t nouts = 0;
    return cr_call(name, args, n, &keyword, colon != NULL, &out, 1, &nouts) ? NULL : out.as.tensor;
}

/* ---- values ---- */

static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static int kind_of(cr_dtype dtype)
{
    return dtype == CR_B8 ? BOOLS : dtype >= CR_I64 ? WHOLES : FLOATS;
}

/* Small and large, and what is special. */
static cr_tensor *values(cr_dtype dtype, int64_t n)
{
    static const float special[] = {0,      -0.0f,    1,         -1,  0.5f, 3e38f, -1e-30f,
                                    1e-41f, INFINITY, -INFINITY, NAN, 7,    -3};
    float *x = malloc((size_t)n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    bool real = kind_of(dtype) == FLOATS;
    for (int64_t i = 0; i < n; i++)
        x[i] = !real          ? (float)((int)draw(300) - 150) * (draw(4) ? 1 : 0.02f)
               : draw(5) == 0 ? special[draw(sizeof special / sizeof *special)]
                              : ((float)draw(20000) - 10000) / (draw(3) ? 3000.0f : 100.0f);
    const int64_t step = 1;
    cr_tensor *borrowed = cr_tensor_from_memory(x, (size_t)n * sizeof *x, CR_F32, 1, &n, &step, 0);
    cr_tensor *t = cr_to_dtype(cr_tensor_to(cr_clone(borrowed), device), dtype);
    cr_synchronize(NULL);
    free(x);
    return t;
}

/* ---- each operation ---- */

typedef struct single {
    const operation *operation;
    bool whole;
} single;

/* Its result, and something made of it. */
static size_t one_of_two(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const double numbers[] = {0.5, 1.25, 1.5};
    const single *s = context;
    (void)n;
    cr_tensor *tensors[3];
    size_t t = 0, k = 0;
    for (const char *a = s->operation->args; *a; a++)
        if (*a != 'n')
            tensors[t++] = *a == 'b' ? in[3] : in[k++];
    cr_tensor *y = apply(s->operation, tensors, numbers, s->whole);
    out[0] = y;
    out[1] = cr_logical_not(y);
    return out[0] && out[1] ? 2 : 0;
}

static void each_operation(cr_dtype dtype, int from, int count)
{
    state = 7;
    CR_SCOPE {
        cr_tensor *in[4] = {values(dtype, 301), values(dtype, 301), values(dtype, 301),
                            values(CR_B8, 301)};
        for (int i = from; i < from + count; i++) {
            char what[80];
            single s = {&operations[i], dtype != CR_B8 && kind_of(dtype) == WHOLES};
            int replayed;
            if (!(operations[i].of & kind_of(dtype)))
                continue;
            snprintf(what, sizeof what, "%s of %s", operations[i].name, cr_dtype_name(dtype));
            cr_compile_stats stats = agree(what, one_of_two, &s, in, 4, &replayed);
            ck_assert_msg(stats.plans == 1 && stats.fused >= 1 && replayed == 1,
                          "%s: %zu plans, %zu fused, %d dispatches", what, stats.plans, stats.fused,
                          replayed);
        }
    }
}

START_TEST(each_operation_is_what_it_is_alone)
{
    static const cr_dtype dtypes[] = {CR_F32, CR_I32, CR_I64, CR_U8, CR_B8};
    each_operation(dtypes[_i], 0, _i ? QUICK : OPERATIONS);
}
END_TEST

/* ---- random graphs ---- */

enum { INPUTS = 4, STEPS = 7 };

typedef struct program {
    cr_dtype dtype[INPUTS + STEPS];
    struct {
        const operation *operation; /* null: a cast */
        int value[3];
        double number[3];
    } step[STEPS];
    int nsteps, kept; /* a value between that is wanted, too */
} program;

static size_t run_program(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const program *p = context;
    cr_tensor *value[INPUTS + STEPS];
    memcpy(value, in, n * sizeof *value);
    for (int k = 0; k < p->nsteps; k++) {
        cr_tensor *tensors[3];
        for (int i = 0; i < 3; i++)
            tensors[i] = value[p->step[k].value[i]];
        const operation *o = p->step[k].operation;
        int first = o && o->args[0] == 'b'; /* that is no condition */
        bool whole = kind_of(p->dtype[p->step[k].value[first]]) == WHOLES;
        value[INPUTS + k] = o ? apply(o, tensors, p->step[k].number, whole)
                              : cr_to_dtype(tensors[0], p->dtype[INPUTS + k]);
        if (!value[INPUTS + k])
            return 0;
    }
    out[0] = value[INPUTS + p->nsteps - 1];
    out[1] = value[p->kept];
    return p->kept < INPUTS + p->nsteps - 1 ? 2 : 1;
}

/* A value of the dtype among the first n; preferring late ones. Failing that, -1. */
static int value_of(const program *p, int n, cr_dtype dtype)
{
    for (int tries = 0; tries < 20; tries++) {
        int v = (int)draw((uint32_t)n);
        if (p->dtype[v] == dtype)
            return v;
    }
    return -1;
}

static const cr_dtype all_dtypes[] = {CR_F32, CR_F32, CR_F16, CR_BF16, CR_F64, CR_I64,
                                      CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};

static void add_step(program *p)
{
    int k = p->nsteps, n = INPUTS + k, of = k ? n - 1 : 0;
    static const double exponents[] = {2, 3, 0.5, -1, 0.75, 1.25};
    for (int i = 0; i < 3; i++)
        p->step[k].number[i] = exponents[draw(6)];
    p->nsteps++;
    for (int tries = 0; tries < 40; tries++) {
        const operation *o = &operations[draw(QUICK)];
        bool found = (o->of & kind_of(p->dtype[of])) != 0 && draw(6);
        int t = 0, value[3] = {0};
        for (const char *a = o->args; *a && found; a++)
            if (*a != 'n') {
                value[t] = *a == 'b'                                 ? value_of(p, n, CR_B8)
                           : t == 0 || (t == 1 && o->args[0] == 'b') ? of
                                                                     : value_of(p, n, p->dtype[of]);
                found = value[t++] >= 0;
            }
        if (!found)
            continue;
        memcpy(p->step[k].value, value, sizeof value);
        p->step[k].operation = o;
        p->dtype[n] = o->to_bool ? CR_B8 : p->dtype[of];
        return;
    }
    p->step[k].operation = NULL;
    p->step[k].value[0] = of;
    p->dtype[n] = all_dtypes[draw(sizeof all_dtypes / sizeof *all_dtypes)];
}

/* The first has all sizes; others repeat in some dimensions, or lie in other strides. */
static cr_tensor *operand(cr_dtype dtype, const int64_t *sizes, bool whole)
{
    int64_t own[3], n = 1;
    for (int d = 0; d < 3; d++)
        n *= own[d] = !whole && draw(3) == 0 ? 1 : sizes[d];
    switch (draw(4)) {
    case 0: /* transposed */
        return cr_transpose(cr_reshape(values(dtype, n), CR_INTS(own[2], own[1], own[0])), 0, 2);
    case 1: /* rows with something between */
        return cr_narrow(cr_reshape(values(dtype, own[0] * own[1] * (own[2] + 3)),
                                    CR_INTS(own[0], own[1], own[2] + 3)),
                         2, 2, own[2]);
    case 2:
        if (!whole) /* one row */
            return values(dtype, own[2]);
        /* fall through */
    default: return cr_reshape(values(dtype, n), CR_INTS(own[0], own[1], own[2]));
    }
}

START_TEST(random_graphs_are_what_they_are_eagerly)
{
    int fused = 0, single_dispatch = 0;
    for (uint64_t seed = 1; seed <= 60; seed++)
        CR_SCOPE {
            char what[40];
            program p = {.nsteps = 0};
            cr_tensor *in[INPUTS];
            int replayed;
            state = seed * 7919 + 13;
            const int64_t sizes[3] = {1 + draw(4), 1 + draw(9), 1 + draw(70)};
            for (int i = 0; i < INPUTS; i++) {
                p.dtype[i] = i && draw(3) ? p.dtype[0] : i == 3 ? CR_B8 : all_dtypes[draw(11)];
                in[i] = operand(p.dtype[i], sizes, i == 0);
            }
            while (p.nsteps < 2 + (int)(seed % (STEPS - 1)))
                add_step(&p);
            p.kept = INPUTS + (int)draw((uint32_t)p.nsteps);
            snprintf(what, sizeof what, "graph %llu", (unsigned long long)seed);
            cr_compile_stats s = agree(what, run_program, &p, in, INPUTS, &replayed);
            fused += s.fused > 0;
            single_dispatch += replayed == 1 && s.fused > 0;
            ck_assert_msg(replayed <= (int)s.plans, "%s: %d dispatches of %zu plans", what,
                          replayed, s.plans);
        }
    /* A copy that changes nothing, or results in other sizes, stand between now and then. */
    ck_assert_msg(fused >= 50 && single_dispatch >= 40, "%d fused, %d in one dispatch", fused,
                  single_dispatch);
}
END_TEST

/* ---- what is fused, and what is not ---- */

static size_t relu_of_sum_times(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_relu(cr_add(in[0], in[1])), in[0]);
    return 1;
}

START_TEST(relu_of_a_sum_times_is_one_dispatch)
{
    static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16, CR_F64, CR_I32};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        CR_SCOPE {
            int replayed;
            state = 3;
            cr_tensor *in[] = {values(dtypes[i], 70001), values(dtypes[i], 70001)};
            cr_compile_stats s = agree("relu(x + y) x", relu_of_sum_times, NULL, in, 2, &replayed);
            ck_assert_uint_eq(s.plans, 1);
            ck_assert_uint_eq(s.fused, 2);
            ck_assert_int_eq(replayed, 1);
        }
}
END_TEST

static size_t cast_away_and_back(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const cr_dtype way[] = {CR_I8,   CR_F16, CR_I64, CR_F64, CR_U8,
                                   CR_BF16, CR_I16, CR_B8,  CR_F32};
    (void)context, (void)n;
    out[0] = cr_mul_scalar(in[0], 2.5);
    for (size_t k = 0; k < sizeof way / sizeof *way; k++) {
        out[1] = out[0] = cr_to_dtype(out[0], way[k]);
        if (way[k] == CR_I64)
            out[0] = cr_mul_scalar(out[0], 3);
    }
    return 2;
}

START_TEST(casts_are_as_in_memory)
{
    CR_SCOPE {
        int replayed;
        state = 5;
        cr_tensor *x = values(CR_F32, 500);
        cr_compile_stats s = agree("casts", cast_away_and_back, NULL, &x, 1, &replayed);
        ck_assert_uint_eq(s.plans, 1);
        ck_assert_int_eq(replayed, 1);
    }
}
END_TEST

/* Rows, columns, planes, single elements and transposed matrices of one block. */
static size_t many_strides(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context;
    out[0] = cr_neg(in[0]);
    for (size_t i = 1; i < n; i++)
        out[0] = cr_add(out[0], in[i]);
    return 1;
}

START_TEST(values_repeat_and_lie_in_strides)
{
    CR_SCOPE {
        int replayed;
        state = 11;
        cr_tensor *x = cr_reshape(values(CR_F32, 2 * 3 * 6 * 6), CR_INTS(2, 3, 6, 6));
        cr_tensor *in[] = {
            x,
            cr_select(cr_select(cr_select(x, 0, 0), 0, 1), 0, 2), /* a row */
            cr_narrow(x, 3, 2, 1),
            cr_reshape(values(CR_F32, 3), CR_INTS(3, 1, 1)),
            cr_transpose(x, 2, 3),
            cr_narrow(x, 0, 1, 1),
            cr_reshape(values(CR_F32, 1), CR_INTS(1, 1, 1, 1)),
            cr_permute(cr_reshape(values(CR_F32, 216), CR_INTS(6, 6, 3, 2)), CR_INTS(3, 2, 1, 0))};
        cr_compile_stats s = agree("strides", many_strides, NULL, in, 8, &replayed);
        ck_assert_uint_eq(s.plans, 1);
        ck_assert_int_eq(replayed, 1);
    }
}
END_TEST

/* ---- reductions ---- */

typedef struct reduction {
    int64_t dims[3];
    int ndims;
    bool keepdim;
} reduction;

static size_t reduce(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const char *const names[] = {"sum.dim_IntList", "mean.dim", "amax", "amin"};
    const reduction *r = context;
    (void)n;
    for (int k = 0; k < 4; k++) {
        const cr_value args[] = {
            {.tag = CR_TENSOR, .as.tensor = cr_mul(cr_relu(cr_sub(in[0], in[1])), in[0])},
            {.tag = CR_INT_LIST, .count = r->ndims, .as.ints = r->dims},
            {.tag = CR_BOOL, .as.i = r->keepdim}};
        cr_value y = {0};
        if (cr_call(names[k], args, 3, NULL, 0, &y, 1, NULL))
            return 0;
        out[k] = y.as.tensor;
    }
    return 4;
}

START_TEST(a_chain_ends_in_a_reduction)
{
    static const int64_t sizes[][3] = {{1, 1, 7},     {2, 3, 5},   {3, 7, 2048},
                                       {2, 2, 40001}, {700, 3, 2}, {4, 0, 3}};
    static const reduction ways[] = {{{2}, 1, false}, {{1, 2}, 2, true},  {{0, 1, 2}, 3, false},
                                     {{0}, 1, false}, {{0, 2}, 2, false}, {{1}, 1, true}};
    static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16};
    state = 23;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
            CR_SCOPE {
                char what[80];
                int replayed;
                reduction way = ways[k];
                cr_dtype dtype = dtypes[(i + k) % 3];
                cr_tensor *in[] = {operand(dtype, sizes[i], true), operand(dtype, sizes[i], false)};
                const int64_t *z = sizes[i];
                if (!z[1]) { /* amax of nothing is an error */
                    if (way.dims[0] != 0 || way.ndims != 1)
                        continue;
                    in[0] = in[1] = cr_zeros(CR_INTS(4, 0, 3));
                }
                snprintf(what, sizeof what, "reduction %zu of sizes %zu", k, i);
                cr_compile_stats s = agree(what, reduce, &way, in, 2, &replayed);
                ck_assert_msg(s.plans == 4 && s.fused == 12, "%s: %zu plans, %zu fused", what,
                              s.plans, s.fused);
                ck_assert_msg(replayed <= 8, "%s: %d dispatches", what, replayed);
            }
}
END_TEST

static size_t sum_and_terms(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_neg(in[0]), in[1]);
    out[1] = cr_sum(out[0]);
    return 2;
}

START_TEST(terms_that_are_wanted_are_written)
{
    CR_SCOPE {
        int replayed;
        state = 29;
        cr_tensor *in[] = {values(CR_F32, 77), values(CR_F32, 77)};
        ck_assert_uint_eq(agree("terms", sum_and_terms, NULL, in, 2, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
    }
}
END_TEST

static size_t step_aside(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    const cr_value args[] = {{.tag = CR_TENSOR, .as.tensor = cr_exp(in[0])},
                             {.tag = CR_TENSOR, .as.tensor = in[1]}};
    cr_value next = {0};
    (void)context, (void)n;
    if (cr_call("nextafter", args, 2, NULL, 0, &next, 1, NULL))
        return 0;
    out[0] = cr_relu(cr_neg(next.as.tensor));
    return 1;
}

static size_t sum_of_ten(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = in[0];
    for (int i = 1; i < 10; i++)
        out[0] = cr_add(out[0], in[i]);
    return 1;
}

static size_t fourteen_numbers(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = in[0];
    for (int i = 0; i < 14; i++)
        out[0] = cr_mul_scalar(out[0], 1.0 + 1.0 / (i + 2));
    return 1;
}

START_TEST(what_does_not_fit_runs_in_parts)
{
    CR_SCOPE {
        int replayed;
        cr_tensor *in[10];
        state = 17;
        for (int i = 0; i < 10; i++)
            in[i] = values(CR_F32, 333);
        /* exp alone, nextafter alone, the rest together */
        ck_assert_uint_eq(agree("nextafter", step_aside, NULL, in, 2, &replayed).plans, 3);
        ck_assert_int_eq(replayed, 3);
        ck_assert_uint_eq(agree("ten", sum_of_ten, NULL, in, 10, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
        ck_assert_uint_eq(agree("numbers", fourteen_numbers, NULL, in, 1, &replayed).plans, 2);
        ck_assert_int_eq(replayed, 2);
        in[0] = values(CR_F32, 0);
        in[1] = values(CR_F32, 0);
        agree("nothing", relu_of_sum_times, NULL, in, 2, &replayed);
        ck_assert_int_eq(replayed, 0);
    }
}
END_TEST

/* ---- straight at the backend ---- */

static cr_status host_fail(const cr_host *host, cr_status status, const char *format, ...)
{
    (void)host, (void)format;
    return status;
}
static void host_log(const cr_host *host, int level, const char *format, ...)
{
    (void)host, (void)level, (void)format;
}
static int host_threads(const cr_host *host)
{
    (void)host;
    return 1;
}
static const cr_host host = {sizeof host, CR_ABI_MAJOR, CR_ABI_MINOR, host_fail,
                             host_log,    host_threads, NULL};

/* neg and abs of one value of these sizes and strides, each its own, the last one wrong; what plan answers. */
static cr_status plan_of(const cr_backend *b, cr_device *d, const cr_meta metas[3],
                         const char *second)
{
    const uint32_t of[] = {0, 1, 2};
    const cr_graph_node nodes[] = {{.struct_size = sizeof *nodes,
                                    .op = "neg",
                                    .inputs = of,
                                    .outputs = of + 1,
                                    .ninputs = 1,
                                    .noutputs = 1},
                                   {.struct_size = sizeof *nodes,
                                    .op = second,
                                    .inputs = of + 1,
                                    .outputs = of + 2,
                                    .ninputs = 1,
                                    .noutputs = 1}};
    const cr_graph graph = {.struct_size = sizeof graph,
                            .values = metas,
                            .nodes = nodes,
                            .inputs = of,
                            .outputs = of + 2,
                            .nvalues = 3,
                            .nnodes = 2,
                            .ninputs = 1,
                            .noutputs = 1};
    cr_plan_info info = {.struct_size = sizeof info};
    cr_plan *plan = NULL;
    cr_status status = b->plan(d, &graph, &info, &plan);
    if (status == CR_OK)
        b->plan_free(plan);
    return status;
}

START_TEST(graphs_that_make_no_sense_are_declined)
{
    const int64_t huge = INT64_C(1) << 40, most = INT64_MAX;
    const cr_meta good = {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {5, 1}};
    const cr_meta bad[] = {
        {.dtype = CR_F32, .rank = 2, .size = {huge, huge}, .stride = {huge, 1}},
        {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {most, 1}},
        {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {-5, 1}},
        {.dtype = CR_F32, .rank = 2, .size = {-3, 5}, .stride = {5, 1}},
        {.dtype = CR_F32, .rank = 9, .size = {3, 5}, .stride = {5, 1}},
        {.dtype = CR_F32, .rank = -1, .size = {3, 5}, .stride = {5, 1}},
        {.dtype = CR_F32, .rank = 1, .size = {15}, .stride = {1}},
        {.dtype = 77, .rank = 2, .size = {3, 5}, .stride = {5, 1}},
        {.dtype = CR_I64, .rank = 2, .size = {3, 5}, .stride = {5, 1}},
        {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {5, 1}, .layout = 1},
    };
    void *file = dlopen(CRESSET_VULKAN_FILE, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(file, "%s", dlerror());
    cr_backend_entry entry;
    *(void **)&entry = dlsym(file, CR_BACKEND_ENTRY);
    const cr_backend *b = entry(&host);
    cr_device *d = NULL;
    ck_assert_int_eq(b->device_open(b, 0, &d), CR_OK);
    const cr_meta all[3] = {good, good, good};
    ck_assert_int_eq(plan_of(b, d, all, "abs"), CR_OK);
    ck_assert_int_eq(plan_of(b, d, all, "sort.stable"), CR_UNSUPPORTED);
    ck_assert_int_eq(plan_of(b, d, all, "no_such_operation"), CR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int at = 0; at < 3; at++) {
            cr_meta metas[3] = {good, good, good};
            metas[at] = bad[i];
            bool harmless =
                at == 1 && (i == 1 || i == 2 || i == 9); /* nothing of it is in memory */
            ck_assert_msg((plan_of(b, d, metas, "abs") == CR_UNSUPPORTED) != harmless,
                          "bad %zu at %d", i, at);
        }
        const cr_meta metas[3] = {bad[i], bad[i], bad[i]};
        cr_status expected = i == 6 || i == 8 ? CR_OK : CR_UNSUPPORTED;
        ck_assert_msg(plan_of(b, d, metas, "abs") == expected, "all bad %zu", i);
    }
    b->device_close(d);
}
END_TEST

/* ---- the shaders ---- */

START_TEST(every_shader_is_valid)
{
    char command[256];
    ck_assert_int_gt(modules, 50);
    for (int i = 0; *SPIRV_VAL && i < modules; i++) {
        snprintf(command, sizeof command,
                 "'%s' --target-env vulkan1.2 --uniform-buffer-standard-layout %s/%d.spv",
                 SPIRV_VAL, folder, i);
        ck_assert_msg(!system(command), "%s", command);
    }
    if (!*SPIRV_VAL)
        fprintf(
            stderr,
            "no spirv-val on this machine (Debian: spirv-tools): the shaders were not validated\n");
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert(!system(command));
}
END_TEST

int main(void)
{
    int status;
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    if (!(device = first_device(&status)))
        return status;
    Suite *suite = suite_create("vulkan chains");
    TCase *tests = tcase_create("chains");
    tcase_set_timeout(tests, 280);
    tcase_add_test(tests, relu_of_a_sum_times_is_one_dispatch);
    tcase_add_test(tests, casts_are_as_in_memory);
    tcase_add_test(tests, values_repeat_and_lie_in_strides);
    tcase_add_test(tests, what_does_not_fit_runs_in_parts);
    tcase_add_test(tests, a_chain_ends_in_a_reduction);
    tcase_add_test(tests, terms_that_are_wanted_are_written);
    tcase_add_test(tests, random_graphs_are_what_they_are_eagerly);
    tcase_add_loop_test(tests, each_operation_is_what_it_is_alone, 0, 5);
    tcase_add_test(tests, graphs_that_make_no_sense_are_declined);
    tcase_add_test(tests, every_shader_is_valid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    status = srunner_ntests_failed(runner) ? EXIT_FAILURE : EXIT_SUCCESS;
    srunner_free(runner);
    cr_clear_error();
    return cr_exit() || status;
}
