/* Products and convolutions with what follows them, captured on a Vulkan device: a sum, a function, or both in the product's own
 * dispatch, with the bits of the operations one by one; and what does not follow so. */
#include "captured.h"

#include <stdio.h>

const char *const captured_name = "vulkan products";
const int captured_modules = 20;

/* ---- products ---- */

typedef enum head { MM, ADDMM, BMM, BADDBMM, MV, ADDMV, DOT, CONV, HEADS } head;

/* Of MM … DOT: batch, rows, columns, terms. Of CONV: images, channels in and out, height, width, window, stride, padding,
 * groups, transposed. */
typedef struct product {
    head head;
    int64_t size[10];
    bool bias, transposed; /* transposed: operands lie the other way round */
} product;

static const product products[] = {
    {MM, {1, 3, 5, 7}, false, false},
    {MM, {1, 33, 70, 40}, false, true},
    {MM, {1, 64, 120, 400}, false, false},
    {MM, {1, 1, 3, 0}, false, false},
    {MM, {1, 5, 7, 20000}, false, false}, /* terms are split */
    {ADDMM, {1, 17, 35, 24}, false, false},
    {BMM, {3, 6, 9, 20}, false, false},
    {BADDBMM, {2, 40, 41, 18}, false, true},
    {MV, {1, 50, 1, 30}, false, false},
    {ADDMV, {1, 9, 1, 77}, false, false}, /* mv, and a chain */
    {DOT, {1, 1, 1, 60}, false, false},
    {CONV, {3, 2, 6, 13, 17, 5, 1, 2, 1}, true, false}, /* rows of windows */
    {CONV, {2, 3, 8, 9, 11, 3, 1, 1, 1}, false, false},
    {CONV, {2, 4, 6, 10, 9, 3, 2, 1, 2}, true, false},
    {CONV, {2, 4, 6, 7, 6, 3, 2, 1, 1, 1}, true, false},
    {CONV, {1, 3, 4, 5, 6, 1, 1, 0, 1}, true, false},
};
enum { PRODUCTS = sizeof products / sizeof *products };

static cr_value tensor(cr_tensor *t)
{
    return t ? (cr_value){.tag = CR_TENSOR, .as.tensor = t} : (cr_value){.tag = CR_NONE};
}

static cr_value ints(const int64_t *list, int64_t count)
{
    return (cr_value){.tag = CR_INT_LIST, .count = count, .as.ints = list};
}

static cr_tensor *call(const char *name, const cr_value *args, size_t n, const char *keyword,
                       double number)
{
    const cr_keyword word = {keyword, {.tag = CR_FLOAT, .as.f = number}};
    cr_value out = {0};
    return cr_call(name, args, n, &word, keyword != NULL, &out, 1, NULL) ? NULL : out.as.tensor;
}

/* in: what is added, A and B; or the bias, weight and images. */
static cr_tensor *multiply(const product *p, cr_tensor *const *in)
{
    static const char *const names[] = {"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot"};
    const int64_t *z = p->size, step[] = {z[6], z[6]}, pad[] = {z[7], z[7]}, one[] = {1, 1},
                  none[] = {0, 0};
    if (p->head == CONV) {
        const cr_value args[] = {tensor(in[2]),
                                 tensor(in[1]),
                                 tensor(p->bias ? in[0] : NULL),
                                 ints(step, 2),
                                 ints(pad, 2),
                                 ints(one, 2),
                                 {.tag = CR_BOOL, .as.i = z[9]},
                                 ints(none, 2),
                                 {.tag = CR_INT, .as.i = z[8]}};
        return call("convolution", args, 9, NULL, 0);
    }
    const cr_value args[] = {tensor(in[0]), tensor(in[1]), tensor(in[2])};
    bool added = p->head == ADDMM || p->head == BADDBMM || p->head == ADDMV;
    return call(names[p->head], args + !added, 2 + (size_t)added, added ? "beta" : NULL, 0.75);
}

/* Products of all that `values` has are NaN mostly: sums of these are large and small, zeros among them. */
static cr_tensor *factor(cr_dtype dtype, int64_t n)
{
    cr_tensor *x = cr_randn(CR_INTS(n)), *rare = cr_lt_scalar(cr_rand(CR_INTS(n)), 0.1);
    return cr_to_dtype(cr_where(rare, cr_mul_scalar(x, 1e-4), x), dtype);
}

static cr_tensor *shaped(cr_dtype dtype, const int64_t *size, int dims, bool transposed)
{
    int64_t n = 1;
    for (int d = 0; d < dims; d++)
        n *= size[d];
    int64_t own[4];
    for (int d = 0; d < dims; d++)
        own[d] = size[transposed && d >= dims - 2 ? 2 * dims - 3 - d : d];
    cr_tensor *t = cr_reshape(factor(dtype, n), cr_make_ints(own, (size_t)dims));
    return transposed ? cr_transpose(t, -1, -2) : t;
}

static void make_operands(const product *p, cr_dtype dtype, cr_tensor **in)
{
    const int64_t *z = p->size;
    int64_t bias = z[2];
    if (p->head == CONV) {
        const int64_t x[] = {z[0], z[1], z[3], z[4]},
                      w[] = {z[9] ? z[1] : z[2], (z[9] ? z[2] : z[1]) / z[8], z[5], z[5]};
        in[0] = shaped(dtype, &bias, 1, false);
        in[1] = shaped(dtype, w, 4, false);
        in[2] = shaped(dtype, x, 4, false);
        return;
    }
    const int64_t a[] = {z[0], z[1], z[3]}, b[] = {z[0], z[3], z[2]};
    int skip = p->head == BMM || p->head == BADDBMM ? 0 : 1;
    bool vector = p->head == MV || p->head == ADDMV || p->head == DOT;
    in[0] = shaped(dtype, vector ? &z[1] : &bias, 1, false);
    in[1] = p->head == DOT ? shaped(dtype, &z[3], 1, false)
                           : shaped(dtype, a + skip, 3 - skip, p->transposed);
    in[2] =
        vector ? shaped(dtype, &z[3], 1, false) : shaped(dtype, b + skip, 3 - skip, p->transposed);
}

/* ---- what follows ---- */

typedef enum addition { NO_SUM, PLAIN, SCALED, SECOND } addition;

static const operation functions[] = {
    {"relu", "t", FLOATS, 0},      {"leaky_relu", "tn", FLOATS, 0}, {"hardtanh", "tnn", FLOATS, 0},
    {"tanh", "t", FLOATS, 0},      {"sigmoid", "t", FLOATS, 0},     {"gelu", "t", FLOATS, 0},
    {"gelu:tanh", "t", FLOATS, 0}, {"silu", "t", FLOATS, 0}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

typedef struct follow {
    const product *product;
    addition sum;
    const operation *function; /* or null */
} follow;

static size_t followed(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    static const double numbers[] = {-0.3, 0.9};
    const follow *f = context;
    cr_tensor *y = multiply(f->product, in);
    (void)n;
    const cr_value args[] = {tensor(y), tensor(in[3]), tensor(y)};
    if (f->sum)
        y = call("add.Tensor", args + (f->sum == SECOND), 2, f->sum == PLAIN ? NULL : "alpha",
                 f->sum == SCALED ? 0.3 : -1.7);
    out[0] = f->function ? apply(f->function, &y, numbers, false) : y;
    return out[0] != NULL;
}

static const cr_dtype dtypes[] = {CR_F32, CR_F16, CR_BF16};

static void follows(const product *p, cr_dtype dtype, addition sum, const operation *function)
{
    CR_SCOPE {
        char what[100];
        follow f = {p, sum, function}, product_alone = {p, NO_SUM, NULL};
        cr_tensor *in[4];
        int replayed, alone;
        snprintf(what, sizeof what, "product %d of %s, sum %d, %s", (int)(p - products),
                 cr_dtype_name(dtype), (int)sum, function ? function->name : "no function");
        make_operands(p, dtype, in);
        cr_tensor *like = multiply(p, in);
        no_error(what);
        in[3] = cr_reshape_as(values(dtype, cr_tensor_numel(like)), like);
        /* An operation of several plans stays one, and terms that are split stay two dispatches. */
        cr_compile_stats before = agree(what, followed, &product_alone, in, 4, &alone);
        cr_compile_stats s = agree(what, followed, &f, in, 4, &replayed);
        size_t more = (size_t)((sum != NO_SUM) + (function != NULL));
        ck_assert_msg(s.plans == before.plans && s.fused == before.fused + more &&
                          replayed == alone,
                      "%s: %zu plans of %zu, %zu fused of %zu, %d dispatches of %d", what, s.plans,
                      before.plans, s.fused, before.fused, replayed, alone);
    }
}

START_TEST(a_function_follows_in_one_dispatch)
{
    cr_manual_seed(5);
    seed_with(5);
    for (int f = 0; f < FUNCTIONS; f++) /* with one product, of f32 with another, too */
        for (int p = f; p < PRODUCTS; p += _i ? PRODUCTS : FUNCTIONS)
            follows(&products[(p + 3 * _i) % PRODUCTS], dtypes[_i], NO_SUM, &functions[f]);
}
END_TEST

START_TEST(a_sum_and_a_function_follow_in_one_dispatch)
{
    cr_manual_seed(7);
    seed_with(7);
    for (int p = _i; p < PRODUCTS; p += 1 + _i)
        follows(&products[p], dtypes[_i], PLAIN + p % 3,
                p % 3 == _i ? NULL : &functions[(p + _i) % FUNCTIONS]);
}
END_TEST

/* ---- what doesn't ---- */

typedef enum apart { KEPT, TWICE, TWO_SUMS, SUM_LATER, OTHER_STRIDES, ROW, PRODUCT, APARTS } apart;

static size_t run_apart(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    cr_tensor *y = cr_mm(in[0], in[1]);
    (void)n;
    switch (*(apart *)context) {
    case KEPT: out[1] = y; return out[0] = cr_relu(y), 2;
    case TWICE: return out[0] = cr_tanh(cr_relu(y)), 1;
    case TWO_SUMS: return out[0] = cr_add(cr_add(y, in[2]), in[2]), 1;
    case SUM_LATER: return out[0] = cr_add(cr_relu(y), in[2]), 1;
    case OTHER_STRIDES: return out[0] = cr_add(y, cr_transpose(in[3], 0, 1)), 1;
    case ROW: return out[0] = cr_add(y, cr_select(in[2], 0, 0)), 1;
    case PRODUCT: return out[0] = cr_mul(y, in[2]), 1;
    default: return 0;
    }
}

START_TEST(what_does_not_follow_so_runs_apart)
{
    static const size_t plans[] = {2, 2, 2, 2, 2, 2, 2};
    CR_SCOPE {
        cr_tensor *in[] = {factor(CR_F32, 12 * 9), factor(CR_F32, 9 * 14), values(CR_F32, 12 * 14),
                           values(CR_F32, 12 * 14)};
        in[0] = cr_reshape(in[0], CR_INTS(12, 9));
        in[1] = cr_reshape(in[1], CR_INTS(9, 14));
        in[2] = cr_reshape(in[2], CR_INTS(12, 14));
        in[3] = cr_reshape(in[3], CR_INTS(14, 12));
        for (apart a = KEPT; a < APARTS; a++) {
            char what[20];
            int replayed;
            snprintf(what, sizeof what, "apart %d", (int)a);
            cr_compile_stats s = agree(what, run_apart, &a, in, 4, &replayed);
            ck_assert_msg(s.plans == plans[a], "%s: %zu plans", what, s.plans);
        }
    }
}
END_TEST

/* Other dtypes' functions are operations of their own. */
START_TEST(other_dtypes_run_apart)
{
    static const cr_dtype others[] = {CR_F64, CR_I32, CR_I64};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CR_SCOPE {
            cr_tensor *in[] = {
                cr_to_dtype(cr_reshape(cr_mul_scalar(cr_randn(108), 5), CR_INTS(12, 9)), others[i]),
                cr_to_dtype(cr_reshape(cr_mul_scalar(cr_randn(126), 5), CR_INTS(9, 14)), others[i]),
                NULL, cr_reshape(values(others[i], (int64_t)12 * 14), CR_INTS(12, 14))};
            follow f = {&products[0], PLAIN, &functions[0]};
            int replayed;
            in[2] = in[1];
            in[1] = in[0];
            agree("another dtype", followed, &f, in, 4, &replayed);
        }
}
END_TEST

void captured_tests(TCase *tests)
{
    tcase_add_loop_test(tests, a_function_follows_in_one_dispatch, 0, 3);
    tcase_add_loop_test(tests, a_sum_and_a_function_follow_in_one_dispatch, 0, 3);
    tcase_add_test(tests, what_does_not_follow_so_runs_apart);
    tcase_add_test(tests, other_dtypes_run_apart);
}
