/* Runs the node tests of the ONNX project: each folder has model.onnx and test_data_set_N with input_I.pb and output_I.pb.
 * Usage: node_tests FOLDER [--floor N] [--verbose]; fails if fewer than N pass. One test runs in a process of its own, so that a
 * crash is one failure. */
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cresset/cresset.h>

typedef enum outcome { PASS, WRONG, FAILED, NOT_KNOWN, CRASHED } outcome;

/* |got - expected| ≤ 1e-3 |expected| + 1e-5, as ONNX's own runner with a little more for zeros. */
static bool is_close(cr_tensor *got, cr_tensor *expected)
{
    if (cr_tensor_dtype(got) != cr_tensor_dtype(expected) ||
        cr_tensor_dim(got) != cr_tensor_dim(expected))
        return cr_fail("the result is of %s with %d dimensions, expected %s with %d",
                       cr_dtype_name(cr_tensor_dtype(got)), cr_tensor_dim(got),
                       cr_dtype_name(cr_tensor_dtype(expected)), cr_tensor_dim(expected));
    for (int i = 0; i < cr_tensor_dim(got); i++)
        if (cr_tensor_size(got, i) != cr_tensor_size(expected, i))
            return cr_fail("dimension %d has size %d, expected %d", i, (int)cr_tensor_size(got, i),
                           (int)cr_tensor_size(expected, i));
    int64_t count = cr_tensor_numel(got);
    double *a = malloc(((size_t)count + 1) * sizeof *a),
           *b = malloc(((size_t)count + 1) * sizeof *b);
    bool good = a && b && !cr_tensor_read(cr_to_dtype(got, CR_F64), a, (size_t)count * sizeof *a) &&
                !cr_tensor_read(cr_to_dtype(expected, CR_F64), b, (size_t)count * sizeof *b);
    for (int64_t i = 0; i < count && good; i++) {
        bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i])) ||
                    fabs(a[i] - b[i]) <= 1e-3 * fabs(b[i]) + 1e-5;
        if (!same)
            good = cr_fail("element %d is %g, expected %g", (int)i, a[i], b[i]);
    }
    free(a);
    free(b);
    return good;
}

/* In the tests of bfloat16 its bits lie in the files as unsigned integers of 16 bits, which are read as int32. */
static cr_tensor *bfloat16_of(cr_tensor *bits)
{
    int64_t count = cr_tensor_numel(bits);
    uint32_t *list = malloc(((size_t)count + 1) * sizeof *list);
    cr_tensor *t = NULL;
    if (list && !cr_tensor_read(bits, list, (size_t)count * sizeof *list)) {
        for (int64_t i = 0; i < count; i++)
            list[i] <<= 16; /* the upper half of a float32 */
        t = cr_to_dtype(
            cr_tensor_copy_from(list, CR_F32, cr_tensor_dim(bits), cr_tensor_sizes(bits), "cpu"),
            CR_BF16);
    }
    free(list);
    return t;
}

static cr_tensor *load(const char *folder, const char *name, const char *kind, size_t i)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/test_data_set_0/%s_%zu.pb", folder, name, kind, i);
    cr_tensor *t = cr_load_onnx_tensor(path);
    return t && strstr(name, "BFLOAT16") && cr_tensor_dtype(t) == CR_I32 ? bfloat16_of(t) : t;
}

static outcome run_test(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/model.onnx", folder, name);
    cr_module *model = cr_load_onnx(path);
    if (!model)
        return strstr(cr_error(), "not supported") ? NOT_KNOWN : FAILED;
    cr_tensor *inputs[16] = {NULL}, *outputs[CR_MODULE_OUTPUTS] = {NULL};
    size_t ninputs = cr_onnx_inputs(model), noutputs = 0;
    for (size_t i = 0; i < ninputs && i < 16; i++)
        if (!(inputs[i] = load(folder, name, "input", i)))
            return strstr(cr_error(), "not supported") ? NOT_KNOWN : FAILED;
    noutputs = model->type->forward(model, inputs, ninputs, outputs);
    if (!noutputs)
        return cr_error() && strstr(cr_error(), "not supported") ? NOT_KNOWN : FAILED;
    for (size_t i = 0; i < noutputs; i++) {
        cr_tensor *expected = load(folder, name, "output", i);
        if (!expected)
            return NOT_KNOWN;
        if (!is_close(outputs[i], expected))
            return WRONG;
    }
    return PASS;
}

static outcome run_apart(const char *folder, const char *name, bool verbose)
{
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        outcome result = run_test(folder, name);
        if (verbose && result != PASS)
            printf("%s %s: %s\n", result == NOT_KNOWN ? "unknown" : "FAILED", name,
                   cr_error() ? cr_error() : "?");
        fflush(stdout);
        _exit(result);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
        WEXITSTATUS(status) > NOT_KNOWN) {
        printf("CRASHED %s\n", name);
        return CRASHED;
    }
    return (outcome)WEXITSTATUS(status);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
    long least = 0, counts[CRASHED + 1] = {0};
    bool verbose = false;
    if (argc < 2)
        return 2;
    for (int i = 2; i < argc; i++) {
        verbose |= !strcmp(argv[i], "--verbose");
        if (!strcmp(argv[i], "--floor") && i + 1 < argc)
            least = atol(argv[i + 1]);
    }
    struct dirent **list;
    int count = scandir(argv[1], &list, NULL, by_name);
    if (count < 0) {
        printf("there is no folder %s\n", argv[1]);
        return 77;
    }
    for (int i = 0; i < count; i++) {
        if (!strncmp(list[i]->d_name, "test_", 5))
            counts[run_apart(argv[1], list[i]->d_name, verbose)]++;
        free(list[i]);
    }
    free(list);
    printf("%ld of %ld pass; %ld with something that is not supported, %ld failed, %ld with "
           "another result, %ld crashed\n",
           counts[PASS],
           counts[PASS] + counts[WRONG] + counts[FAILED] + counts[NOT_KNOWN] + counts[CRASHED],
           counts[NOT_KNOWN], counts[FAILED], counts[WRONG], counts[CRASHED]);
    return counts[PASS] < least || counts[CRASHED];
}
