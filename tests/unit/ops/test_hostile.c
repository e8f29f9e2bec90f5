/* Every row of the table, called with arguments that fit its schema by type alone: sizes and numbers from the edges, tensors that don't
 * belong together. A call either gives results that can be read, or an error that says something; the sanitizers see the rest. */
#include <check.h>
#include <cresset/cresset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined __SANITIZE_ADDRESS__
enum { CALLS = 20 };
#else
enum { CALLS = 60 };
#endif
enum { MOST_ARGUMENTS = 32, EACH = 20 };

/* What is too large to be had is an error here too, not the end of the machine's memory. A graph that is never walked back, in which a
 * tensor was overwritten by what had been computed from it, holds itself, as in PyTorch: no leaks are looked for. */
#define SEEN __attribute__((visibility("default")))
SEEN const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=256";
}
SEEN int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

static uint64_t state;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}
static size_t below(size_t n)
{
    return (size_t)(next() % n);
}
#define ANY(list) ((list)[below(sizeof(list) / sizeof *(list))])

static cr_tensor *any_tensor(void)
{
    static const cr_dtype dtypes[] = {CR_F32, CR_F32, CR_F32, CR_F64, CR_BF16, CR_F16,
                                      CR_I64, CR_I64, CR_I32, CR_I8,  CR_U8,   CR_B8};
    static const int64_t sizes[] = {0, 1, 1, 2, 2, 3, 4, 5};
    int64_t size[5];
    int dim = (int)below(6);
    for (int d = 0; d < dim; d++)
        size[d] = ANY(sizes);
    cr_tensor *t = cr_mul_scalar(cr_randn(cr_make_ints(size, (size_t)dim)), 3);
    t = cr_to_dtype(t, ANY(dtypes));
    switch (below(6)) {
    case 0: return dim > 1 ? cr_transpose(t, 0, -1) : t;
    case 1: return dim ? cr_slice(t, .dim = -1, .step = CR_SOME(2)) : t;
    case 2: return dim ? cr_expand_as(cr_narrow(t, 0, 0, size[0] > 0), t) : t;
    case 3: return cr_tensor_dtype(t) == CR_F32 ? cr_requires_grad_(t, true) : t;
    default: return t;
    }
}
static int64_t any_int(void)
{
    static const int64_t edges[] = {0,  0,  1,  1,  1,  2,         2,         3,         4,  5,
                                    -1, -1, -2, -3, 17, INT64_MIN, INT64_MAX, INT32_MAX, 100};
    return ANY(edges);
}
static double any_float(void)
{
    static const double edges[] = {0,     1,      0.5,     2,       -1,      1e-5,
                                   1e308, -1e308, 0. / 0., 1. / 0., -1. / 0.};
    return ANY(edges);
}

/* Lists live as long as the call. */
typedef struct arguments {
    cr_value value[MOST_ARGUMENTS];
    cr_keyword named[MOST_ARGUMENTS];
    int64_t ints[MOST_ARGUMENTS][8];
    double floats[MOST_ARGUMENTS][8];
    cr_tensor *tensors[MOST_ARGUMENTS][8];
    char names[MOST_ARGUMENTS][64];
    size_t count, keywords;
} arguments;

static cr_value list_of(arguments *a, size_t i, const char *type)
{
    size_t n = below(5);
    uint8_t *bools = (uint8_t *)a->floats[i];
    for (size_t k = 0; k < n; k++) {
        a->ints[i][k] = any_int();
        a->tensors[i][k] = any_tensor();
    }
    if (!strncmp(type, "Tensor", 6))
        return (cr_value){.tag = CR_TENSOR_LIST, .count = (int64_t)n, .as.tensors = a->tensors[i]};
    if (!strncmp(type, "int", 3) && below(4))
        return (cr_value){.tag = CR_INT_LIST, .count = (int64_t)n, .as.ints = a->ints[i]};
    if (!strncmp(type, "int", 3)) /* one for all */
        return (cr_value){.tag = CR_INT, .as.i = any_int()};
    if (!strncmp(type, "bool", 4)) {
        for (size_t k = 0; k < n; k++)
            bools[k] = (uint8_t)below(2);
        return (cr_value){.tag = CR_BOOL_LIST, .count = (int64_t)n, .as.bools = bools};
    }
    for (size_t k = 0; k < n; k++)
        a->floats[i][k] = any_float();
    return (cr_value){.tag = CR_FLOAT_LIST, .count = (int64_t)n, .as.floats = a->floats[i]};
}

static cr_value value_of(arguments *a, size_t i, const char *type)
{
    static const char *const words[] = {"mean",     "sum",  "trunc",  "floor", "reflect",
                                        "constant", "none", "fro",    "nuc",   "amax",
                                        "reduced",  "tanh", "ij->ji", "",      "ab,bc"};
    size_t length = strcspn(type, " ");
    bool may_lack = memchr(type, '?', length), list = memchr(type, '[', length);
    if (may_lack && !below(3))
        return (cr_value){0};
    if (list)
        return list_of(a, i, type);
    if (!strncmp(type, "Tensor", 6))
        return (cr_value){.tag = CR_TENSOR, .as.tensor = any_tensor()};
    if (!strncmp(type, "int", 3))
        return (cr_value){.tag = CR_INT, .as.i = any_int()};
    if (!strncmp(type, "bool", 4))
        return (cr_value){.tag = CR_BOOL, .as.i = (int64_t)below(2)};
    if (!strncmp(type, "float", 5))
        return (cr_value){.tag = CR_FLOAT, .as.f = any_float()};
    if (!strncmp(type, "Scalar ", 7) || !strncmp(type, "Scalar?", 7))
        return below(2) ? (cr_value){.tag = CR_INT, .as.i = any_int()}
                        : (cr_value){.tag = CR_FLOAT, .as.f = any_float()};
    if (!strncmp(type, "str", 3)) {
        const char *word = ANY(words);
        return (cr_value){.tag = CR_STRING, .count = (int64_t)strlen(word), .as.s = word};
    }
    if (!strncmp(type, "ScalarType", 10))
        return (cr_value){.tag = CR_DTYPE, .as.i = (int64_t)below(14)};
    return (cr_value){0}; /* Layout, Device, Generator, MemoryFormat: as they come */
}

/* Arguments for a schema: "name(Type name=default, *, Type name) -> …". Keywords are given or left out. */
static void fill(arguments *a, const char *schema)
{
    memset(a, 0, sizeof *a);
    bool keyword = false;
    const char *p = strchr(schema, '(') + 1;
    while (*p && *p != ')' && a->count + a->keywords < MOST_ARGUMENTS) {
        size_t i = a->count + a->keywords;
        const char *start = p;
        for (int depth = 0; *p && (depth || (*p != ',' && *p != ')')); p++)
            depth += *p == '(' || *p == '[' ? 1 : *p == ')' || *p == ']' ? -1 : 0;
        if (*start == '*') {
            keyword = true;
        } else {
            const char *name = memchr(start, ' ', (size_t)(p - start));
            size_t length = name ? strcspn(name + 1, "=,)") : 0;
            if (!keyword) {
                a->value[a->count++] = value_of(a, i, start);
            } else if (length && length < sizeof a->names[0] && below(2)) {
                memcpy(a->names[i], name + 1, length);
                a->names[i][length] = '\0';
                a->named[a->keywords++] = (cr_keyword){a->names[i], value_of(a, i, start)};
            }
        }
        p += *p == ',';
        p += *p == ' ';
    }
}

/* Where the test stands, for whoever reads a core file or the sanitizer's words. */
static char doing[200];

static void one_call(const char *schema)
{
    static arguments of_this_call; /* not taken from memory that may have run out */
    arguments *a = &of_this_call;
    cr_value outs[4] = {{0}};
    size_t nouts = 0;
    char name[128] = {0};
    memcpy(name, schema, strcspn(schema, "("));
    CR_SCOPE {
        fill(a, schema);
        cr_clear_error();
        if (cr_call(name, a->value, a->count, a->named, a->keywords, outs, 4, &nouts)) {
            ck_assert_msg(cr_error() && strlen(cr_error()) > 5, "%s: refused without words", name);
        } else {
            ck_assert_msg(!cr_error(), "%s: went through with the error %s", name, cr_error());
            for (size_t k = 0; k < nouts && k < 4; k++)
                if (outs[k].tag == CR_TENSOR && outs[k].as.tensor &&
                    cr_tensor_numel(outs[k].as.tensor) < 1 << 16)
                    free(cr_tensor_to_string(outs[k].as.tensor));
        }
        cr_clear_error();
    }
}

/* The first `calls` calls of a row. */
static void try_row(size_t i, int calls)
{
    cr_op_info info;
    ck_assert_int_eq(cr_op_describe(i, &info), 0);
    state = 0x9e3779b97f4a7c15u + i;
    cr_manual_seed(i);
    for (int k = 0; k < calls; k++) {
        snprintf(doing, sizeof doing, "%s, call %d", info.name, k);
        one_call(info.schema);
    }
}

START_TEST(no_arguments_do_harm)
{
#if !defined __SANITIZE_ADDRESS__
    setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)2 << 30, (rlim_t)2 << 30});
#endif
    for (size_t i = (size_t)_i * EACH; i < (size_t)(_i + 1) * EACH && i < cr_op_count(); i++)
        try_row(i, CALLS);
    cr_exit();
}
END_TEST

/* Of one row, in a process of its own: test_ops_hostile NAME. */
static const char *chosen;
START_TEST(no_arguments_of_one_row_do_harm)
{
    for (size_t i = 0; i < cr_op_count(); i++) {
        cr_op_info info;
        ck_assert_int_eq(cr_op_describe(i, &info), 0);
        if (!strcmp(info.name, chosen))
            try_row(i, CALLS);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("hostile");
    TCase *tc = tcase_create("hostile");
    tcase_set_timeout(tc, 300);
    chosen = argc > 1 ? argv[1] : NULL;
    if (chosen)
        tcase_add_test(tc, no_arguments_of_one_row_do_harm);
    else
        tcase_add_loop_test(tc, no_arguments_do_harm, 0, (int)((cr_op_count() + EACH - 1) / EACH));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
