/* Chains of elementwise operations, captured on a Vulkan device: each operation, and random graphs of them. */
#include "captured.h"

#include <stdio.h>
#include <string.h>

const char *const captured_name = "vulkan chains";
const int captured_modules = 50;

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
    seed_with(7);
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

START_TEST(random_graphs_are_what_they_are_eagerly)
{
    int fused = 0, single_dispatch = 0;
    for (uint64_t seed = 1; seed <= 60; seed++)
        CR_SCOPE {
            char what[40];
            program p = {.nsteps = 0};
            cr_tensor *in[INPUTS];
            int replayed;
            seed_with(seed * 7919 + 13);
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

void captured_tests(TCase *tests)
{
    tcase_add_test(tests, random_graphs_are_what_they_are_eagerly);
    tcase_add_loop_test(tests, each_operation_is_what_it_is_alone, 0, 5);
}
