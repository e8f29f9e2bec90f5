/* Graphs that no core would hand over, or that a planner has no business with, straight at the backend: declined, and no harm done. */
#include <cresset/backend.h>

#include "first_device.h"

#include <check.h>

#include <stdio.h>
#include <stdlib.h>

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

static const cr_backend *b;
static cr_device *d;

/* ---- graphs ---- */

enum { MOST = 8 };

/* Nodes in a row, each with the result of the one before as its first input, but for the first. Value i is metas[i]; those below
 * `inputs` are the graph's, and the last one its output. others: a node's further inputs, 0 … inputs - 1, or below 0: none. */
typedef struct row_of_nodes {
    const char *op[3];
    int others[3][3];
    uint32_t nodes, inputs;
} row_of_nodes;

static cr_status plan_of(const row_of_nodes *r, const cr_meta *metas)
{
    uint32_t in[3][4], out[3], all[MOST];
    cr_graph_node nodes[3];
    for (uint32_t i = 0; i < MOST; i++)
        all[i] = i;
    for (uint32_t k = 0; k < r->nodes; k++) {
        uint32_t n = 0;
        if (k)
            in[k][n++] = out[k - 1];
        for (int i = 0; i < 3 && r->others[k][i] >= 0; i++)
            in[k][n++] = (uint32_t)r->others[k][i];
        out[k] = r->inputs + k;
        nodes[k] = (cr_graph_node){.struct_size = sizeof *nodes,
                                   .op = r->op[k],
                                   .inputs = in[k],
                                   .outputs = &out[k],
                                   .ninputs = n,
                                   .noutputs = 1};
    }
    const cr_graph graph = {.struct_size = sizeof graph,
                            .values = metas,
                            .nodes = nodes,
                            .inputs = all,
                            .outputs = &out[r->nodes - 1],
                            .nvalues = r->inputs + r->nodes,
                            .nnodes = r->nodes,
                            .ninputs = r->inputs,
                            .noutputs = 1};
    cr_plan_info info = {.struct_size = sizeof info};
    cr_plan *plan = NULL;
    cr_status status = b->plan(d, &graph, &info, &plan);
    if (status == CR_OK)
        b->plan_free(plan);
    return status;
}

#define HUGE_SIZE (INT64_C(1) << 40)
static const cr_meta good = {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {5, 1}};
static const cr_meta bad[] = {
    {.dtype = CR_F32, .rank = 2, .size = {HUGE_SIZE, HUGE_SIZE}, .stride = {HUGE_SIZE, 1}},
    {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {INT64_MAX, 1}},
    {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {-5, 1}},
    {.dtype = CR_F32, .rank = 2, .size = {-3, 5}, .stride = {5, 1}},
    {.dtype = CR_F32, .rank = 9, .size = {3, 5}, .stride = {5, 1}},
    {.dtype = CR_F32, .rank = -1, .size = {3, 5}, .stride = {5, 1}},
    {.dtype = CR_F32, .rank = 1, .size = {15}, .stride = {1}},
    {.dtype = 77, .rank = 2, .size = {3, 5}, .stride = {5, 1}},
    {.dtype = CR_I64, .rank = 2, .size = {3, 5}, .stride = {5, 1}},
    {.dtype = CR_F32, .rank = 2, .size = {3, 5}, .stride = {5, 1}, .layout = 1},
};

/* ---- chains ---- */

static cr_status chain_of(const cr_meta metas[3], const char *second)
{
    const row_of_nodes neg_and = {{"neg", second}, {{0, -1}, {-1}}, 2, 1};
    return plan_of(&neg_and, metas);
}

START_TEST(chains_that_make_no_sense_are_declined)
{
    const cr_meta all[3] = {good, good, good};
    ck_assert_int_eq(chain_of(all, "abs"), CR_OK);
    ck_assert_int_eq(chain_of(all, "sort.stable"), CR_UNSUPPORTED);
    ck_assert_int_eq(chain_of(all, "no_such_operation"), CR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int at = 0; at < 3; at++) {
            cr_meta metas[3] = {good, good, good};
            metas[at] = bad[i];
            bool harmless =
                at == 1 && (i == 1 || i == 2 || i == 9); /* nothing of it is in memory */
            ck_assert_msg((chain_of(metas, "abs") == CR_UNSUPPORTED) != harmless, "bad %zu at %d",
                          i, at);
        }
        const cr_meta metas[3] = {bad[i], bad[i], bad[i]};
        cr_status expected = i == 6 || i == 8 ? CR_OK : CR_UNSUPPORTED;
        ck_assert_msg(chain_of(metas, "abs") == expected, "all bad %zu", i);
    }
}
END_TEST
/* ---- products ---- */

/* [3, 4] times [4, 5], a sum with a value, and a function: metas of these, then of the three results. */
static cr_status product_of(const cr_meta metas[6], const char *head, const char *sum,
                            const char *function)
{
    const row_of_nodes row = {{head, sum, function}, {{0, 1, -1}, {2, -1}, {-1}}, 3, 3};
    return plan_of(&row, metas);
}

START_TEST(products_that_make_no_sense_are_declined)
{
    const cr_meta left = {.dtype = CR_F32, .rank = 2, .size = {3, 4}, .stride = {4, 1}},
                  right = {.dtype = CR_F32, .rank = 2, .size = {4, 5}, .stride = {5, 1}};
    const cr_meta all[6] = {left, right, good, good, good, good};
    ck_assert_int_eq(product_of(all, "mm", "add.Tensor", "relu"), CR_OK);
    ck_assert_int_eq(product_of(all, "mm", "add.Tensor", "gelu"), CR_OK);
    ck_assert_int_eq(product_of(all, "mm", "sub.Tensor", "relu"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "mm", "add.Tensor", "exp"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "mm", "add.Tensor", "sort.stable"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "mm", "add.Tensor", "no_such_operation"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "addmm", "add.Tensor", "relu"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "convolution", "add.Tensor", "relu"), CR_UNSUPPORTED);
    ck_assert_int_eq(product_of(all, "no_such_operation", "add.Tensor", "relu"), CR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int at = 0; at < 6; at++) {
            cr_meta metas[6];
            memcpy(metas, all, sizeof metas);
            metas[at] = bad[i];
            ck_assert_msg(product_of(metas, "mm", "add.Tensor", "relu") == CR_UNSUPPORTED,
                          "bad %zu at %d", i, at);
        }
}
END_TEST

/* A result that reads itself, nodes in the wrong order, values that nobody makes. */
START_TEST(graphs_that_are_no_rows_are_declined)
{
    const cr_meta square = {.dtype = CR_F32, .rank = 2, .size = {4, 4}, .stride = {4, 1}};
    const cr_meta metas[6] = {square, square, square, square, square, square};
    const row_of_nodes of_itself = {{"mm", "add.Tensor"}, {{0, 1, -1}, {2, -1}}, 2, 2},
                       of_what_comes = {{"mm", "relu"}, {{0, 3, -1}, {-1}}, 2, 2},
                       of_nobodys = {{"mm", "relu"}, {{0, 5, -1}, {-1}}, 2, 2},
                       alone = {{"mm", "mm"}, {{0, 1, -1}, {1, -1}}, 2, 2};
    ck_assert_int_eq(plan_of(&of_itself, metas), CR_UNSUPPORTED);
    ck_assert_int_eq(plan_of(&of_what_comes, metas), CR_UNSUPPORTED);
    ck_assert_int_eq(plan_of(&of_nobodys, metas), CR_UNSUPPORTED);
    ck_assert_int_eq(plan_of(&alone, metas), CR_UNSUPPORTED);
}
END_TEST

int main(void)
{
    keep_driver();
    void *file = dlopen(CRESSET_VULKAN_FILE, RTLD_NOW | RTLD_LOCAL);
    cr_backend_entry entry;
    if (file)
        *(void **)&entry = dlsym(file, CR_BACKEND_ENTRY);
    b = file ? entry(&host) : NULL;
    if (!b || b->device_open(b, 0, &d) != CR_OK) {
        fprintf(stderr, "%s\n", file ? "no device opens" : dlerror());
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("vulkan declines");
    TCase *tests = tcase_create("vulkan declines");
    tcase_add_test(tests, chains_that_make_no_sense_are_declined);
    tcase_add_test(tests, products_that_make_no_sense_are_declined);
    tcase_add_test(tests, graphs_that_are_no_rows_are_declined);
    suite_add_tcase(suite, tests);
    int failed = run_here(suite);
    b->device_close(d);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
