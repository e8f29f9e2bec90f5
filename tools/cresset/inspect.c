/* The commands that show things: version, backends, ops, summary. */
#include "cli.h"
#include "coverage.h"

#include <stdio.h>
#include <string.h>

static int run_version(int argc, char **argv)
{
    int n = read_options(&version_command, NULL, argc, argv, NULL, 0);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    printf("cresset %s\n", cr_version());
    return 0;
}
const command version_command = {"version", "", "Prints the library's version.", "", run_version};

static void print_device(const char *name, int index, int count, const cr_device_info *info)
{
    char label[96];
    snprintf(label, sizeof label, count > 1 ? "%s:%d" : "%s", name, index);
    printf("  %-12s %s", label, info->name);
    if (info->memory)
        printf(", %.1f GiB", (double)info->memory / 1073741824.0);
    printf("%s\n", info->host_memory ? ", in host memory" : "");
}

static int run_backends(int argc, char **argv)
{
    bool coverage = false;
    const option options[] = {{"coverage", OPTION_FLAG, &coverage}, {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&backends_command, options, argc, argv, NULL, 0);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    const char *best = cr_default_device(); /* first, so that a file that is asked for is listed */
    size_t count = cr_backend_count();
    for (size_t i = 0; i < count; i++) {
        const cr_backend_candidate *c = cr_backend_get(i);
        if (c->refused) {
            printf("%s: refused: %s\n  %s\n", c->name, c->refused, c->path);
            continue;
        }
        printf("%s %s\n  %s\n", c->name, c->version, c->path);
        if (c->wraps)
            printf("  in front of another backend: %s:cpu\n", c->name);
        for (int d = 0; d < c->device_count; d++) {
            cr_device_info info;
            if (cr_backend_device_info(i, d, &info))
                return report_error();
            print_device(c->name, d, c->device_count, &info);
        }
    }
    if (!best)
        return report_error();
    printf("default: %s\n", best);
    if (coverage) {
        /* What a training step of LeNet uses, since that is what runs here. */
        cr_module *net = make_lenet();
        cr_tensor *x = cr_randn(CR_INTS(4, 1, 28, 28)), *target = cr_zeros(4, .dtype = CR_I64);
        cr_backward(cr_cross_entropy(cr_forward(net, x), target));
        if (cr_error())
            return report_error();
        cr_op_counts counts[512];
        size_t nops = cr_device_op_counts(NULL, counts, 512);
        printf("\n%-40s %8s %11s %9s\n", "operations of a LeNet step", "native", "decomposed",
               "fallback");
        for (size_t i = 0; i < nops && i < 512; i++)
            printf("%-40s %8llu %11llu %9llu\n", counts[i].op, (unsigned long long)counts[i].native,
                   (unsigned long long)counts[i].decomposed,
                   (unsigned long long)counts[i].fallback);
    }
    return 0;
}
const command backends_command = {
    "backends", "[--coverage]",
    "Lists the backends that were found, their devices, and why any was refused.",
    "  --coverage   also how the operations of a LeNet training step ran: native, decomposed or "
    "fallback\n"
    "\n"
    "CRESSET_BACKEND chooses (\"vulkan:1,cpu\", a path, or \"auto\"), CRESSET_BACKEND_PATH adds "
    "folders.\n",
    run_backends};

static int run_ops(int argc, char **argv)
{
    const char *name[1];
    bool coverage = false, page = false;
    const option options[] = {{"coverage", OPTION_FLAG, &coverage},
                              {"page", OPTION_FLAG, &page},
                              {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&ops_command, options, argc, argv, name, 1);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (coverage) {
        char folder[1024];
        return share_folder("parity", folder, sizeof folder) && !print_coverage(folder)
                   ? 0
                   : CLI_FAILED;
    }
    if (page)
        return print_page() ? report_error() : 0;
    size_t shown = 0;
    for (size_t i = 0; i < cr_op_count(); i++) {
        const char *op = cr_op_name(i);
        size_t bare = strcspn(op, ".");
        if (n && strcmp(op, name[0]) && (bare != strlen(name[0]) || strncmp(op, name[0], bare)))
            continue;
        printf("%s\n", cr_op_schema(op));
        shown++;
    }
    if (n && !shown) {
        cr_value none;
        size_t outs;
        cr_call(name[0], NULL, 0, NULL, 0, &none, 1, &outs); /* for the closest names */
        return report_error();
    }
    return 0;
}
const command ops_command = {
    "ops", "[NAME] [options]", "Lists the operations with their schemas, or those of one name.",
    "  --coverage   what of Core ATen and torch.nn.functional is there, and what is missing\n"
    "  --page       the table as a Markdown page\n",
    run_ops};

static int run_summary(int argc, char **argv)
{
    const char *name[1];
    int n = read_options(&summary_command, NULL, argc, argv, name, 1);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (n != 1 || strcmp(name[0], "lenet")) {
        fprintf(stderr, "cresset summary: the model must be lenet%s%s\n", n ? ", not " : "",
                n ? name[0] : "");
        return CLI_USAGE;
    }
    cr_module *net = make_lenet();
    if (cr_module_print(net) || cr_summary(net, CR_INTS(1, 28, 28)))
        return report_error();
    return 0;
}
const command summary_command = {"summary", "lenet",
                                 "Prints a model, its layers' output shapes and its parameters.",
                                 "", run_summary};
